package mover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

// outcome writes what the step saw to status and says it in one line.
func (s *state) outcome(started int, pending []*corev1.Pod) engine.Outcome {
	blockers := s.blockers(pending)
	blocked := map[string]bool{}
	for _, b := range blockers {
		if b.Node != "" {
			blocked[b.Node] = true
		}
	}
	s.run.Status.BlockersTotal = int32(len(blockers))
	s.run.Status.Blockers = blockers[:min(len(blockers), v1alpha1.MaxBlockers)]
	s.run.Status.Nodes.Blocked = int32(len(blocked))
	s.run.Status.Nodes.InProgress = s.inProgress()

	line := s.progress()
	if at := slices.IndexFunc(blockers, func(b v1alpha1.Blocker) bool { return b.Node != "" }); at >= 0 {
		b := blockers[at]
		line += fmt.Sprintf("; %d blocked: node %s: ", len(blocked), b.Node)
		if b.Pod != "" {
			line += "pod " + b.Pod + ": "
		}
		line += b.Message
	}
	reason := "Moving"
	if stalled := s.stalled(pending); stalled != "" {
		reason = "Stalled"
		line += "; no further node begins: " + stalled
		if s.waiting(pending[0]) > s.run.Spec.Migration.StallTimeout.Duration+patience {
			reason = v1alpha1.ReasonNodesBlocked
		}
	}
	if s.closed != "" {
		line += "; no further node begins before the next of spec.windows opens, " + s.closed
	}
	switch {
	case s.closed != "" && s.inProgress() == 0:
		reason = v1alpha1.ReasonOutsideWindow
	case started == 0 && s.allBlocked(blocked):
		reason = v1alpha1.ReasonNodesBlocked
	}
	return engine.Wait(look, reason, "%s", line)
}

// progress counts the nodes that are left. Those that are empty, and only wait for their instance to end, keep nobody waiting.
func (s *state) progress() string {
	emptying, leaving := 0, 0
	for _, n := range s.nodes {
		_, begun := draining(n, s.run.Name)
		switch {
		case s.leaving(n):
			leaving++
		case begun:
			emptying++
		}
	}
	line := fmt.Sprintf("%d left to be %s, %d being emptied", len(s.nodes), s.job.Doing, emptying)
	if leaving > 0 {
		line += fmt.Sprintf(", %d empty and terminating", leaving)
	}
	return line
}

// leaving says that a node has nothing on it any more that keeps it, or is going whatever is on it.
func (s *state) leaving(n *corev1.Node) bool {
	_, begun := draining(n, s.run.Name)
	return n.DeletionTimestamp != nil || (begun && len(s.decisions[n.Name]) == 0)
}

// allBlocked says that of the nodes that have begun none goes on by itself.
func (s *state) allBlocked(blocked map[string]bool) bool {
	for _, n := range s.nodes {
		if _, begun := draining(n, s.run.Name); (begun || n.DeletionTimestamp != nil) && !blocked[n.Name] {
			return false
		}
	}
	return len(blocked) > 0
}

func (s *state) inProgress() int32 {
	var n int32
	for _, node := range s.nodes {
		if _, ok := draining(node, s.run.Name); ok {
			n++
		}
	}
	return n
}

// blockers are what keeps nodes, and the pods that keep further nodes from beginning, those that have done so for longest first.
func (s *state) blockers(pending []*corev1.Pod) []v1alpha1.Blocker {
	var out []v1alpha1.Blocker
	for _, p := range pending {
		message := unschedulable(p) + "; no further node begins until it has one: make room for it, or delete it"
		out = append(out, s.blocker("", p.Namespace+"/"+p.Name, reasonPending, message))
	}
	for _, n := range s.nodes {
		for _, d := range s.decisions[n.Name] {
			if d.Action == drain.Hold || (d.Action == drain.Wait && d.Reason != drain.ReasonOtherNamespace && s.impatient(n)) {
				out = append(out, s.blocker(n.Name, d.Pod.Namespace+"/"+d.Pod.Name, d.Reason, d.Message))
			}
		}
	}
	for n, b := range s.stuck {
		out = append(out, s.blocker(n, "", b.reason, b.message))
	}
	slices.SortFunc(out, func(a, b v1alpha1.Blocker) int {
		return cmp.Or(a.Since.Compare(b.Since.Time), strings.Compare(a.Node, b.Node), strings.Compare(a.Pod, b.Pod))
	})
	return out
}

// Reasons of nodes that something keeps beside their pods.
const (
	// reasonOrphan is the reason of an empty node that has no NodeClaim.
	reasonOrphan         = "NodeClaimMissing"
	reasonCordonRefused  = "CordonRefused"
	reasonRemovalRefused = "RemovalRefused"
	// reasonLate is the reason of a node that was launched while the nodes of its NodePool are being emptied.
	reasonLate = "LaunchedMeanwhile"
	// reasonPending is the reason of a pod that has no node.
	reasonPending = "PodPending"
)

// blockage is what keeps a node beside its pods. It needs a person.
type blockage struct{ reason, message string }

func orphan(node, why string) blockage {
	return blockage{reason: reasonOrphan, message: why + ", so Karpenter does not remove it: kubectl delete node " + node}
}

// blocker says since when the same is in the way of the same.
func (s *state) blocker(node, pod, reason, message string) v1alpha1.Blocker {
	b := v1alpha1.Blocker{Node: node, Pod: pod, Reason: reason, Message: v1alpha1.Truncate(message), Since: metav1.NewTime(s.now).Rfc3339Copy()}
	for _, old := range s.run.Status.Blockers {
		if old.Node == b.Node && old.Pod == b.Pod && old.Reason == b.Reason {
			b.Since = old.Since
		}
	}
	return b
}
