package mover

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// pending are the pods that have been waiting for a node for longer than stallTimeout and may do so by the run's doing, those
// that wait for longest first: further nodes only add to them.
func (s *state) pending() []*corev1.Pod {
	timeout := s.run.Spec.Migration.StallTimeout.Duration
	var out []*corev1.Pod
	for _, p := range s.view.Pods {
		if unschedulable(p) != "" && s.now.Sub(p.CreationTimestamp.Time) > timeout && s.mayHaveMoved(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return out
}

// mayHaveMoved says that a pod may have come in place of one that the run evicted or restarted. One that was there before has
// not, nor has one that nobody starts again, one whose workload is younger than the job (the job's nodes are cordoned: none
// of its pods was on them), or one that demands a NodePool which the run does not touch.
func (s *state) mayHaveMoved(p *corev1.Pod) bool {
	if p.CreationTimestamp.Time.Before(s.job.Since) {
		return false
	}
	since, controlled, known := s.view.Since(p)
	if !controlled || (known && since.After(s.job.Since)) {
		return false
	}
	blue, green := phase.BluePools(s.run.Status.Plan), phase.GreenPools(s.run.Status.Plan)
	return !drain.PinnedTo(p, func(pool string) bool { return !blue.Has(pool) && !green.Has(pool) })
}

// unschedulable is what the scheduler says of a pod that has no node; empty for all others.
func unschedulable(p *corev1.Pod) string {
	if p.Spec.NodeName != "" || p.DeletionTimestamp != nil {
		return ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
			return "no node takes it: " + c.Message
		}
	}
	return ""
}

// waiting says for how long the first of the pending pods has been waiting.
func (s *state) waiting(p *corev1.Pod) time.Duration {
	return s.now.Sub(p.CreationTimestamp.Time).Round(time.Second)
}

// stalled names the pod that has been waiting for longest; empty when none has.
func (s *state) stalled(pending []*corev1.Pod) string {
	if len(pending) == 0 {
		return ""
	}
	p := pending[0]
	return fmt.Sprintf("pod %s/%s has been waiting for a node for %s (%s)", p.Namespace, p.Name, s.waiting(p), unschedulable(p))
}
