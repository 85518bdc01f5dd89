package engine

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Summarize writes the conditions from the rest of the status. It is the only place where conditions are set.
func Summarize(run *v1alpha1.KarpenterUpgrade, now metav1.Time) {
	run.Status.Message = v1alpha1.Truncate(run.Status.Message)
	run.Status.Nodes.Progress = fmt.Sprintf("%d/%d", run.Status.Nodes.Done, run.Status.Nodes.Total)
	s := summarizer{run: run, now: now}
	s.kstatus()
	s.rollback()
	s.preflight()
	s.only(run.Status.Phase == v1alpha1.RunPaused, v1alpha1.ConditionPaused, v1alpha1.ReasonPaused)
}

type summarizer struct {
	run *v1alpha1.KarpenterUpgrade
	now metav1.Time
}

func (s summarizer) set(kind string, status metav1.ConditionStatus, reason, message string) {
	c := metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.run.Generation, LastTransitionTime: s.now,
	}
	meta.SetStatusCondition(&s.run.Status.Conditions, c)
}

// only keeps a condition that exists only while it is True, as kstatus wants of Reconciling and Stalled.
func (s summarizer) only(holds bool, kind, reason string) {
	if holds {
		s.set(kind, metav1.ConditionTrue, reason, s.run.Status.Message)
		return
	}
	meta.RemoveStatusCondition(&s.run.Status.Conditions, kind)
}

func (s summarizer) kstatus() {
	ready, reason := metav1.ConditionFalse, s.reason()
	if s.run.Status.Phase == v1alpha1.RunSucceeded {
		ready = metav1.ConditionTrue
	}
	s.set(v1alpha1.ConditionReady, ready, reason, s.run.Status.Message)
	s.only(reason == v1alpha1.ReasonProgressing, v1alpha1.ConditionReconciling, reason)
	s.only(s.stalled(), v1alpha1.ConditionStalled, reason)
}

// stalled says that something went wrong and nothing goes on without a person. A plan that waits for spec.mode: Run or for approval, and a
// run that the user paused, are not stalled: kstatus would call them failed.
func (s summarizer) stalled() bool {
	switch s.reason() {
	case v1alpha1.ReasonProgressing, v1alpha1.ReasonSucceeded, v1alpha1.ReasonPlanned, v1alpha1.ReasonQueued, v1alpha1.ReasonPaused,
		v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonOutsideWindow:
		return false
	default:
		return true
	}
}

func (s summarizer) reason() string {
	switch s.run.Status.Phase {
	case v1alpha1.RunSucceeded:
		return v1alpha1.ReasonSucceeded
	case v1alpha1.RunRolledBack:
		return v1alpha1.ReasonRolledBack
	case v1alpha1.RunAborted:
		return v1alpha1.ReasonAborted
	case v1alpha1.RunPlanned:
		return s.plannedReason()
	case v1alpha1.RunQueued:
		return v1alpha1.ReasonQueued
	case v1alpha1.RunPaused:
		if s.run.FailedStep() != nil && s.run.Spec.Mode != v1alpha1.ModePause {
			return v1alpha1.ReasonPhaseFailed
		}
		return v1alpha1.ReasonPaused
	default:
		return s.progressReason()
	}
}

// plannedReason tells a plan that waits for spec.mode: Run from one that waits for approval or a window.
func (s summarizer) plannedReason() string {
	for i := range s.run.Status.Steps {
		step := &s.run.Status.Steps[i]
		if s.run.Spec.Mode == v1alpha1.ModeRun && step.State == v1alpha1.StepPending && needsPerson[step.Reason] {
			return step.Reason
		}
	}
	return v1alpha1.ReasonPlanned
}

// progressReason tells a phase that goes on by itself from one that waits for a person.
func (s summarizer) progressReason() string {
	step := s.current()
	if step == nil || !needsPerson[step.Reason] {
		return v1alpha1.ReasonProgressing
	}
	return step.Reason
}

// current is the step that a run takes, forward or back.
func (s summarizer) current() *v1alpha1.Step {
	if s.run.Status.Phase != v1alpha1.RunRollingBack {
		return s.run.Step(v1alpha1.PhaseName(s.run.Status.Phase))
	}
	for i := range s.run.Status.Steps {
		if s.run.Status.Steps[i].State == v1alpha1.StepUndoing {
			return &s.run.Status.Steps[i]
		}
	}
	return nil
}

// needsPerson are the reasons with which phases say that they are blocked as a whole, or have to wait.
var needsPerson = map[string]bool{
	v1alpha1.ReasonAwaitingApproval: true,
	v1alpha1.ReasonOutsideWindow:    true,
	v1alpha1.ReasonPreflightBlocked: true,
	v1alpha1.ReasonPermissionDenied: true,
	v1alpha1.ReasonTagBlocked:       true,
	v1alpha1.ReasonNodesBlocked:     true,
	v1alpha1.ReasonVerifyBlocked:    true,
	v1alpha1.ReasonCleanupBlocked:   true,
	v1alpha1.ReasonInterference:     true,
	v1alpha1.ReasonUndoFailed:       true,
}

func (s summarizer) rollback() {
	switch {
	case s.run.Status.StartedAt == nil:
		s.set(v1alpha1.ConditionRollbackPossible, metav1.ConditionTrue, v1alpha1.ReasonNothingChanged, "nothing has been changed yet")
	case s.run.RollbackPossible() && !s.run.Ended():
		s.set(v1alpha1.ConditionRollbackPossible, metav1.ConditionTrue, v1alpha1.ReasonBeforeFloor,
			fmt.Sprintf("spec.mode: Rollback leads back to Karpenter %s until %s begins", s.run.Status.From, s.run.RollbackFloor()))
	case s.run.Ended():
		s.set(v1alpha1.ConditionRollbackPossible, metav1.ConditionFalse, v1alpha1.ReasonEnded, "the run has ended")
	default:
		s.set(v1alpha1.ConditionRollbackPossible, metav1.ConditionFalse, v1alpha1.ReasonFloorPassed,
			fmt.Sprintf("%s has begun", s.run.RollbackFloor()))
	}
}

func (s summarizer) preflight() {
	for i := range s.run.Status.Findings {
		if f := &s.run.Status.Findings[i]; f.Blocks() {
			s.set(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightBlocked,
				v1alpha1.Truncate(fmt.Sprintf("%s: %s", f.Code, f.Why)))
			return
		}
	}
	if s.run.Status.Plan != nil {
		s.set(v1alpha1.ConditionPreflightPassed, metav1.ConditionTrue, v1alpha1.ReasonPreflightPassed, "no finding blocks the plan")
	}
}
