//go:build e2e

package upgrade_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

// toAL2023 is what a team does about AL2, of which there are no images for the Kubernetes versions that 1.14 supports longest.
const toAL2023 = `{"amiFamily": null, "amiSelectorTerms": [{"alias": "al2023@latest"}]}`

// object reads an object of Karpenter.
func (p *play) object(ctx context.Context, apiVersion, kind, name string) *unstructured.Unstructured {
	GinkgoHelper()
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	Expect(p.Client.Get(ctx, client.ObjectKey{Name: name}, o)).To(Succeed())
	return o
}

func field(o *unstructured.Unstructured, fields ...string) any {
	GinkgoHelper()
	value, _, err := unstructured.NestedFieldCopy(o.Object, fields...)
	Expect(err).NotTo(HaveOccurred())
	doc, err := json.Marshal(value)
	Expect(err).NotTo(HaveOccurred())
	return string(doc)
}

// drifted are the NodeClaims that Karpenter wants to replace.
func (p *play) drifted(ctx context.Context) []string {
	GinkgoHelper()
	claims := &unstructured.UnstructuredList{}
	claims.SetAPIVersion("karpenter.sh/v1beta1")
	claims.SetKind("NodeClaimList")
	Expect(p.Client.List(ctx, claims)).To(Succeed())
	Expect(claims.Items).NotTo(BeEmpty())
	var out []string
	for i := range claims.Items {
		if status, message := snapshot.ConditionStatus(&claims.Items[i], "Drifted"); status == "True" {
			out = append(out, claims.Items[i].GetName()+": "+message)
		}
	}
	return out
}

// setMode changes what the user wants of a run.
func (p *play) setMode(ctx context.Context, run *v1alpha1.KarpenterUpgrade, mode v1alpha1.Mode) {
	GinkgoHelper()
	now := &v1alpha1.KarpenterUpgrade{}
	Expect(p.Client.Get(ctx, client.ObjectKeyFromObject(run), now)).To(Succeed())
	before := now.DeepCopy()
	now.Spec.Mode = mode
	Expect(p.Client.Patch(ctx, now, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("A way with a stop, from 0.36.2 by 1.0.8", Ordered, ContinueOnFailure, func() {
	It("ends at 1.14.1 with objects that mean the same", func(ctx SpecContext) {
		p := stageFrom(ctx, "hops", []string{scenario.FromBeta, scenario.From, scenario.To})
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) {
			run.Spec.Target.Stops = []string{scenario.From}
			run.Spec.NodePools = &v1alpha1.NodePools{NodeClassOverrides: []v1alpha1.Override{
				{Name: "default", Patch: &apiextensionsv1.JSON{Raw: []byte(toAL2023)}},
			}}
		})
		ended := p.end(ctx, run, v1alpha1.RunSucceeded)
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.UpgradedFrom(scenario.FromBeta, c, r))).To(BeEmpty())
		Expect(ended.Status.From).To(Equal(scenario.FromBeta))
		Expect(ended.Status.Hops).To(ConsistOf(And(
			HaveField("Version", scenario.From), HaveField("State", v1alpha1.StepDone),
			HaveField("Storage", HaveEach(HaveField("State", v1alpha1.StepDone))))))

		general := p.object(ctx, "karpenter.sh/v1", "NodePool", "general-v1-14-1")
		Expect(field(general, "spec", "disruption")).To(MatchJSON(`{"budgets": [{"nodes": "0"}], "consolidateAfter": "0s", "consolidationPolicy": "WhenEmptyOrUnderutilized"}`))
		Expect(field(general, "spec", "template", "spec", "expireAfter")).To(MatchJSON(`"720h"`))
		Expect(field(general, "spec", "template", "spec", "nodeClassRef")).To(MatchJSON(`{"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default-general-v1-14-1"}`),
			"it shared an EC2NodeClass with one that has no kubelet settings")
		Expect(field(general, "spec", "limits")).To(MatchJSON(`{"cpu": "100"}`))
		Expect(field(general, "spec", "weight")).To(MatchJSON(`10`))
		class := p.object(ctx, "karpenter.k8s.aws/v1", "EC2NodeClass", "default-general-v1-14-1")
		Expect(field(class, "spec", "kubelet")).To(MatchJSON(`{
			"maxPods": 28, "systemReserved": {"cpu": "50m"}, "evictionHard": {"nodefs.available": "12%"},
			"imageGCHighThresholdPercent": 80, "imageGCLowThresholdPercent": 60
		}`))
		Expect(field(class, "spec", "amiSelectorTerms")).To(MatchJSON(`[{"alias": "al2023@latest"}]`))
		Expect(field(class, "spec", "metadataOptions", "httpPutResponseHopLimit")).To(MatchJSON(`2`), "the default of v1beta1, which 1.0 changed for new objects")
		Expect(field(class, "spec", "userData")).To(ContainSubstring("audited"))

		batch := p.object(ctx, "karpenter.sh/v1", "NodePool", "batch-v1-14-1")
		Expect(field(batch, "spec", "template", "spec", "nodeClassRef", "name")).To(MatchJSON(`"default-v1-14-1"`))
		Expect(field(batch, "spec", "template", "spec", "expireAfter")).To(MatchJSON(`"168h"`))
		Expect(field(p.object(ctx, "karpenter.k8s.aws/v1", "EC2NodeClass", "default-v1-14-1"), "spec", "kubelet")).To(MatchJSON(`null`))
		Expect(field(p.object(ctx, "karpenter.k8s.aws/v1", "EC2NodeClass", "default-v1-14-1"), "spec", "amiSelectorTerms")).To(MatchJSON(`[{"alias": "al2023@latest"}]`))
		Expect(field(p.object(ctx, "karpenter.k8s.aws/v1", "EC2NodeClass", "data-v1-14-1"), "spec", "kubelet")).To(MatchJSON(`{"maxPods": 25}`))
		data := p.object(ctx, "karpenter.sh/v1", "NodePool", "data-v1-14-1")
		Expect(field(data, "spec", "template", "spec", "expireAfter")).To(MatchJSON(`"Never"`))
		Expect(field(data, "spec", "disruption", "budgets")).To(MatchJSON(`[{"nodes": "1"}]`))
	}, SpecTimeout(buildTimeout+stageTimeout))

	It("goes back to 0.36.2 when the user says so after the hop", func(ctx SpecContext) {
		p := stageFrom(ctx, "hop-back", []string{scenario.FromBeta, scenario.From})
		pods, err := p.WorkloadPods(ctx)
		Expect(err).NotTo(HaveOccurred())
		before := p.object(ctx, "karpenter.sh/v1beta1", "NodePool", "general")
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) {
			run.Spec.Target.Version = scenario.From
			run.Spec.Canary.Image = "sandbox.local/none" // it never gets so far
		})
		Eventually(func(g Gomega) {
			now := &v1alpha1.KarpenterUpgrade{}
			g.Expect(p.Client.Get(ctx, client.ObjectKeyFromObject(run), now)).To(Succeed())
			g.Expect(now.Status.Hops).To(ConsistOf(HaveField("State", v1alpha1.StepDone)))
		}).WithContext(ctx).WithTimeout(3 * time.Minute).WithPolling(250 * time.Millisecond).Should(Succeed())
		p.setMode(ctx, run, v1alpha1.ModeRollback)
		ended := p.end(ctx, run, v1alpha1.RunRolledBack)
		Expect(ended.Status.Message).To(ContainSubstring("rolled back to Karpenter " + scenario.FromBeta))
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.Unharmed(r))).To(BeEmpty())
		Expect(c.Controllers).To(ConsistOf("karpenter/karpenter=" + scenario.FromBeta + " (2 of 2)"))
		Expect(c.Releases).To(ConsistOf("karpenter-crd="+scenario.FromBeta, "karpenter="+scenario.FromBeta))
		Expect(c.CRDs).To(ContainElements("nodepools.karpenter.sh=v1beta1, None", "nodeclaims.karpenter.sh=v1beta1, None", "ec2nodeclasses.karpenter.k8s.aws=v1beta1, None"))
		after := p.object(ctx, "karpenter.sh/v1beta1", "NodePool", "general")
		resources, _, err := unstructured.NestedMap(after.Object, "spec", "template", "spec", "resources")
		Expect(err).NotTo(HaveOccurred())
		Expect(resources).To(BeEmpty())
		unstructured.RemoveNestedField(after.Object, "spec", "template", "spec", "resources") // 1.0.8 converts none to an empty one
		Expect(field(after, "spec")).To(MatchJSON(field(before, "spec").(string)), "kubelet, nodeClassRef, expireAfter and policy are what they were")
		now, err := p.WorkloadPods(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(now).To(Equal(pods), "no pod of any workload was moved or restarted")
		Expect(p.drifted(ctx)).To(BeEmpty(), "the nodes, which are not frozen any more, are as 0.36.2 wants them")
	}, SpecTimeout(buildTimeout+stageTimeout))
})

var _ = Describe("An upgrade in place, from 1.0.8 to 1.14.1", Ordered, ContinueOnFailure, func() {
	It("rolls the nodes of NodePools that stay", func(ctx SpecContext) {
		p := stage(ctx, "in-place")
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) { run.Spec.Strategy = v1alpha1.StrategyInPlace })
		ended := p.end(ctx, run, v1alpha1.RunSucceeded)
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.UpgradedInPlace(c, r))).To(BeEmpty())
		Expect(int(ended.Status.Nodes.Done)).To(Equal(r.Nodes.BlueBefore), "every node that was there was replaced")
		Expect(scenario.NotLaunchedBy(c.Nodes, r, scenario.To)).To(BeEmpty())
	}, SpecTimeout(buildTimeout+stageTimeout))

	It("rolls no node when they are to be kept, steered by the kubectl plugin", func(ctx SpecContext) {
		p := stage(ctx, "keep")
		pods, err := p.WorkloadPods(ctx)
		Expect(err).NotTo(HaveOccurred())
		before, err := p.Look(ctx)
		Expect(err).NotTo(HaveOccurred())
		cli := p.plugin(ctx)
		cli.planWithReadRights(ctx)
		run := p.begin(ctx, func(run *v1alpha1.KarpenterUpgrade) {
			run.Spec.Mode = v1alpha1.ModePlan
			run.Spec.Strategy, run.Spec.Nodes = v1alpha1.StrategyInPlace, v1alpha1.NodesKeep
			run.Spec.AWS = nil // one more security group that matches would be drift
		})
		p.comesTo(ctx, run, v1alpha1.RunPlanned)
		Expect(cli.run(ctx, 0, "resume", run.Name)).To(ContainSubstring("spec.mode is Run: the run goes on to Karpenter 1.14.1"))
		Expect(cli.run(ctx, 0, "status", run.Name, "--watch")).To(And(ContainSubstring("Freeze"), ContainSubstring("Succeeded")))
		p.end(ctx, run, v1alpha1.RunSucceeded)
		Expect(cli.run(ctx, 0, "status", run.Name)).To(MatchRegexp("✓ Cleanup"))
		Expect(cli.run(ctx, 1, "pause", run.Name)).To(ContainSubstring("has ended (Succeeded): there is nothing to pause"))
		c, r := p.observed(ctx)
		Expect(scenario.Failed(scenario.UpgradedInPlace(c, r))).To(BeEmpty())
		Expect(c.Nodes).To(ConsistOf(before.Nodes), "the same nodes, launched by the same pods")
		now, err := p.WorkloadPods(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(now).To(Equal(pods), "no pod of any workload was moved or restarted")
	}, SpecTimeout(buildTimeout+stageTimeout))
})
