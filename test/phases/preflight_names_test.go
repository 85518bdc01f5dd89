package phases

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

func TestAReleaseOfAnotherNameThanTheOperatorsPermissionsStopsInPreflight(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.installBlue(true, map[string]any{"fullnameOverride": "autoscaler"})
	w.serve("autoscaler")
	w.blue()
	w.run = w.newRun("up")
	w.permitted()

	found := w.findings(v1alpha1.SeverityBlocker)
	w.Expect(found).To(ContainElement(And(
		HaveField("Code", "PermissionsMissing"),
		HaveField("Objects", ContainElements(
			"delete clusterroles.rbac.authorization.k8s.io autoscaler-core", "patch clusterrolebindings.rbac.authorization.k8s.io autoscaler",
		)),
		HaveField("Objects", Not(ContainElement(ContainSubstring("karpenter-green")))), // whose names the chart knows
		HaveField("Fix", ContainSubstring("--set karpenter.namespace=karpenter,karpenter.release=karpenter,karpenter.fullnameOverride=autoscaler")),
	)))

	w.t.Log("what Helm is refused, it says")
	err := w.kit.Releases.Uninstall(w.ctx(), karpenterNS, blueRelease)
	w.Expect(err).To(MatchError(And(ContainSubstring("uninstalling release karpenter/karpenter: "), ContainSubstring(`is forbidden: User "system:serviceaccount:`), ContainSubstring("cannot delete resource"))))
	w.Expect(fault.Classify(err)).To(Equal(fault.Denied))
}
