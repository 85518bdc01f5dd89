//go:build e2e

package upgrade_test

import (
	"context"
	"math/rand"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	awscontrol "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

var _ = Describe("A blue-green upgrade from 1.0.8 to 1.14.1", Ordered, ContinueOnFailure, func() {
	It("replaces the controller and every node, and hurts nobody", func(ctx SpecContext) {
		p := stage(ctx, "forward")
		run := p.begin(ctx, nil)
		ended := p.end(ctx, run, v1alpha1.RunSucceeded)
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.Upgraded(c, r))).To(BeEmpty())
		Expect(ended.Status.From).To(Equal(scenario.From))
		Expect(int(ended.Status.Nodes.Done)).To(Equal(r.Nodes.BlueBefore), "the operator counts what was seen")
		Expect(r.Series).NotTo(BeEmpty())
		Expect(r.Leaders).To(HaveEach(HaveField("MetricSeconds", BeNumerically(">", 1))), "leaders were asked for their own metric too")
		Expect(r.Requests.ByClient).To(And(HaveKey("operator"), HaveKey("karpenter"), HaveKey("kube-system")))
	}, SpecTimeout(buildTimeout+stageTimeout))

	It("goes all the way back when the new controller gets no instance", func(ctx SpecContext) {
		p := stage(ctx, "back")
		before, err := p.WorkloadPods(ctx)
		Expect(err).NotTo(HaveOccurred())
		_, err = p.Sandbox.AWS().AddICE(ctx, awscontrol.ICE{}) // no capacity, of any type, anywhere
		Expect(err).NotTo(HaveOccurred())
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) {
			run.Spec.Canary.Timeout = metav1.Duration{Duration: 30 * time.Second}
		})
		ended := p.end(ctx, run, v1alpha1.RunRolledBack)
		Expect(ended.Status.Failure).To(HaveValue(HaveField("Phase", v1alpha1.PhaseCanary)))
		rules, err := p.Sandbox.AWS().ICEs(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(rules).To(ConsistOf(HaveField("Hits", BeNumerically(">", 0))), "it was tried")

		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.NeverUpgraded(c, r))).To(BeEmpty())
		after, err := p.WorkloadPods(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after).To(Equal(before), "no pod of any workload was moved or restarted")
	}, SpecTimeout(buildTimeout+stageTimeout))

	It("comes to the same end when the operator is killed five times", func(ctx SpecContext) {
		const kills = 5
		p := stage(ctx, "killed")
		seed := GinkgoRandomSeed()
		GinkgoWriter.Printf("the moments are those of seed %d: go test -ginkgo.seed=%d\n", seed, seed)
		run := p.begin(ctx, nil)
		k := &killer{play: p, run: run.Name, random: rand.New(rand.NewSource(seed))}
		killing, stop := context.WithCancel(ctx)
		defer stop()
		done := make(chan error, 1)
		go func() { done <- k.kill(killing, kills) }()
		p.end(ctx, run, v1alpha1.RunSucceeded)
		stop()
		Expect(<-done).To(Succeed())
		Expect(k.killed).To(Equal(kills), "before the run had ended")
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.Upgraded(c, r))).To(BeEmpty())
	}, SpecTimeout(buildTimeout+stageTimeout))
})
