package engine

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestARunBeginsWithThePlanOfItsSpec(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	for f.run.Step(v1alpha1.PhasePreflight) == nil || f.run.Step(v1alpha1.PhasePreflight).State != v1alpha1.StepDone {
		f.engine.Step(t.Context(), f.run)
	}
	f.run.Generation++ // the target is changed, between Preflight and the first change
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.run.Status.StartedAt).To(BeNil())
	g.Expect(f.run.Step(v1alpha1.PhasePreflight).State).To(Equal(v1alpha1.StepPending))
	for f.run.Status.StartedAt == nil {
		f.engine.Step(t.Context(), f.run)
	}
	g.Expect(f.diary).To(Equal([]string{"run Preflight", "run Preflight"}))

	f.run.Generation++ // a limit of the migration is changed
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.run.Step(v1alpha1.PhasePreflight).State).To(Equal(v1alpha1.StepDone), "what has begun is not planned again")
}

func TestARunThatHasNotBegunMayGoBackToPlan(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	for f.run.Step(v1alpha1.PhasePreflight) == nil || f.run.Step(v1alpha1.PhasePreflight).State != v1alpha1.StepDone {
		f.engine.Step(t.Context(), f.run)
	}
	f.run.Spec.Mode = v1alpha1.ModePlan
	f.run.Generation++
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPlanned))
	g.Expect(f.run.Active()).To(BeFalse())
	f.run.Spec.Mode = v1alpha1.ModeRun
	f.run.Generation++
	f.engine.Step(t.Context(), f.run)
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.diary).To(Equal([]string{"run Preflight", "run Preflight", "run Preflight"}), "and is looked at again before it begins")
	g.Expect(f.run.Status.StartedAt).To(BeNil())
}
