package controller

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// transition is something that happened to a run, once.
type transition struct{ kind, reason, action, note string }

// transitions are what happened between two versions of a run.
func transitions(before, after *v1alpha1.KarpenterUpgrade) []transition {
	var out []transition
	for i := range after.Status.Steps {
		step := &after.Status.Steps[i]
		old := before.Step(step.Phase)
		if old != nil && old.State == step.State {
			continue
		}
		if t, ok := stepTransition(step); ok {
			out = append(out, t)
		}
	}
	if before.Status.Phase != after.Status.Phase {
		if t, ok := phaseTransition(after); ok {
			out = append(out, t)
		}
	}
	return out
}

func stepTransition(s *v1alpha1.Step) (transition, bool) {
	action := string(s.Phase)
	switch s.State {
	case v1alpha1.StepRunning:
		return transition{corev1.EventTypeNormal, "PhaseStarted", action, fmt.Sprintf("%s began", s.Phase)}, true
	case v1alpha1.StepDone:
		return transition{corev1.EventTypeNormal, "PhaseDone", action, fmt.Sprintf("%s is done: %s", s.Phase, s.Message)}, true
	case v1alpha1.StepFailed:
		return transition{corev1.EventTypeWarning, v1alpha1.ReasonPhaseFailed, action, fmt.Sprintf("%s failed: %s", s.Phase, s.Message)}, true
	case v1alpha1.StepUndoing:
		return transition{corev1.EventTypeNormal, "UndoStarted", action, fmt.Sprintf("taking back %s", s.Phase)}, true
	case v1alpha1.StepUndone:
		return transition{corev1.EventTypeNormal, "UndoDone", action, fmt.Sprintf("%s is taken back: %s", s.Phase, s.Message)}, true
	default:
		return transition{}, false
	}
}

func phaseTransition(run *v1alpha1.KarpenterUpgrade) (transition, bool) {
	s := &run.Status
	switch s.Phase {
	case v1alpha1.RunPlanned, v1alpha1.RunQueued, v1alpha1.RunSucceeded, v1alpha1.RunAborted:
		return transition{corev1.EventTypeNormal, string(s.Phase), "Run", s.Message}, true
	case v1alpha1.RunPaused, v1alpha1.RunRollingBack, v1alpha1.RunRolledBack:
		return transition{corev1.EventTypeWarning, string(s.Phase), "Run", s.Message}, true
	default:
		return transition{}, false
	}
}
