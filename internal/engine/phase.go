package engine

import (
	"context"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Phase is one phase of a run. Run and Undo observe the world, do at most one bounded action and say how it goes on; they are
// called again until they are done, by whichever process leads then. They write to the run's status what they must know later,
// and never its steps or conditions.
type Phase interface {
	// Name of the phase.
	Name() v1alpha1.PhaseName
	// Run takes the phase one step forward.
	Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Outcome
	// Undo takes the phase one step back. It is Done at once when there is nothing to take back.
	Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Outcome
}

// Keeper is a phase whose effect has to be kept up for things that appear later: it is called before every later step of the
// run until the phase is undone or Cleanup begins. A terminal error (fault.NewTerminal) says that a person has to do something:
// the run waits until it is gone.
type Keeper interface {
	Keep(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error
}

// Releaser is a phase that leaves marks on objects of others. Release takes them back, and nothing else.
type Releaser interface {
	Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Outcome
}

// Deadliner is a phase that fails when it takes longer, counted from its beginning; 0 for no deadline.
type Deadliner interface {
	Deadline(run *v1alpha1.KarpenterUpgrade) time.Duration
}
