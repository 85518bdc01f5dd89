package engine

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// keepInterval is how often a run that waits for a person after a failure keeps up what it did.
const keepInterval = 30 * time.Second

// hold stands still. A run that its user paused does nothing at all; one that failed keeps up what it did, for what appears
// meanwhile.
func (e *Engine) hold(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Result {
	step := run.FailedStep()
	run.Status.Phase = v1alpha1.RunPaused
	switch {
	case run.Spec.Mode == v1alpha1.ModePause:
		e.pause(run, step)
	case run.Spec.Mode == v1alpha1.ModeRollback:
		run.Status.Message = fmt.Sprintf("%s has begun: there is no way back; set spec.mode: Pause and then Run to go on", run.RollbackFloor())
	case step != nil:
		run.Status.Message = fmt.Sprintf("%s failed: %s; %s", step.Phase, step.Message, afterFailure(run))
		if step.Phase == run.RollbackFloor() {
			break
		}
		if err := e.keep(ctx, run); err != nil {
			run.Status.Message = fmt.Sprintf("%s; %s", err, run.Status.Message)
		}
		return again(keepInterval)
	}
	return Result{}
}

func (e *Engine) pause(run *v1alpha1.KarpenterUpgrade, failed *v1alpha1.Step) {
	run.Status.Message = "paused by spec.mode; set it to Run to go on, or to Rollback or Abort"
	if failed != nil {
		run.Status.Message = fmt.Sprintf("paused; %s failed: %s; set spec.mode: Run to try it again", failed.Phase, failed.Message)
	}
	for i := range run.Status.Steps {
		step := &run.Status.Steps[i]
		if (step.State == v1alpha1.StepRunning || step.State == v1alpha1.StepFailed) && step.HeldSince == nil {
			step.HeldSince = ptr.To(e.now())
		}
	}
}

// resume ends a pause. A phase that had failed is tried again from its beginning, if the user wants the run to go on.
func (e *Engine) resume(run *v1alpha1.KarpenterUpgrade) {
	if run.Status.Phase != v1alpha1.RunPaused {
		return
	}
	for i := range run.Status.Steps {
		step := &run.Status.Steps[i]
		if step.HeldSince == nil {
			continue
		}
		if step.State == v1alpha1.StepFailed && run.Spec.Mode == v1alpha1.ModeRun {
			step.State, step.StartedAt, step.EndedAt = v1alpha1.StepRunning, ptr.To(e.now()), nil
			step.HeldSince, step.HeldFor, step.Attempts, step.RetryAt = nil, nil, 0, nil
			run.Status.Failure = nil
			continue
		}
		e.unhold(step)
	}
}

// heldBy counts the time for which a phase waits for a person.
func (e *Engine) heldBy(step *v1alpha1.Step, out Outcome) {
	switch {
	case out.Kind != KindBlocked:
		e.unhold(step)
	case step.HeldSince == nil:
		step.HeldSince = ptr.To(e.now())
	}
}

func (e *Engine) unhold(step *v1alpha1.Step) {
	if step.HeldSince == nil {
		return
	}
	step.HeldFor = &metav1.Duration{Duration: e.held(step)}
	step.HeldSince = nil
}

// held is how long a phase has stood still in all, to the second.
func (e *Engine) held(step *v1alpha1.Step) time.Duration {
	d := ptr.Deref(step.HeldFor, metav1.Duration{}).Duration
	if step.HeldSince != nil {
		d += e.clock.Since(step.HeldSince.Time)
	}
	return d.Round(time.Second)
}

// grace is what a phase gets at least in a process that has just begun to look: its deadline may have passed while there was none.
const grace = time.Minute

// overdue turns an outcome that is not an end into a failure once the phase's deadline has passed. Standing still for a person does
// not count.
func (e *Engine) overdue(run *v1alpha1.KarpenterUpgrade, phase Phase, step *v1alpha1.Step, out Outcome) Outcome {
	d, ok := phase.(Deadliner)
	if !ok || step.StartedAt == nil || (out.Kind != KindWait && out.Kind != KindRetry) {
		return out
	}
	limit := d.Deadline(run)
	if limit <= 0 || e.clock.Since(step.StartedAt.Time)-e.held(step) < limit || e.clock.Since(e.since) < min(grace, limit) {
		return out
	}
	return Fail("DeadlineExceeded", "not done after %s: %s", limit, out.Message)
}

func afterFailure(run *v1alpha1.KarpenterUpgrade) string {
	if run.RollbackPossible() {
		return "set spec.mode: Rollback to go back, or Pause and then Run to try again"
	}
	return "set spec.mode: Pause and then Run to try again"
}
