package phase

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestEndingsKnowsAProcessThatEndedFromAPodThatWasTakenAway(t *testing.T) {
	pod := func(phase corev1.PodPhase, conditions ...corev1.PodCondition) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "karpenter", Name: "karpenter-1", Labels: map[string]string{"app.kubernetes.io/name": "karpenter"}},
			Status:     corev1.PodStatus{Phase: phase, Conditions: conditions},
		}
	}
	workload := pod(corev1.PodSucceeded)
	workload.Labels = nil
	for name, tc := range map[string]struct {
		last  any
		knows bool
	}{
		"ended well":                      {pod(corev1.PodSucceeded), true},
		"ended by a signal":               {pod(corev1.PodFailed), true},
		"missed by the watch":             {toolscache.DeletedFinalStateUnknown{Obj: pod(corev1.PodFailed)}, true},
		"force-deleted":                   {pod(corev1.PodRunning), false},
		"collected because its Node went": {pod(corev1.PodFailed, corev1.PodCondition{Type: corev1.DisruptionTarget, Reason: "DeletionByPodGC"}), false},
		"evicted":                         {pod(corev1.PodFailed, corev1.PodCondition{Type: corev1.DisruptionTarget, Reason: "EvictionByEvictionAPI"}), true},
		"no pod of Karpenter":             {workload, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			e := NewEndings(clock)
			e.Handler().OnDelete(tc.last)
			g.Expect(e.Has("karpenter", "karpenter-1")).To(Equal(tc.knows))
			g.Expect(e.Has("karpenter", "karpenter-2")).To(BeFalse())
			clock.SetTime(clock.Now().Add(time.Hour))
			g.Expect(e.Has("karpenter", "karpenter-1")).To(BeFalse(), "a pod of the same name may have come since")
		})
	}
	NewWithT(t).Expect((*Endings)(nil).Has("karpenter", "karpenter-1")).To(BeFalse())
}
