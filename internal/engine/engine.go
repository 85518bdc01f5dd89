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

const (
	// planInterval is how often a plan that waits for spec.mode: Run is made anew.
	planInterval = time.Minute
	// restFactor is how many times as long as it took to look at the cluster the next look is put off at least: a big one is not read all
	// the time.
	restFactor = 10
)

// Engine walks runs through a ladder of phases.
type Engine struct {
	phases []Phase
	clock  clock.PassiveClock
	// since is when this process began to look.
	since time.Time
}

// New returns an Engine for phases in this order. The first one looks and changes nothing: it is all that runs in mode Plan.
func New(clk clock.PassiveClock, phases ...Phase) *Engine {
	return &Engine{phases: phases, clock: clk, since: clk.Now()}
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
	if run.Spec.Mode != v1alpha1.ModePause {
		e.resume(run)
	}
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
		result = e.hold(ctx, run)
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
	restart(step)
	if wait := e.untilRetry(step); wait > 0 {
		return again(wait)
	}
	began := e.clock.Now()
	out := e.phases[0].Run(ctx, run)
	rest := restFactor * e.clock.Since(began)
	e.fold(step, out)
	run.Status.Message = out.Message
	run.Status.Phase = where(step, out)
	switch out.Kind {
	case KindDone, KindSkip:
		run.Status.Phase = v1alpha1.RunPlanned
		return again(max(planInterval, rest))
	case KindRetry:
		return again(max(Backoff(step.Attempts), rest))
	default:
		return again(max(out.After, blockedInterval, rest))
	}
}

// begin begins a phase. The first change of all is preceded by a Preflight of the spec as it is now: it may have been changed
// since, for it is frozen only from here on.
func (e *Engine) begin(run *v1alpha1.KarpenterUpgrade, step *v1alpha1.Step, first bool) {
	if !first && run.Status.StartedAt == nil && run.Status.ObservedGeneration != run.Generation {
		restart(run.Step(e.phases[0].Name()))
		run.Status.Phase = v1alpha1.RunPhase(e.phases[0].Name())
		run.Status.Message = "the spec has changed since the plan was made: it is made again"
		return
	}
	step.State, step.StartedAt = v1alpha1.StepRunning, ptr.To(e.now())
	step.Reason, step.Message = "Started", "started"
	if !first && run.Status.StartedAt == nil {
		run.Status.StartedAt = ptr.To(e.now())
	}
	run.Status.Message = fmt.Sprintf("%s began", step.Phase)
}

// restart lets the first phase begin anew: until a run has begun its spec may be changed, and a plan holds for the spec that it
// was made of.
func restart(step *v1alpha1.Step) {
	if step.State == v1alpha1.StepDone || step.State == v1alpha1.StepRunning {
		step.State, step.StartedAt, step.EndedAt = v1alpha1.StepPending, nil, nil
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
		if out, waits := e.gate(run, step, first); waits {
			return e.wait(ctx, run, step, out)
		}
		e.begin(run, step, first)
		return again(0)
	}
	if wait := e.untilRetry(step); wait > 0 {
		return again(wait)
	}
	began := e.clock.Now()
	out := e.keepAndRun(ctx, run, phase)
	if first && out.Kind == KindBlocked {
		out.After = max(out.After, restFactor*e.clock.Since(began))
	}
	out = e.overdue(run, phase, step, out)
	e.fold(step, out)
	e.heldBy(step, out)
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
			return notKept(err)
		}
	}
	return phase.Run(ctx, run)
}

// notKept is what an error of a Keeper comes to. None fails the phase that the run is in: it is not what went wrong.
func notKept(err error) Outcome {
	out := FromError(err)
	if out.Kind == KindFail {
		return Blocked(v1alpha1.ReasonInterference, "%s", out.Message)
	}
	return out
}

func (e *Engine) keepAndUndo(ctx context.Context, run *v1alpha1.KarpenterUpgrade, phase Phase) Outcome {
	if err := e.keep(ctx, run); err != nil {
		return notKept(err)
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

// fold writes an outcome into its step.
func (e *Engine) fold(step *v1alpha1.Step, out Outcome) {
	step.Reason, step.Message = out.Reason, v1alpha1.Truncate(out.Message)
	switch out.Kind {
	case KindRetry:
	case KindWait, KindBlocked:
		step.Attempts, step.RetryAt = 0, nil
		return
	default:
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
