package mover

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// registration is how long a NodeClaim may take to register before Karpenter gives it up (sigs.k8s.io/karpenter
// pkg/controllers/nodeclaim/lifecycle/liveness.go): a node that appears later was launched later.
const registration = 15 * time.Minute

// late finds nodes that Karpenter launched while the job was emptying their NodePools. To evict from one only makes Karpenter
// launch the next, for the same pods and without end: such a node is left alone, and reported. An empty one may
// go, unless its NodePool is static (spec.replicas) and replaces it.
func (m *Mover) late(ctx context.Context, s *state) error {
	for _, n := range s.nodes {
		if n.DeletionTimestamp != nil || n.CreationTimestamp.Time.Before(s.job.Since) {
			continue
		}
		launched, err := m.launchedLate(ctx, s, n)
		if err != nil {
			return err
		}
		if !launched {
			continue
		}
		pool := n.Labels[karpv1.NodePoolLabelKey]
		static, err := m.static(ctx, pool)
		switch {
		case err != nil:
			return err
		case static:
			s.stuck[n.Name] = blockage{reason: reasonLate, message: fmt.Sprintf(
				"NodePool %s launches nodes whatever pods need (spec.replicas), and would replace it: kubectl scale nodepool %s --replicas 0", pool, pool)}
		case !drain.Empty(s.view.OnNode(n.Name)):
			s.stuck[n.Name] = blockage{reason: reasonLate, message: fmt.Sprintf(
				"NodePool %s launched it while its nodes are being emptied, and would launch the next for its pods: nothing is evicted from it; "+
					"see what keeps them from the NodePool that replaces it (a node selector, its limits, its requirements), then kubectl delete nodeclaim %s", pool, claimName(n))}
		}
	}
	return nil
}

// launchedLate says that a node's NodeClaim was made well after the job began.
func (m *Mover) launchedLate(ctx context.Context, s *state, n *corev1.Node) (bool, error) {
	deadline := s.job.Since.Add(patience)
	for _, b := range s.run.Status.Blockers {
		if b.Node == n.Name && b.Reason == reasonLate {
			return true, nil
		}
	}
	if n.CreationTimestamp.After(s.job.Since.Add(registration)) {
		return true, nil
	}
	name, uid, owned := nodeClaim(n)
	if !owned || !n.CreationTimestamp.After(deadline) {
		return false, nil
	}
	c, err := m.Get(ctx, phase.NodeClaimKind, name)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return c.GetUID() == uid && c.GetCreationTimestamp().After(deadline), nil
}

// static says that a NodePool keeps a number of nodes.
func (m *Mover) static(ctx context.Context, pool string) (bool, error) {
	o, err := m.Get(ctx, phase.NodePoolKind, pool)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	replicas, there, err := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if err != nil {
		return false, fmt.Errorf("NodePool %s: reading spec.replicas: %w", pool, err)
	}
	return there && replicas > 0, nil
}

func claimName(n *corev1.Node) string {
	name, _, _ := nodeClaim(n)
	return name
}
