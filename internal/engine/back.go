package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func (e *Engine) back(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	run.Status.Phase = v1alpha1.RunRollingBack
	for i := len(e.phases) - 1; i >= 0; i-- {
		phase, step := e.phases[i], run.Step(e.phases[i].Name())
		switch step.State {
		case v1alpha1.StepPending, v1alpha1.StepSkipped, v1alpha1.StepUndone:
			continue
		case v1alpha1.StepUndoing:
			return e.undo(ctx, run, phase, step)
		default:
			step.State, step.UndoStartedAt, step.EndedAt = v1alpha1.StepUndoing, ptr.To(e.now()), nil
			step.Attempts, step.RetryAt = 0, nil
			run.Status.Message = fmt.Sprintf("taking back %s", phase.Name())
			return again(0)
		}
	}
	run.Status.Phase, run.Status.FinishedAt = v1alpha1.RunRolledBack, ptr.To(e.now())
	run.Status.Message = rolledBackMessage(run)
	return Result{}
}

func (e *Engine) undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade, phase Phase, step *v1alpha1.Step) Result {
	if wait := e.untilRetry(step); wait > 0 {
		return again(wait)
	}
	out := e.keepAndUndo(ctx, run, phase)
	e.fold(step, out)
	run.Status.Message = fmt.Sprintf("taking back %s: %s", phase.Name(), out.Message)
	switch out.Kind {
	case KindDone, KindSkip:
		step.State, step.EndedAt = v1alpha1.StepUndone, ptr.To(e.now())
		return again(0)
	case KindRetry:
		return again(Backoff(step.Attempts))
	case KindFail: // going back has no way out but forward: keep trying, visibly
		step.Reason = v1alpha1.ReasonUndoFailed
		return again(retryMax)
	default:
		return again(out.After)
	}
}

// release takes all marks back and ends the run. Every phase that ever began is asked, those that are being taken back too, and
// one that is not done yet keeps no other from its turn.
func (e *Engine) release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	run.Status.Phase = v1alpha1.RunAborting
	message, after := "", time.Duration(0)
	for _, phase := range slices.Backward(e.phases) {
		step := run.Step(phase.Name())
		releaser, ok := phase.(Releaser)
		if !ok || step.StartedAt == nil {
			continue
		}
		done, wait := e.releaseOne(ctx, run, releaser, step)
		switch {
		case done:
		case message == "":
			message, after = fmt.Sprintf("taking back the marks of %s: %s", step.Phase, step.Message), wait
		default:
			after = min(after, wait)
		}
	}
	if message != "" {
		run.Status.Message = message
		return again(after)
	}
	run.Status.Phase, run.Status.FinishedAt = v1alpha1.RunAborted, ptr.To(e.now())
	run.Status.Message = abortedMessage(run)
	return Result{}
}

// releaseOne says whether all marks of a phase are gone, and if not when to look again.
func (e *Engine) releaseOne(ctx context.Context, run *v1alpha1.KarpenterUpgrade, releaser Releaser, step *v1alpha1.Step) (done bool, wait time.Duration) {
	if wait := e.untilRetry(step); wait > 0 {
		return false, wait
	}
	out := releaser.Release(ctx, run)
	e.fold(step, out)
	switch out.Kind {
	case KindDone, KindSkip:
		return true, 0
	case KindRetry:
		return false, Backoff(step.Attempts)
	case KindFail:
		return false, retryMax
	default:
		return false, out.After
	}
}

func rolledBackMessage(run *v1alpha1.KarpenterUpgrade) string {
	if f := run.Status.Failure; f != nil {
		return v1alpha1.Truncate(fmt.Sprintf("rolled back to Karpenter %s after %s failed: %s", run.Status.From, f.Phase, f.Message))
	}
	if run.Status.StartedAt == nil {
		return "rolled back before anything was changed"
	}
	return fmt.Sprintf("rolled back to Karpenter %s", run.Status.From)
}

func abortedMessage(run *v1alpha1.KarpenterUpgrade) string {
	fence := ""
	if run.Status.Plan != nil && run.Status.Plan.Moves() {
		fence = "; where two releases are left one is kept from leading: see the messages of Install and Handover in .status.steps"
	}
	for i := len(run.Status.Steps) - 1; i >= 0; i-- {
		if s := run.Status.Steps[i]; s.State != v1alpha1.StepPending && s.State != v1alpha1.StepUndone {
			return fmt.Sprintf("aborted in %s; marks are taken back, releases, NodePools and nodes stay as they are%s", s.Phase, fence)
		}
	}
	return "aborted before anything was changed"
}
