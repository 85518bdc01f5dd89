//go:build e2e

package upgrade_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
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
})
