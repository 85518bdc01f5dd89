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
	case Ended(run):
		return DirectionNone
	case !run.DeletionTimestamp.IsZero(), run.Spec.Mode == v1alpha1.ModeAbort:
		return DirectionRelease
	case run.Spec.Mode == v1alpha1.ModePause:
		return DirectionHold
	case goesBack(run):
		return DirectionBack
	case failed(run) != nil:
		return DirectionHold
	case run.Spec.Mode == v1alpha1.ModePlan:
		return DirectionPlan
	case run.Spec.Mode == v1alpha1.ModeRollback:
		return DirectionHold // past the floor
	default:
		return DirectionForward
	}
}

// Ended says that nothing more happens to the run.
func Ended(run *v1alpha1.KarpenterUpgrade) bool {
	switch run.Status.Phase {
	case v1alpha1.RunSucceeded, v1alpha1.RunRolledBack, v1alpha1.RunAborted:
		return true
	default:
		return false
	}
}

// Active says that the run has begun to change things and has not ended.
func Active(run *v1alpha1.KarpenterUpgrade) bool {
	return run.Status.StartedAt != nil && !Ended(run)
}

// RollbackPossible says that going back leads somewhere: the phase that the plan calls its floor has not begun.
func RollbackPossible(run *v1alpha1.KarpenterUpgrade) bool {
	floor := Step(run, Floor(run))
	return floor == nil || floor.State == v1alpha1.StepPending
}

// Floor is the phase at whose beginning going back ends to be possible.
func Floor(run *v1alpha1.KarpenterUpgrade) v1alpha1.PhaseName {
	if run.Status.Plan == nil {
		return v1alpha1.PhaseCleanup
	}
	return run.Status.Plan.RollbackFloor
}

func goesBack(run *v1alpha1.KarpenterUpgrade) bool {
	for _, s := range run.Status.Steps {
		if s.State == v1alpha1.StepUndoing || s.State == v1alpha1.StepUndone {
			return true
		}
	}
	if !RollbackPossible(run) {
		return false
	}
	if run.Spec.Mode == v1alpha1.ModeRollback {
		return true
	}
	return failed(run) != nil && run.Spec.OnFailure != v1alpha1.FailurePolicyPause
}

func failed(run *v1alpha1.KarpenterUpgrade) *v1alpha1.Step {
	for i := range run.Status.Steps {
		if run.Status.Steps[i].State == v1alpha1.StepFailed {
			return &run.Status.Steps[i]
		}
	}
	return nil
}

// Step is the status of a phase; nil when it has none yet.
func Step(run *v1alpha1.KarpenterUpgrade, phase v1alpha1.PhaseName) *v1alpha1.Step {
	for i := range run.Status.Steps {
		if run.Status.Steps[i].Phase == phase {
			return &run.Status.Steps[i]
		}
	}
	return nil
}
