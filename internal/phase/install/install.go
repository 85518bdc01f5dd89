// Package install installs what comes with the target: its CRDs, and its release beside the one that runs, in the same
// namespace and as the same ServiceAccount. Both elect their leader by the same Lease, so the new one is a standby that
// Kubernetes itself keeps from leading. Where the release moves to another namespace the new one is installed there, and kept from
// leading by a fence: the run holds the Lease of that namespace.
package install

import (
	"context"
	"fmt"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

const (
	deadline = 10 * time.Minute
	// look is how often pods are looked at while they start.
	look = time.Second
)

// Phase is the phase Install.
type Phase struct{ *phase.Kit }

var (
	_ engine.Phase     = (*Phase)(nil)
	_ engine.Deadliner = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseInstall }

// Deadline implements engine.Deadliner.
func (*Phase) Deadline(*v1alpha1.KarpenterUpgrade) time.Duration { return deadline }

// Run implements engine.Phase: the CRDs first, since the new controller does not become ready without its own; then the
// release; and then its pods have to be Ready.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if run.InPlace() {
		return engine.Skip("release %s/%s was upgraded in place", run.Status.Plan.Namespace, run.Status.Plan.Release)
	}
	done, what, err := p.EnsureCRDs(ctx, run, run.LastHop(), phase.Converter(run.Status.Plan))
	if err != nil {
		return engine.FromError(err)
	}
	if !done {
		return engine.Wait(0, "InstallingCRDs", "%s", what)
	}
	spec, err := p.green(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	ready, err := p.EnsureRelease(ctx, spec, false)
	if err != nil {
		return engine.FromError(err)
	}
	if !ready {
		return engine.Wait(look, "InstallingRelease", "release %s/%s is being installed", spec.Namespace, spec.Name)
	}
	return p.standby(ctx, run)
}

func (p *Phase) standby(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	d, err := p.Deployment(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if err != nil {
		return engine.FromError(err)
	}
	if d == nil {
		return engine.Wait(look, "WaitingForPods", "waiting for the Deployment of release %s/%s", plan.GreenNamespace(), plan.GreenRelease)
	}
	pods, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if err != nil {
		return engine.FromError(err)
	}
	ready, wanted := phase.ReadyReplicas(d, pods)
	if ready < wanted {
		return engine.Wait(look, "WaitingForPods", "%d of %d pods of Deployment %s/%s are Ready; kubectl describe pods -n %s -l app.kubernetes.io/instance=%s",
			ready, wanted, d.Namespace, d.Name, plan.GreenNamespace(), plan.GreenRelease)
	}
	return engine.Done("release %s/%s stands by at %s, %d of %d pods Ready", plan.GreenNamespace(), plan.GreenRelease, run.Spec.Target.Version, ready, wanted)
}

// green is what the second release is to be. Where it goes to another namespace, that is made ready for it first.
func (p *Phase) green(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (release.Spec, error) {
	plan := run.Status.Plan
	blue, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return release.Spec{}, err
	}
	d, err := p.Deployment(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return release.Spec{}, err
	}
	if d == nil {
		return release.Spec{}, fmt.Errorf("deployment %s/%s of release %s is gone", plan.Namespace, plan.Deployment, plan.Release)
	}
	chart, err := p.TargetChart(ctx, run, release.ChartKarpenter)
	if err != nil {
		return release.Spec{}, err
	}
	merged, _, err := live.TargetValues(blue.Values, run, run.BlueVersion())
	if err != nil {
		return release.Spec{}, fault.NewTerminal(err)
	}
	if err := p.prepare(ctx, run, merged); err != nil {
		return release.Spec{}, err
	}
	return release.Spec{
		Namespace: plan.GreenNamespace(), Name: plan.GreenRelease, Chart: chart,
		Values:      values.Standby(merged, plan.GreenRelease, plan.ServiceAccount, max(*d.Spec.Replicas, 1)),
		Labels:      map[string]string{v1alpha1.LabelRun: run.Name},
		Description: "standby of KarpenterUpgrade " + run.Name,
	}, nil
}

// Undo implements engine.Phase: the second release goes. The CRDs stay: they serve all that the old controller stores, and
// taking fields from objects that have them would lose data.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	foreign, err := p.RemoveGreen(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if foreign {
		return engine.Done("release %s/%s was not made by this run, and is left alone", plan.GreenNamespace(), plan.GreenRelease)
	}
	pods, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if err != nil {
		return engine.FromError(err)
	}
	if len(pods) > 0 {
		return engine.Wait(look, "WaitingForPods", "pods of release %s/%s still there: %d", plan.GreenNamespace(), plan.GreenRelease, len(pods))
	}
	if err := p.clear(ctx, run); err != nil {
		return engine.FromError(err)
	}
	// Green may have led, where blue's leader died while green stood by: the Lease is then vacated for blue.
	blue, err := p.ControllerPods(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return engine.FromError(err)
	}
	leads, err := p.Leads(ctx, plan.Namespace, blue)
	if err != nil {
		return engine.FromError(err)
	}
	if !leads {
		return engine.Wait(look, "WaitingForLeader", "waiting for a pod of release %s/%s to hold the Lease", plan.Namespace, plan.Release)
	}
	return engine.Done("release %s/%s is gone; the CRDs stay at %s", plan.GreenNamespace(), plan.GreenRelease, run.Spec.Target.Version)
}
