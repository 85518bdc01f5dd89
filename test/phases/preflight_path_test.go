package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// The way that guides describe as one step: from 0.37 to 1.5. It is planned and explained without their charts being at hand, which
// is a finding for each that is missing.
func TestAWayWithAStopIsExplained(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.dropCRDs()
	lastCRDs.mixed = true
	w.install(crdRelease, release.ChartCRDs, betaVersion, nil)
	for _, name := range coreCRDs {
		w.established(name)
	}
	w.install(blueRelease, release.ChartKarpenter, betaVersion, map[string]any{
		"settings": map[string]any{"clusterName": "sandbox"}, "webhook": map[string]any{"enabled": false},
	})
	change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Image = "public.ecr.aws/karpenter/controller:0.37.0"
	})
	w.play()
	w.create(`
apiVersion: karpenter.k8s.aws/v1beta1
kind: EC2NodeClass
metadata: {name: default}
spec: {amiFamily: AL2023, role: r, subnetSelectorTerms: [{tags: {a: b}}], securityGroupSelectorTerms: [{tags: {a: b}}]}
`)
	for name, kubelet := range map[string]string{"general": "{maxPods: 40}", "batch": "{}"} {
		w.create(`
apiVersion: karpenter.sh/v1beta1
kind: NodePool
metadata: {name: ` + name + `}
spec:
  template:
    spec:
      kubelet: ` + kubelet + `
      nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: default}
      requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]
  disruption: {consolidationPolicy: WhenUnderutilized, expireAfter: 720h}
`)
	}
	w.run = w.newRun("guide", func(s *v1alpha1.KarpenterUpgradeSpec) { s.Mode, s.Target.Version = v1alpha1.ModePlan, "1.5.0" })
	out := w.step(w.preflight().Run)
	w.Expect(out.Kind).To(Equal(engine.KindBlocked))
	w.Expect(w.run.Status.From).To(Equal("0.37.0"))

	made := w.run.Status.Plan
	w.Expect(made).NotTo(BeNil())
	w.Expect(made.Hops).To(HaveExactElements(
		And(HaveField("Version", "1.0.14"), HaveField("Strategy", v1alpha1.StrategyInPlace), HaveField("StoredVersion", "v1"), HaveField("RollbackTo", "0.37.0")),
		And(HaveField("Version", "1.5.0"), HaveField("Strategy", v1alpha1.StrategyBlueGreen), HaveField("RollbackTo", "1.0.14"),
			HaveField("PointOfNoReturn", ContainSubstring("v1beta1"))),
	))
	w.Expect(made.Hops[0].Changes).To(ContainElement(ContainSubstring("expireAfter")))
	w.Expect(made.Pools).To(ConsistOf(
		And(HaveField("Blue", "general"), HaveField("Green", "general-v1-5-0")), And(HaveField("Blue", "batch"), HaveField("Green", "batch-v1-5-0"))))
	w.Expect(made.NodeClasses).To(HaveLen(2), "NodePools that differ in their kubelet settings get an EC2NodeClass each")
	w.Expect(codes(w.found(v1alpha1.SeverityBlocker))).To(ContainElement("ChartNotFound"))
	w.Expect(w.found(v1alpha1.SeverityBlocker)).NotTo(ContainElement(HaveField("Code", "Unreadable")))
	w.Expect(codes(w.found(v1alpha1.SeverityWarning))).To(ContainElement("KubeletMoves"))
	w.Expect(codes(w.found(v1alpha1.SeverityInfo))).To(ContainElement("PointOfNoReturn"))
}
