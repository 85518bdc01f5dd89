package engine

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Direction is where a run goes.
type Direction int

const (
	// DirectionNone has ended.
	DirectionNone Direction = iota
	// DirectionPlan looks and changes nothing.
	DirectionPlan
	// DirectionForward carries the plan out.
	DirectionForward
	// DirectionHold stands still.
	DirectionHold
	// DirectionBack takes the phases back, last one first.
	DirectionBack
	// DirectionRelease takes the marks back and ends.
	DirectionRelease
)

// Decide says where a run goes, from what the user wants and how far it is. A run that has begun to go back goes on going
// back until the user pauses or aborts it.
func Decide(run *v1alpha1.KarpenterUpgrade) Direction {
	switch {
	case run.Ended():
		return DirectionNone
	case !run.DeletionTimestamp.IsZero(), run.Spec.Mode == v1alpha1.ModeAbort:
		return DirectionRelease
	case run.Spec.Mode == v1alpha1.ModePause:
		return DirectionHold
	case goesBack(run):
		return DirectionBack
	case run.FailedStep() != nil:
		return DirectionHold
	case run.Spec.Mode == v1alpha1.ModePlan:
		return DirectionPlan
	case run.Spec.Mode == v1alpha1.ModeRollback:
		return DirectionHold // past the floor
	default:
		return DirectionForward
	}
}

func goesBack(run *v1alpha1.KarpenterUpgrade) bool {
	if run.GoesBack() {
		return true
	}
	if !run.RollbackPossible() {
		return false
	}
	if run.Spec.Mode == v1alpha1.ModeRollback {
		return true
	}
	return run.FailedStep() != nil && run.Spec.OnFailure != v1alpha1.FailurePolicyPause
}
