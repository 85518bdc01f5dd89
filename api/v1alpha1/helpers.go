package v1alpha1

// Ended says that nothing more happens to the run.
func (u *KarpenterUpgrade) Ended() bool {
	switch u.Status.Phase {
	case RunSucceeded, RunRolledBack, RunAborted:
		return true
	default:
		return false
	}
}

// Active says that the run has begun to change things and has not ended.
func (u *KarpenterUpgrade) Active() bool {
	return u.Status.StartedAt != nil && !u.Ended()
}

// Step is the status of a phase; nil when it has none yet.
func (u *KarpenterUpgrade) Step(phase PhaseName) *Step {
	for i := range u.Status.Steps {
		if u.Status.Steps[i].Phase == phase {
			return &u.Status.Steps[i]
		}
	}
	return nil
}

// RollbackFloor is the phase at whose beginning going back ends to be possible.
func (u *KarpenterUpgrade) RollbackFloor() PhaseName {
	if u.Status.Plan == nil {
		return PhaseCleanup
	}
	return u.Status.Plan.RollbackFloor
}

// RollbackPossible says that going back leads somewhere: the rollback floor has not been reached.
func (u *KarpenterUpgrade) RollbackPossible() bool {
	floor := u.Step(u.RollbackFloor())
	return floor == nil || floor.State == StepPending
}

// FailedStep is the step that failed; nil when none did.
func (u *KarpenterUpgrade) FailedStep() *Step {
	for i := range u.Status.Steps {
		if u.Status.Steps[i].State == StepFailed {
			return &u.Status.Steps[i]
		}
	}
	return nil
}
