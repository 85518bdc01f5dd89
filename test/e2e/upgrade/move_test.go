//go:build e2e

package upgrade_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	awscontrol "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

var _ = Describe("A blue-green upgrade from 1.0.8 to 1.14.1 that moves the release", func() {
	It("ends in kube-system, where never two controllers led", func(ctx SpecContext) {
		const to = metav1.NamespaceSystem
		p := stage(ctx, "move", to)
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) { run.Spec.Target.Namespace = to })
		ended := p.end(ctx, run, v1alpha1.RunSucceeded)
		Expect(ended.Status.Plan.TargetNamespace).To(Equal(to))
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.Moved(to, c, r))).To(BeEmpty())
		Expect(int(ended.Status.Nodes.Done)).To(Equal(r.Nodes.BlueBefore), "the operator counts what was seen")
		Expect(r.Leaders).To(ContainElements(
			HaveField("Pod", HavePrefix(workloads.Namespace+"/karpenter-")), HaveField("Pod", HavePrefix(to+"/karpenter-green-")), HaveField("Pod", HavePrefix(to+"/karpenter-")),
		), "leaders of both namespaces were seen")
		Expect(r.Leaders).To(HaveEach(HaveField("MetricSeconds", BeNumerically(">", 1))), "leaders were asked for their own metric too")

		account := &corev1.ServiceAccount{}
		Expect(p.Client.Get(ctx, client.ObjectKey{Namespace: to, Name: "karpenter"}, account)).To(Succeed())
		Expect(account.Annotations).To(HaveKeyWithValue("meta.helm.sh/release-name", "karpenter"), "the release has adopted it")
	}, SpecTimeout(buildTimeout+stageTimeout))

	It("goes all the way back to where it came from", func(ctx SpecContext) {
		const to = metav1.NamespaceSystem
		p := stage(ctx, "move-back", to)
		_, err := p.Sandbox.AWS().AddICE(ctx, awscontrol.ICE{}) // no capacity, of any type, anywhere
		Expect(err).NotTo(HaveOccurred())
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) {
			run.Spec.Target.Namespace = to
			run.Spec.Canary.Timeout = metav1.Duration{Duration: 30 * time.Second}
		})
		ended := p.end(ctx, run, v1alpha1.RunRolledBack)
		Expect(ended.Status.Failure).To(HaveValue(HaveField("Phase", v1alpha1.PhaseCanary)))
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.NeverUpgraded(c, r))).To(BeEmpty())
		Expect(r.Leaders).To(ContainElement(HaveField("Pod", HavePrefix(to+"/karpenter-green-"))), "green led")
		Expect(c.OtherReleases).To(BeEmpty())
		Expect(c.Elections).To(HaveExactElements(HavePrefix(workloads.Namespace+"=karpenter-")), "no fence is left")
		err = p.Client.Get(ctx, client.ObjectKey{Namespace: to, Name: "karpenter"}, &corev1.ServiceAccount{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the run made it, and took it back")
	}, SpecTimeout(buildTimeout+stageTimeout))
})
