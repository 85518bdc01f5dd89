package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

// movingWorld is a preflightWorld whose run moves the release.
func movingWorld(t *testing.T) *world {
	t.Helper()
	w := preflightWorld(t)
	w.run.Spec.Target.Namespace = movedNS
	return w
}

func TestThePlanOfAMove(t *testing.T) {
	w := movingWorld(t)
	w.mayMoveTo = movedNS
	w.permitted()
	w.at(movedNS, func() { w.hold("karpenter-upgrade-operator/before") }) // left by a run that was aborted
	out := w.preflight().Run(w.ctx(), w.run)
	w.Expect(out.Kind).To(Equal(engine.KindDone), out.Message)
	w.Expect(w.run.Status.Plan.Namespace).To(Equal(karpenterNS))
	w.Expect(w.run.Status.Plan.TargetNamespace).To(Equal(movedNS))
	w.Expect(w.found(v1alpha1.SeverityWarning)).To(ContainElement(And(
		HaveField("Code", "MoveTrustNeeded"), HaveField("Fix", ContainSubstring("--cluster-name sandbox --namespace karpenter-system --service-account karpenter")))))
	hash := w.run.Status.Plan.Hash

	w.run.Spec.Target.Namespace = karpenterNS
	w.preflight().Run(w.ctx(), w.run)
	w.Expect(w.run.Status.Plan.TargetNamespace).To(BeEmpty(), "it is there already")
	w.Expect(w.run.Status.Plan.Hash).NotTo(Equal(hash))
}

func TestWhatStandsInTheWayOfAMove(t *testing.T) {
	w := movingWorld(t)
	w.Expect(w.blockers()).To(BeEmpty())

	w.run.Spec.Target.Namespace = "nowhere"
	w.Expect(w.blockers()).To(Equal([]string{"TargetNamespaceMissing"}))
	w.run.Spec.Target.Namespace = movedNS

	w.at(movedNS, func() { w.hold("their-karpenter_0b5c6d7e-0000-4000-8000-000000000009") })
	w.Expect(w.blockers()).To(Equal([]string{"LeaderElsewhere"}))
	w.at(movedNS, func() { w.hold("") })

	theirs := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: movedNS, Name: "karpenter"}}
	w.ok(w.api.Create(w.ctx(), theirs))
	w.Expect(w.blockers()).To(Equal([]string{"MoveServiceAccount"}))
	w.ok(w.api.Delete(w.ctx(), theirs))

	w.run.Spec.Target.Values = raw(`{"serviceAccount": {"create": false, "name": "karpenter"}}`)
	w.Expect(w.findings(v1alpha1.SeverityBlocker)).To(HaveExactElements(And(HaveField("Code", "MoveServiceAccount"), HaveField("Why", ContainSubstring("serviceAccount.create is false")))))
	w.run.Spec.Target.Values = raw(`{"serviceAccount": {"name": "autoscaler"}}`)
	w.Expect(w.findings(v1alpha1.SeverityBlocker)).To(HaveExactElements(And(HaveField("Code", "MoveServiceAccount"), HaveField("Why", ContainSubstring("as karpenter until then")))))
	w.run.Spec.Target.Values = nil

	w.at(movedNS, func() { w.install(blueRelease+"-2", "karpenter", greenVersion, clusterName("sandbox")) })
	w.Expect(w.blockers()).To(ContainElement("ReleaseAmbiguous"))
}

func TestAMoveWithoutThePermissionsForItNamesTheValueToSet(t *testing.T) {
	w := movingWorld(t)
	w.permitted()
	found := w.findings(v1alpha1.SeverityBlocker)
	w.Expect(codes(found)).To(ContainElement("PermissionsMissing"))
	for _, f := range found {
		if f.Code == "PermissionsMissing" {
			w.Expect(f.Fix).To(Or(
				ContainSubstring("karpenter.targetNamespace=karpenter-system"), ContainSubstring("rbac.additionalKarpenterRules")))
		}
	}
	w.Expect(found).To(ContainElement(HaveField("Fix", ContainSubstring("karpenter.targetNamespace=karpenter-system"))))
}
