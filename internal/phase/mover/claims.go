package mover

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// Finish is Done when no NodeClaim of the job's NodePools is left, once Step is. One that has not registered would bring a node
// after the end, and holds no pod: it is deleted. Others wait for Karpenter, or for the cache to show their node.
func (m *Mover) Finish(ctx context.Context, job Job) engine.Outcome {
	if !job.Before.IsZero() {
		return engine.Done("no node is left to be %s", job.Doing) // what registers now is a node of a NodePool that stays
	}
	all, err := live.ListAll(ctx, m.Live, phase.NodeClaimKind)
	if err != nil {
		return engine.FromError(err)
	}
	left, first, reason := 0, "", "WaitingForNodeClaims"
	for i := range all {
		c := &all[i]
		if !job.From.Has(c.GetLabels()[karpv1.NodePoolLabelKey]) {
			continue
		}
		state, stuck, err := m.leave(ctx, c)
		if err != nil {
			return engine.FromError(err)
		}
		if left++; first == "" || stuck {
			first = fmt.Sprintf("NodeClaim %s %s", c.GetName(), state)
		}
		if stuck {
			reason = v1alpha1.ReasonNodesBlocked
		}
	}
	if left == 0 {
		return engine.Done("no node is left to be %s", job.Doing)
	}
	return engine.Wait(look, reason, "no node is left to be %s, %d NodeClaims are: %s", job.Doing, left, first)
}

// leave deletes a NodeClaim that has not registered, and says how it is with it and whether a person has to look at it.
func (m *Mover) leave(ctx context.Context, c *unstructured.Unstructured) (state string, stuck bool, err error) {
	if at := c.GetDeletionTimestamp(); at != nil {
		past := m.Clock.Now().Sub(at.Time)
		if past < snapshot.TerminatingTooLong {
			return "is being deleted", false, nil
		}
		return fmt.Sprintf("has been terminating for %s: kubectl describe nodeclaim %s", past.Round(time.Minute), c.GetName()), true, nil
	}
	if status, _ := snapshot.ConditionStatus(c, karpv1.ConditionTypeRegistered); status == "True" {
		return "has registered, and its node is awaited", false, nil
	}
	one, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	unchanged := client.Preconditions{UID: ptr.To(c.GetUID()), ResourceVersion: ptr.To(c.GetResourceVersion())} // it may register now
	err = m.Live.Delete(one, c, unchanged)
	if r := judge(ctx, err, "delete"); r != nil && !r.moot {
		return "has not registered, and deleting it is refused: " + r.why, true, nil
	}
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return "", false, fmt.Errorf("deleting NodeClaim %s: %w", c.GetName(), err)
	}
	return "had not registered and is being deleted", false, nil
}
