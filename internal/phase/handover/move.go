package handover

import (
	"context"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// letBlueLead takes the fence from blue's Lease where green still has its own: green has not led yet, and does not.
func (p *Phase) letBlueLead(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	plan := run.Status.Plan
	if !plan.Moves() {
		return nil
	}
	l, err := p.LeaseOf(ctx, plan.GreenNamespace())
	if err != nil || !p.Fences(l) {
		return err
	}
	_, err = p.Lift(ctx, phase.Blue(plan)) // what it waits for, blue's pods have to wait for too
	return err
}

// awaitBlue says what has to be waited for before green is stopped in favour of blue: where blue stands by at a fence, that nobody
// acts any more who held its Lease before.
func (p *Phase) awaitBlue(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	if !plan.Moves() {
		return "", nil
	}
	l, err := p.LeaseOf(ctx, plan.Namespace)
	if err != nil || !p.Fences(l) {
		return "", err
	}
	return p.Awaits(ctx, run, phase.Blue(plan))
}

// releaseFence ends what the run does with the two Leases when it is let go. Where green leads, blue's fence stays: it would lead beside
// green as soon as somebody starts it. Where nobody of green leads, green is kept from it, and blue's fence goes.
func (p *Phase) releaseFence(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (stays, awaits string, err error) {
	plan := run.Status.Plan
	if !plan.Moves() {
		return "", "", nil
	}
	l, err := p.LeaseOf(ctx, plan.Namespace)
	if err != nil || !p.Fences(l) {
		return "", "", err
	}
	leads, err := p.greenLeads(ctx, plan)
	if err != nil {
		return "", "", err
	}
	if leads {
		return "; " + phase.StaysFenced(phase.Blue(plan), "helm uninstall -n "+plan.Namespace+" "+plan.Release), "", nil
	}
	awaits, err = p.Pass(ctx, run, phase.Green(plan), phase.Blue(plan))
	return "", awaits, err
}

// releaseGone is the end of the marks on a release that is gone: no pod could take the place of the fence.
func (p *Phase) releaseGone(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	if !plan.Moves() {
		return engine.Done("the Deployment is gone")
	}
	if err := p.DropFence(ctx, phase.Blue(plan)); err != nil {
		return engine.FromError(err)
	}
	return engine.Done("the Deployment is gone, and its Lease with it")
}
