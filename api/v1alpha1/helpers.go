package v1alpha1

import (
	"slices"
	"strings"
)

// maxMessage is the bound of messages in the API, in bytes: a status with a longer one is refused as a whole.
const maxMessage = 1024

// Truncate cuts a message to what the API takes. What others say, such as API servers, registries and webhooks, has no bound.
func Truncate(s string) string {
	const rest = "..."
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage-len(rest)], "") + rest
}

// Ended says that nothing more happens to the run.
func (u *KarpenterUpgrade) Ended() bool {
	switch u.Status.Phase {
	case RunSucceeded, RunRolledBack, RunAborted:
		return true
	default:
		return false
	}
}

// GoesBack says that the run has begun to take phases back.
func (u *KarpenterUpgrade) GoesBack() bool {
	return slices.ContainsFunc(u.Status.Steps, func(s Step) bool { return s.State == StepUndoing || s.State == StepUndone })
}

// Active says that the run has passed Preflight and has not ended: it changes things, or will with its next step. Preflight
// lets a run pass only while no other is active, so there is never more than one.
func (u *KarpenterUpgrade) Active() bool {
	passed := u.Step(PhasePreflight)
	return !u.Ended() && (u.Status.StartedAt != nil || passed != nil && passed.State == StepDone)
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

// LastHop is the hop that ends at the target; nil while there is no plan.
func (u *KarpenterUpgrade) LastHop() *Hop {
	if u.Status.Plan == nil || len(u.Status.Plan.Hops) == 0 {
		return nil
	}
	return &u.Status.Plan.Hops[len(u.Status.Plan.Hops)-1]
}

// InPlace says that the whole way is gone in place: there is no second release.
func (u *KarpenterUpgrade) InPlace() bool {
	last := u.LastHop()
	return last != nil && last.Strategy == StrategyInPlace
}

// KeepsPools says that the NodePools stay as they are: their nodes are replaced by nodes of the same NodePools, or not at all.
func (u *KarpenterUpgrade) KeepsPools() bool { return u.Spec.Strategy == StrategyInPlace }

// LeadingRelease is the release that has to lead from Handover to Cleanup.
func (u *KarpenterUpgrade) LeadingRelease() (namespace, name string) {
	if u.InPlace() {
		return u.Status.Plan.Namespace, u.Status.Plan.Release
	}
	return u.Status.Plan.GreenNamespace(), u.Status.Plan.GreenRelease
}

// BlueVersion is the version of the original release now, as far as the run took it.
func (u *KarpenterUpgrade) BlueVersion() string {
	version := u.Status.From
	for _, h := range u.Status.Hops {
		if h.State == StepDone {
			version = h.Version
		}
	}
	return version
}

// Moves says that the release moves to another namespace.
func (p *Plan) Moves() bool { return p.TargetNamespace != "" }

// GreenNamespace is where the second release is, and where the original one is after the run: the namespace that it moves to, or
// else the one that it is in.
func (p *Plan) GreenNamespace() string {
	if p.Moves() {
		return p.TargetNamespace
	}
	return p.Namespace
}
