package engine

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// planInterval is how often a plan that waits for spec.mode: Run is made anew.
const planInterval = time.Minute

// Engine walks runs through a ladder of phases.
type Engine struct {
	phases []Phase
	clock  clock.PassiveClock
}

// New returns an Engine for phases in this order. The first one looks and changes nothing: it is all that runs in mode Plan.
func New(clk clock.PassiveClock, phases ...Phase) *Engine {
	return &Engine{phases: phases, clock: clk}
}

// Result says when to look at the run again: after a while, or never of its own accord.
type Result struct {
	// Again says that the run wants to be looked at again, After from now.
	Again bool
	After time.Duration
}

func again(after time.Duration) Result {
	return Result{Again: true, After: max(after, time.Millisecond)}
}

// Step takes a run one step on and writes to its status what happened. The caller persists the status before it calls again.
func (e *Engine) Step(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	e.ensureSteps(run)
	var result Result
	switch Decide(run) {
	case DirectionPlan:
		result = e.plan(ctx, run)
	case DirectionForward:
		result = e.forward(ctx, run)
	case DirectionBack:
		result = e.back(ctx, run)
	case DirectionRelease:
		result = e.release(ctx, run)
	case DirectionHold:
		e.hold(run)
	case DirectionNone:
	}
	run.Status.ObservedGeneration = run.Generation
	Summarize(run, e.now())
	return result
}

func (e *Engine) now() metav1.Time { return metav1.NewTime(e.clock.Now()) }

func (e *Engine) ensureSteps(run *v1alpha1.KarpenterUpgrade) {
	for _, p := range e.phases {
		if run.Step(p.Name()) == nil {
			run.Status.Steps = append(run.Status.Steps, v1alpha1.Step{Phase: p.Name(), State: v1alpha1.StepPending})
		}
	}
}

func (e *Engine) plan(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	step := run.Step(e.phases[0].Name())
	if wait := e.untilRetry(step); wait > 0 {
		return again(wait)
	}
	out := e.phases[0].Run(ctx, run)
	e.fold(step, out)
	run.Status.Message = out.Message
	run.Status.Phase = where(step, out)
	switch out.Kind {
	case KindDone, KindSkip:
		run.Status.Phase = v1alpha1.RunPlanned
		return again(planInterval)
	case KindRetry:
		return again(Backoff(step.Attempts))
	default:
		return again(max(out.After, blockedInterval))
	}
}

// where says where a run is after a step of a phase: in it, unless it has to wait for another run.
func where(step *v1alpha1.Step, out Outcome) v1alpha1.RunPhase {
	if out.Reason == v1alpha1.ReasonQueued {
		return v1alpha1.RunQueued
	}
	return v1alpha1.RunPhase(step.Phase)
}

func (e *Engine) forward(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	phase, step, first := e.next(run)
	if phase == nil {
		run.Status.Phase, run.Status.FinishedAt = v1alpha1.RunSucceeded, ptr.To(e.now())
		run.Status.Message = fmt.Sprintf("Karpenter is at %s; %d of %d nodes replaced", run.Spec.Target.Version, run.Status.Nodes.Done, run.Status.Nodes.Total)
		return Result{}
	}
	run.Status.Phase = v1alpha1.RunPhase(phase.Name())
	if step.State == v1alpha1.StepPending {
		step.State, step.StartedAt = v1alpha1.StepRunning, ptr.To(e.now())
		step.Reason, step.Message = "Started", "started"
		if !first && run.Status.StartedAt == nil {
			run.Status.StartedAt = ptr.To(e.now())
		}
		run.Status.Message = fmt.Sprintf("%s began", phase.Name())
		return again(0)
	}
	if wait := e.untilRetry(step); wait > 0 {
		return again(wait)
	}
	out := e.keepAndRun(ctx, run, phase)
	out = e.overdue(run, phase, step, out)
	e.fold(step, out)
	run.Status.Message = out.Message
	run.Status.Phase = where(step, out)
	switch out.Kind {
	case KindDone:
		step.State, step.EndedAt = v1alpha1.StepDone, ptr.To(e.now())
	case KindSkip:
		step.State, step.EndedAt = v1alpha1.StepSkipped, ptr.To(e.now())
	case KindFail:
		step.State, step.EndedAt = v1alpha1.StepFailed, ptr.To(e.now())
		run.Status.Failure = &v1alpha1.Failure{Phase: step.Phase, Reason: out.Reason, Message: step.Message, At: e.now()}
	case KindRetry:
		return again(Backoff(step.Attempts))
	case KindWait, KindBlocked:
		return again(out.After)
	}
	return again(0)
}

// next is the first phase that has not reached its end.
func (e *Engine) next(run *v1alpha1.KarpenterUpgrade) (phase Phase, step *v1alpha1.Step, first bool) {
	for i, p := range e.phases {
		s := run.Step(p.Name())
		if s.State == v1alpha1.StepPending || s.State == v1alpha1.StepRunning {
			return p, s, i == 0
		}
	}
	return nil, nil, false
}

// keepAndRun keeps up what earlier phases did and then takes the phase one step forward.
func (e *Engine) keepAndRun(ctx context.Context, run *v1alpha1.KarpenterUpgrade, phase Phase) Outcome {
	if phase.Name() != run.RollbackFloor() {
		if err := e.keep(ctx, run); err != nil {
			return FromError(err)
		}
	}
	return phase.Run(ctx, run)
}

func (e *Engine) keepAndUndo(ctx context.Context, run *v1alpha1.KarpenterUpgrade, phase Phase) Outcome {
	if err := e.keep(ctx, run); err != nil {
		return FromError(err)
	}
	return phase.Undo(ctx, run)
}

func (e *Engine) keep(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	for _, p := range e.phases {
		keeper, ok := p.(Keeper)
		if !ok || run.Step(p.Name()).State != v1alpha1.StepDone {
			continue
		}
		if err := keeper.Keep(ctx, run); err != nil {
			return fmt.Errorf("keeping up %s: %w", p.Name(), err)
		}
	}
	return nil
}

// overdue turns an outcome that is not an end into a failure once the phase's deadline has passed.
func (e *Engine) overdue(run *v1alpha1.KarpenterUpgrade, phase Phase, step *v1alpha1.Step, out Outcome) Outcome {
	d, ok := phase.(Deadliner)
	if !ok || step.StartedAt == nil || out.Kind == KindDone || out.Kind == KindSkip || out.Kind == KindFail {
		return out
	}
	limit := d.Deadline(run)
	if limit <= 0 || e.clock.Since(step.StartedAt.Time) < limit {
		return out
	}
	return Fail("DeadlineExceeded", "not done after %s: %s", limit, out.Message)
}

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
		return again(retryMax)
	default:
		return again(out.After)
	}
}

// release takes all marks back, last phase first, and ends the run.
func (e *Engine) release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	run.Status.Phase = v1alpha1.RunAborting
	for i := len(e.phases) - 1; i >= 0; i-- {
		step := run.Step(e.phases[i].Name())
		releaser, ok := e.phases[i].(Releaser)
		if !ok || step.State == v1alpha1.StepPending || step.State == v1alpha1.StepUndone {
			continue
		}
		if wait := e.untilRetry(step); wait > 0 {
			return again(wait)
		}
		out := releaser.Release(ctx, run)
		e.fold(step, out)
		if out.Kind == KindDone || out.Kind == KindSkip {
			continue
		}
		run.Status.Message = fmt.Sprintf("taking back the marks of %s: %s", step.Phase, out.Message)
		if out.Kind == KindRetry {
			return again(Backoff(step.Attempts))
		}
		return again(out.After)
	}
	run.Status.Phase, run.Status.FinishedAt = v1alpha1.RunAborted, ptr.To(e.now())
	run.Status.Message = abortedMessage(run)
	return Result{}
}

// hold stands still. A failed step whose run is paused by spec.mode may try again when the run goes on.
func (e *Engine) hold(run *v1alpha1.KarpenterUpgrade) {
	step := run.FailedStep()
	run.Status.Phase = v1alpha1.RunPaused
	switch {
	case run.Spec.Mode == v1alpha1.ModePause && step != nil:
		run.Status.Message = fmt.Sprintf("paused; %s failed: %s; set spec.mode: Run to try it again", step.Phase, step.Message)
		step.State, step.StartedAt, step.EndedAt = v1alpha1.StepPending, nil, nil
	case run.Spec.Mode == v1alpha1.ModePause:
		run.Status.Message = "paused by spec.mode; set it to Run to go on, or to Rollback or Abort"
	case run.Spec.Mode == v1alpha1.ModeRollback:
		run.Status.Message = fmt.Sprintf("%s has begun: there is no way back; set spec.mode: Run to go on", run.RollbackFloor())
	case step != nil:
		run.Status.Message = fmt.Sprintf("%s failed: %s; %s", step.Phase, step.Message, afterFailure(run))
	}
}

func afterFailure(run *v1alpha1.KarpenterUpgrade) string {
	if run.RollbackPossible() {
		return "set spec.mode: Rollback to go back, or Pause and then Run to try again"
	}
	return "set spec.mode: Pause and then Run to try again"
}

// fold writes an outcome into its step.
func (e *Engine) fold(step *v1alpha1.Step, out Outcome) {
	step.Reason, step.Message = out.Reason, v1alpha1.Truncate(out.Message)
	if out.Kind != KindRetry {
		step.RetryAt = nil
		return
	}
	step.Attempts++
	step.RetryAt = ptr.To(metav1.NewTime(e.clock.Now().Add(Backoff(step.Attempts))))
}

func (e *Engine) untilRetry(step *v1alpha1.Step) time.Duration {
	if step.RetryAt == nil {
		return 0
	}
	return step.RetryAt.Sub(e.clock.Now())
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
	for i := len(run.Status.Steps) - 1; i >= 0; i-- {
		if s := run.Status.Steps[i]; s.State != v1alpha1.StepPending && s.State != v1alpha1.StepUndone {
			return fmt.Sprintf("aborted in %s; marks are taken back, releases, NodePools and nodes stay as they are", s.Phase)
		}
	}
	return "aborted before anything was changed"
}
