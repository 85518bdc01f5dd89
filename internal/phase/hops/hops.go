// Package hops takes the original release, where it is, through the versions at which the way to the target has to stop: of
// each one the CRDs, the controller, and whatever must be true of stored objects before the next version's CRDs.
//
// Old and new pods are of one Deployment and elect by one Lease, so at no time two of them lead. Nodes are frozen meanwhile.
package hops

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

const (
	// deadline is for each hop: pods start, leaders change, and every NodeClaim may have to be rewritten.
	deadline = 20 * time.Minute
	// look is how often pods and the Lease are looked at: the time without a leader depends on it.
	look = 250 * time.Millisecond
)

// Phase is the phase Hops.
type Phase struct {
	*phase.Kit
	Untag phase.Untagger
}

var (
	_ engine.Phase     = (*Phase)(nil)
	_ engine.Deadliner = (*Phase)(nil)
	_ engine.Releaser  = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseHops }

// Deadline implements engine.Deadliner.
func (*Phase) Deadline(run *v1alpha1.KarpenterUpgrade) time.Duration {
	return deadline * time.Duration(max(len(inPlace(run)), 1))
}

// inPlace are the hops that are gone in place: all but the last, or all.
func inPlace(run *v1alpha1.KarpenterUpgrade) []v1alpha1.Hop {
	all := run.Status.Plan.Hops
	for i := range all {
		if all[i].Strategy != v1alpha1.StrategyInPlace {
			return all[:i]
		}
	}
	return all
}

// Run implements engine.Phase.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	all := inPlace(run)
	for i := range all {
		status := statusOf(run, &all[i])
		if status == nil {
			return p.begin(ctx, run, &all[i])
		}
		if status.State == v1alpha1.StepDone {
			continue
		}
		return prefixed(fmt.Sprintf("hop %d of %d, %s to %s: ", i+1, len(run.Status.Plan.Hops), status.From, status.Version), p.hop(ctx, run, i, status))
	}
	if len(all) < len(run.Status.Plan.Hops) { // the second release, which comes next, is at the target
		next := &v1alpha1.HopStatus{From: run.BlueVersion(), Version: run.Spec.Target.Version}
		if out, done := walk(ctx, run, nil, next, step{"Preparing", p.ownStorage}, step{"Preparing", p.kubelet}); !done {
			return out
		}
	}
	return engine.Done("release %s/%s is at %s", run.Status.Plan.Namespace, run.Status.Plan.Release, run.BlueVersion())
}

func prefixed(with string, out engine.Outcome) engine.Outcome {
	out.Message = with + out.Message
	return out
}

func statusOf(run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop) *v1alpha1.HopStatus {
	for i := range run.Status.Hops {
		if run.Status.Hops[i].Version == hop.Version {
			return &run.Status.Hops[i]
		}
	}
	return nil
}

// begin writes down, in a step of its own before the first change, what the hop begins with: a rollback goes back to it.
func (p *Phase) begin(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop) engine.Outcome {
	plan := run.Status.Plan
	blue, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return engine.FromError(err)
	}
	status := v1alpha1.HopStatus{
		Version: hop.Version, From: run.BlueVersion(), State: v1alpha1.StepRunning, Revision: int32(blue.Revision),
		StartedAt: ptr.To(metav1.NewTime(p.Clock.Now())),
	}
	if namespace, name, ok := crdRelease(plan); ok {
		crds, err := p.Releases.Get(ctx, namespace, name)
		if err != nil {
			return engine.FromError(err)
		}
		status.CRDRevision = int32(crds.Revision)
	}
	run.Status.Hops = append(run.Status.Hops, status)
	return engine.Wait(0, "Started", "hop from %s to %s begins", status.From, status.Version)
}

// part is one part of a hop; it says what it waits for, and nothing when it is done.
type part func(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, status *v1alpha1.HopStatus) (waits string, err error)

// step is a part with the reason that the run gives while it waits for it.
type step struct {
	reason string
	part   part
}

// walk takes the first part that is not done one step on. It is done when all are.
func walk(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, status *v1alpha1.HopStatus, steps ...step) (out engine.Outcome, done bool) {
	for _, s := range steps {
		waits, err := s.part(ctx, run, hop, status)
		if err != nil {
			return engine.FromError(err), false
		}
		if waits != "" {
			return engine.Wait(look, s.reason, "%s", waits), false
		}
	}
	return engine.Outcome{}, true
}

// hop takes one hop one step on. Each part observes whether it is done, so the order holds after a restart too.
func (p *Phase) hop(ctx context.Context, run *v1alpha1.KarpenterUpgrade, at int, status *v1alpha1.HopStatus) engine.Outcome {
	hop := &run.Status.Plan.Hops[at]
	out, done := walk(ctx, run, hop, status,
		step{"MigratingStorage", p.ownStorage}, step{"MovingKubelet", p.kubelet}, step{"InstallingCRDs", p.crds}, step{"UpgradingRelease", p.release},
		step{"WaitingForLeader", p.leader}, step{"SettlingRelease", p.settle}, step{"RemovingWebhooks", p.webhooks}, step{"MigratingStorage", p.storage})
	if !done {
		return out
	}
	status.State, status.EndedAt = v1alpha1.StepDone, ptr.To(metav1.NewTime(p.Clock.Now()))
	return engine.Wait(0, "HopDone", "done")
}
