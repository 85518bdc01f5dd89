// Package verify watches the cluster for a while after the migration: nothing may have gone wrong for a whole soak.
package verify

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

const (
	look = 2 * time.Second
	// grace is how long something may be wrong before a person is asked: time for what goes wrong to come right.
	grace = 30 * time.Minute
	// blind is the longest time between two looks that counts as watched, where the soak is not even shorter.
	blind, leastBlind = time.Minute, 10 * time.Second
	// launch is how long a node may take to come up: Karpenter itself gives up on one that does not register for so long
	// (sigs.k8s.io/karpenter pkg/controllers/nodeclaim/lifecycle/liveness.go).
	launch = 15 * time.Minute
)

// Phase is the phase Verify. It has no deadline: the workloads are on green nodes, and to move all of them back is a person's
// decision.
type Phase struct{ *phase.Kit }

var _ engine.Phase = (*Phase)(nil)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseVerify }

// Run implements engine.Phase. Whatever is found wrong begins the soak anew, and so does a time in which nobody looked.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	wrong, err := p.wrong(ctx, run)
	if err != nil {
		return engine.FromError(err) // what cannot be looked at has not passed
	}
	now, soak := p.Clock.Now(), run.Spec.Verify.Soak.Duration
	if wrong != "" {
		run.Status.HealthySince = nil
		if overdue(run, now) {
			return engine.Blocked(v1alpha1.ReasonVerifyBlocked,
				"%s; the soak begins when that is put right, or set spec.mode: Rollback to move everything back", wrong)
		}
		return engine.Wait(look, "Unhealthy", "the soak begins anew: %s", wrong)
	}
	if !watched(run, now) {
		run.Status.HealthySince = ptr.To(metav1.NewTime(now))
	}
	run.Status.HealthySeenAt = ptr.To(metav1.NewTime(now))
	if past := now.Sub(run.Status.HealthySince.Time); past < soak {
		return engine.Wait(min(soak-past, look), "Soaking", "healthy since %s, of %s", past.Round(time.Second), soak)
	}
	return engine.Done("healthy for %s", soak)
}

// watched says that the soak has begun and that nothing can have gone wrong since the last look without being seen.
func watched(run *v1alpha1.KarpenterUpgrade, now time.Time) bool {
	since, seen := run.Status.HealthySince, run.Status.HealthySeenAt
	longest := max(min(blind, run.Spec.Verify.Soak.Duration/2), leastBlind)
	return since != nil && seen != nil && now.Sub(seen.Time) <= longest
}

// overdue says that things have been wrong for long, or so often that the soak has not come to its end.
func overdue(run *v1alpha1.KarpenterUpgrade, now time.Time) bool {
	began := run.Step(v1alpha1.PhaseVerify).StartedAt
	if began == nil {
		return false
	}
	last := began
	if seen := run.Status.HealthySeenAt; seen != nil && seen.After(began.Time) {
		last = seen
	}
	return now.Sub(last.Time) > grace || now.Sub(began.Time) > run.Spec.Verify.Soak.Duration+grace
}

// wrong says what is wrong; empty when nothing is.
func (p *Phase) wrong(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	for _, look := range []func(context.Context, *v1alpha1.KarpenterUpgrade) (string, error){p.leader, p.pools, p.claims, p.pods} {
		wrong, err := look(ctx, run)
		if err != nil || wrong != "" {
			return wrong, err
		}
	}
	return "", nil
}

func (p *Phase) leader(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	namespace, release := run.LeadingRelease()
	pods, err := p.ControllerPods(ctx, namespace, release)
	if err != nil {
		return "", err
	}
	leads, err := p.Leads(ctx, namespace, pods)
	if err != nil || leads {
		return "", err
	}
	return fmt.Sprintf("no pod of release %s/%s leads", namespace, release), nil
}

func (p *Phase) pools(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	for _, pool := range run.Status.Plan.Pools {
		o, err := p.Get(ctx, phase.NodePoolKind, pool.Green)
		if err != nil {
			return "", err
		}
		if status, message := snapshot.ConditionStatus(o, "Ready"); status != "True" {
			return fmt.Sprintf("NodePool %s is not Ready: %s", pool.Green, message), nil
		}
	}
	return "", nil
}

// claims looks for green nodes that do not come up, and for drift: a node that the new controller wants to replace as soon
// as it has made it.
func (p *Phase) claims(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	all, err := live.ListAll(ctx, p.Live, phase.NodeClaimKind)
	if err != nil {
		return "", err
	}
	green := phase.GreenPools(run.Status.Plan)
	for i := range all {
		if c := &all[i]; green.Has(c.GetLabels()[karpv1.NodePoolLabelKey]) {
			if wrong := claim(c, p.Clock.Now()); wrong != "" {
				return wrong, nil
			}
		}
	}
	return "", nil
}

// claim says what is wrong with a NodeClaim. One that is being launched is not: clusters grow all the time.
func claim(c *unstructured.Unstructured, now time.Time) string {
	if status, message := snapshot.ConditionStatus(c, karpv1.ConditionTypeDrifted); status == "True" {
		return fmt.Sprintf("NodeClaim %s has drifted: %s", c.GetName(), message)
	}
	leaveIt := c.GetDeletionTimestamp() != nil || now.Sub(c.GetCreationTimestamp().Time) <= launch
	if status, message := snapshot.ConditionStatus(c, karpv1.ConditionTypeInitialized); status != "True" && !leaveIt {
		return fmt.Sprintf("NodeClaim %s is not initialized after %s: %s", c.GetName(), launch, message)
	}
	return ""
}

// pods looks for pods that came since the migration began, which may be the run's doing, and that have been waiting for a node
// for longer than Karpenter should need for one.
func (p *Phase) pods(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	var pods corev1.PodList
	if err := p.Client.List(ctx, &pods); err != nil {
		return "", fmt.Errorf("listing pods: %w", err)
	}
	since, now, patience := run.Step(v1alpha1.PhaseMigrate).StartedAt, p.Clock.Now(), run.Spec.Migration.StallTimeout.Duration
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || since == nil || pod.CreationTimestamp.Before(since) ||
			now.Sub(pod.CreationTimestamp.Time) <= patience {
			continue
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
				return fmt.Sprintf("pod %s/%s waits for a node: %s", pod.Namespace, pod.Name, c.Message), nil
			}
		}
	}
	return "", nil
}

// Undo implements engine.Phase: there is nothing to take back.
func (*Phase) Undo(_ context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	run.Status.HealthySince, run.Status.HealthySeenAt = nil, nil
	return engine.Done("nothing was changed")
}
