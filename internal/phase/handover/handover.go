// Package handover lets the green release lead: it stops blue, waits until its pods are gone, takes the Lease from them and
// waits until a green pod holds it. Taking it back is the same move in the other direction.
//
// Both releases elect by one Lease, so at no time can two lead. Where the release moves to another namespace there are two Leases,
// one of which the run holds at any time: see phase.Kit.Pass. Between the two nobody leads: a standby looks at the Lease
// every 2 to 4.4 seconds (client-go's retry period of 2 s, and its jitter).
package handover

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

const (
	deadline = 5 * time.Minute
	// look is how often the pods and the Lease are looked at: the time without a leader depends on it.
	look = 250 * time.Millisecond
)

// Phase is the phase Handover.
type Phase struct {
	*phase.Kit
	Untag phase.Untagger
}

var (
	_ engine.Phase     = (*Phase)(nil)
	_ engine.Deadliner = (*Phase)(nil)
	_ engine.Keeper    = (*Phase)(nil)
	_ engine.Releaser  = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseHandover }

// Deadline implements engine.Deadliner.
func (*Phase) Deadline(*v1alpha1.KarpenterUpgrade) time.Duration { return deadline }

// Run implements engine.Phase.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	if run.InPlace() {
		return engine.Skip("release %s/%s was upgraded in place", plan.Namespace, plan.Release)
	}
	blue, green, err := p.deployments(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if green == nil {
		return engine.Fail("StandbyGone", "the Deployment of release %s/%s is gone", plan.GreenNamespace(), plan.GreenRelease)
	}
	if n := ptr.Deref(blue.Spec.Replicas, 1); n > 0 {
		return p.stopBlue(ctx, run, blue, green, n)
	}
	return p.lead(ctx, run, phase.Blue(plan), phase.Green(plan))
}

func (p *Phase) deployments(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (blue, green *appsv1.Deployment, err error) {
	plan := run.Status.Plan
	blue, err = p.Deployment(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return nil, nil, err
	}
	if blue == nil {
		return nil, nil, fmt.Errorf("deployment %s/%s of release %s is gone", plan.Namespace, plan.Deployment, plan.Release)
	}
	phase.RememberReplicas(run, blue)
	green, err = p.Deployment(ctx, plan.GreenNamespace(), plan.GreenRelease)
	return blue, green, err
}

// stopBlue scales blue to zero, once green is there to follow it.
func (p *Phase) stopBlue(ctx context.Context, run *v1alpha1.KarpenterUpgrade, blue, green *appsv1.Deployment, replicas int32) engine.Outcome {
	plan := run.Status.Plan
	pods, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if err != nil {
		return engine.FromError(err)
	}
	if ready, wanted := phase.ReadyReplicas(green, pods); ready < wanted {
		return engine.Wait(time.Second, "WaitingForStandby", "%d of %d pods of Deployment %s/%s are Ready; blue leads until they are", ready, wanted, green.Namespace, green.Name)
	}
	if awaits, err := p.Awaits(ctx, run, phase.Green(plan)); err != nil || awaits != "" {
		return waiting("WaitingForFence", awaits, err)
	}
	run.Status.BlueReplicas = ptr.To(replicas)
	if err := p.Scale(ctx, blue, 0, phase.StopMark(run.Name, replicas)); err != nil {
		return engine.FromError(err)
	}
	return engine.Wait(look, "StoppingBlue", "Deployment %s/%s is being scaled from %d to 0", blue.Namespace, blue.Name, replicas)
}

// waiting is what an error, or else what is waited for, comes to.
func waiting(reason, awaits string, err error) engine.Outcome {
	if err != nil {
		return engine.FromError(err)
	}
	return engine.Wait(look, reason, "%s", awaits)
}

// lead waits until the pods of the release that stopped are gone and one of the other's leads.
func (p *Phase) lead(ctx context.Context, run *v1alpha1.KarpenterUpgrade, stopped, leader phase.Side) engine.Outcome {
	old, err := p.ControllerPods(ctx, stopped.Namespace, stopped.Release)
	if err != nil {
		return engine.FromError(err)
	}
	if err := p.HurryLeader(ctx, stopped.Namespace, old); err != nil {
		return engine.FromError(err)
	}
	if awaits, err := p.Pass(ctx, run, stopped, leader); err != nil || awaits != "" {
		return waiting("WaitingForLease", awaits, err)
	}
	if len(old) > 0 {
		return engine.Wait(look, "WaitingForStop", "pods of release %s still there: %d", stopped, len(old))
	}
	pods, err := p.ControllerPods(ctx, leader.Namespace, leader.Release)
	if err != nil {
		return engine.FromError(err)
	}
	leads, err := p.Leads(ctx, leader.Namespace, pods)
	if err != nil {
		return engine.FromError(err)
	}
	if !leads {
		return engine.Wait(look, "WaitingForLeader", "waiting for a pod of release %s to hold the Lease", leader)
	}
	return engine.Done("release %s leads", leader)
}

// Undo implements engine.Phase. Blue is started first, as a standby, so that somebody leads again as soon as green stops.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if out, waits := p.Kit.Untag(ctx, run, p.Name(), p.Untag); waits {
		return out
	}
	return p.undo(ctx, run)
}

func (p *Phase) undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	blue, green, err := p.deployments(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if err := p.letBlueLead(ctx, run); err != nil {
		return engine.FromError(err)
	}
	if ptr.Deref(blue.Spec.Replicas, 1) == 0 {
		if err := p.Scale(ctx, blue, max(ptr.Deref(run.Status.BlueReplicas, 1), 1), ""); err != nil {
			return engine.FromError(err)
		}
		return engine.Wait(look, "StartingBlue", "Deployment %s/%s is being started", blue.Namespace, blue.Name)
	}
	if err := p.unmark(ctx, run, blue, ptr.Deref(blue.Spec.Replicas, 1)); err != nil {
		return engine.FromError(err)
	}
	pods, err := p.ControllerPods(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return engine.FromError(err)
	}
	if ready, wanted := phase.ReadyReplicas(blue, pods); ready < wanted {
		return engine.Wait(time.Second, "WaitingForBlue", "%d of %d pods of Deployment %s/%s are Ready; green leads until they are", ready, wanted, blue.Namespace, blue.Name)
	}
	if green != nil && ptr.Deref(green.Spec.Replicas, 1) > 0 {
		return p.stopGreen(ctx, run, green)
	}
	return p.leadBack(ctx, run)
}

// leadBack waits until blue leads, and keeps its nodes from drifting for no other reason than that green had led.
func (p *Phase) leadBack(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	out := p.lead(ctx, run, phase.Green(run.Status.Plan), phase.Blue(run.Status.Plan))
	if out.Kind != engine.KindDone {
		return out
	}
	if waits, err := p.RestoreHashes(ctx, run, p.Name()); err != nil || waits != "" {
		return waiting("RestoringHashes", waits, err)
	}
	return out
}

// stopGreen scales green to zero, once blue is there to follow it.
func (p *Phase) stopGreen(ctx context.Context, run *v1alpha1.KarpenterUpgrade, green *appsv1.Deployment) engine.Outcome {
	if awaits, err := p.awaitBlue(ctx, run); err != nil || awaits != "" {
		return waiting("WaitingForFence", awaits, err)
	}
	if err := p.RememberHashes(ctx, run, p.Name(), run.BlueVersion()); err != nil {
		return engine.FromError(err)
	}
	if err := p.Scale(ctx, green, 0, ""); err != nil {
		return engine.FromError(err)
	}
	return engine.Wait(look, "StoppingGreen", "Deployment %s/%s is being scaled to 0", green.Namespace, green.Name)
}

// unmark takes the run's mark off blue's Deployment, in one write with its replicas. A mark of another run stays.
func (p *Phase) unmark(ctx context.Context, run *v1alpha1.KarpenterUpgrade, blue *appsv1.Deployment, replicas int32) error {
	if owner, _ := phase.StoppedBy(blue); owner != run.Name {
		return nil
	}
	return p.Scale(ctx, blue, replicas, "")
}

// Release implements engine.Releaser: the mark on blue's Deployment goes. Blue stays stopped where green leads, and is started
// again where it does not: nobody would lead, and nobody would know any more how many replicas it had.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	blue, err := p.Deployment(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return engine.FromError(err)
	}
	if blue == nil {
		return p.releaseGone(ctx, run)
	}
	stays, awaits, err := p.releaseFence(ctx, run)
	if err != nil || awaits != "" {
		return waiting("WaitingForLease", awaits, err)
	}
	owner, before := phase.StoppedBy(blue)
	if owner != run.Name {
		return engine.Done("the Deployment has no mark%s", stays)
	}
	if replicas := ptr.Deref(blue.Spec.Replicas, 1); replicas > 0 {
		return p.releaseAt(ctx, run, blue, replicas, "the mark is gone")
	}
	leads, err := p.greenLeads(ctx, plan)
	if err != nil {
		return engine.FromError(err)
	}
	if leads {
		return p.releaseAt(ctx, run, blue, 0, fmt.Sprintf("the mark is gone, and release %s leads%s", phase.Green(plan), stays))
	}
	return p.releaseAt(ctx, run, blue, max(before, 1), fmt.Sprintf("started again, for release %s does not lead", phase.Green(plan)))
}

func (p *Phase) releaseAt(ctx context.Context, run *v1alpha1.KarpenterUpgrade, blue *appsv1.Deployment, replicas int32, said string) engine.Outcome {
	if err := p.unmark(ctx, run, blue, replicas); err != nil {
		return engine.FromError(err)
	}
	return engine.Done("Deployment %s/%s: %s", blue.Namespace, blue.Name, said)
}

// greenLeads says whether a pod of the green release holds the Lease and renews it.
func (p *Phase) greenLeads(ctx context.Context, plan *v1alpha1.Plan) (bool, error) {
	pods, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if err != nil {
		return false, err
	}
	holder, err := p.Holder(ctx, plan.GreenNamespace(), pods)
	return holder != nil, err
}
