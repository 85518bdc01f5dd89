// Package cleanup ends a run: the original release, under the name that it always had, is upgraded in place while green leads, or
// moves to green's namespace where the run is to move it; then it leads, and green goes; then the blue NodePools go, and all marks.
//
// From here on there is no way back, so nothing here fails: it waits, and says for what.
package cleanup

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/freeze"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/hops"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/migrate"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

const (
	look = 500 * time.Millisecond
	// patience is how long Cleanup may take before what it waits for is a person's to look at: no deadline ends it.
	patience = 5 * time.Minute
)

// Phase is the phase Cleanup.
type Phase struct{ *phase.Kit }

var _ engine.Phase = (*Phase)(nil)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseCleanup }

// part is one part of the cleanup; it says what it waits for, and nothing when it is done.
type part func(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (waits string, err error)

// Run implements engine.Phase. Each part observes whether it is done, so the order holds after a restart too.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	for _, do := range p.parts(run.Status.Plan) {
		waits, err := do(ctx, run)
		if err != nil {
			return blocked(engine.FromError(err))
		}
		if waits != "" {
			return p.patient(run, engine.Wait(look, "CleaningUp", "%s", waits))
		}
	}
	return p.patient(run, p.marks(ctx, run))
}

// parts are in the order in which they are done. The original release is upgraded where it is, or moves to another namespace.
func (p *Phase) parts(plan *v1alpha1.Plan) []part {
	if plan.Moves() {
		return []part{p.retireBlue, p.installOriginal, p.bluePods, p.removeGreen, p.lead, p.forgetBlue, p.nodePools, p.nodeClasses}
	}
	return []part{p.upgrade, p.bluePods, p.removeGreen, p.lead, p.nodePools, p.nodeClasses}
}

// blocked lets what would be a failure anywhere else wait for a person.
func blocked(out engine.Outcome) engine.Outcome {
	if out.Kind == engine.KindFail {
		out.Kind, out.Reason, out.After = engine.KindBlocked, v1alpha1.ReasonCleanupBlocked, time.Minute
	}
	return out
}

// patient lets a person see what has been waited for in vain. It is looked at as often as before.
func (p *Phase) patient(run *v1alpha1.KarpenterUpgrade, out engine.Outcome) engine.Outcome {
	step := run.Step(p.Name())
	if out.Kind == engine.KindWait && step.StartedAt != nil && p.Clock.Since(step.StartedAt.Time) > patience {
		out.Kind, out.Reason = engine.KindBlocked, v1alpha1.ReasonCleanupBlocked
	}
	return out
}

// finished says that all parts are done.
func finished(run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	crds := ""
	if plan.Moves() && plan.CRDRelease != "" {
		crds = fmt.Sprintf("; release %s of the CRDs stays where it is", plan.CRDRelease)
	}
	return engine.Done("release %s/%s is at %s, and nothing of the run is left%s", plan.GreenNamespace(), plan.Release, run.Spec.Target.Version, crds)
}

// upgrade brings the original release to the target. Its pods join green's as standbys of the same Lease.
func (p *Phase) upgrade(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	chart, err := p.TargetChart(ctx, run, release.ChartKarpenter)
	if err != nil {
		return "", err
	}
	current, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return "", err
	}
	merged, _, err := live.TargetValues(current.Values, run, run.BlueVersion())
	if err != nil {
		return "", err
	}
	ready, err := p.EnsureRelease(ctx, release.Spec{
		Namespace: plan.Namespace, Name: plan.Release, Chart: chart, Values: merged, Description: "KarpenterUpgrade " + run.Name,
	}, true)
	if err != nil || ready {
		return "", err
	}
	return fmt.Sprintf("release %s/%s is being upgraded to %s", plan.Namespace, plan.Release, run.Spec.Target.Version), nil
}

// bluePods waits until the pods of the original release are Ready. Helm has set its replicas, which were 0, to what its values
// say.
func (p *Phase) bluePods(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	d, err := p.Deployment(ctx, plan.GreenNamespace(), plan.Release)
	if err != nil || d == nil {
		return "waiting for the Deployment of release " + plan.Release, err
	}
	if *d.Spec.Replicas == 0 {
		return fmt.Sprintf("Deployment %s/%s is being started", d.Namespace, d.Name), p.Scale(ctx, d, max(blueReplicas(run), 1), "")
	}
	pods, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.Release)
	if err != nil {
		return "", err
	}
	if ready, wanted := phase.ReadyReplicas(d, pods); ready < wanted {
		return fmt.Sprintf("%d of %d pods of Deployment %s/%s are Ready; green leads until they are", ready, wanted, d.Namespace, d.Name), nil
	}
	return "", nil
}

func blueReplicas(run *v1alpha1.KarpenterUpgrade) int32 {
	if run.Status.BlueReplicas == nil {
		return 1
	}
	return *run.Status.BlueReplicas
}

func (p *Phase) removeGreen(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	_, err := p.Releases.Get(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if errors.Is(err, release.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	foreign, err := p.RemoveGreen(ctx, run)
	if err == nil && foreign {
		err = fault.NewTerminal(fmt.Errorf("release %s/%s was not made by this run: helm uninstall -n %s %s", plan.GreenNamespace(), plan.GreenRelease, plan.GreenNamespace(), plan.GreenRelease))
	}
	return fmt.Sprintf("release %s/%s is being removed", plan.GreenNamespace(), plan.GreenRelease), err
}

// lead waits until green's pods are gone and a pod of the original release leads.
func (p *Phase) lead(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	green, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if err != nil {
		return "", err
	}
	if err := p.HurryLeader(ctx, plan.GreenNamespace(), green); err != nil {
		return "", err
	}
	if len(green) > 0 {
		return fmt.Sprintf("pods of release %s/%s still there: %d", plan.GreenNamespace(), plan.GreenRelease, len(green)), nil
	}
	pods, err := p.ControllerPods(ctx, plan.GreenNamespace(), plan.Release)
	if err != nil {
		return "", err
	}
	leads, err := p.Leads(ctx, plan.GreenNamespace(), pods)
	if err != nil || leads {
		return "", err
	}
	return fmt.Sprintf("waiting for a pod of release %s/%s to hold the Lease", plan.GreenNamespace(), plan.Release), nil
}

// nodePools deletes the blue NodePools that have no NodeClaim left, unless they are to be kept.
func (p *Phase) nodePools(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	if phase.KeepsBlue(run) {
		return "", nil
	}
	for _, pool := range run.Status.Plan.Pools {
		claims, err := live.ListAll(ctx, p.Live, phase.NodeClaimKind, client.MatchingLabels{karpv1.NodePoolLabelKey: pool.Blue})
		if err != nil {
			return "", err
		}
		if len(claims) > 0 {
			return again(pool.Blue, &claims[0]), nil
		}
		gone, err := p.delete(ctx, phase.NodePoolKind, pool.Blue)
		if err != nil || !gone {
			return fmt.Sprintf("NodePool %s is being deleted", pool.Blue), err
		}
	}
	return "", nil
}

// again says what to do about a NodeClaim that a blue NodePool has again.
func again(pool string, claim *unstructured.Unstructured) string {
	if claim.GetDeletionTimestamp() != nil {
		return fmt.Sprintf("NodePool %[1]s has NodeClaim %[2]s again, which is being deleted: kubectl describe nodeclaim %[2]s", pool, claim.GetName())
	}
	return fmt.Sprintf("NodePool %[1]s has NodeClaim %[2]s again: kubectl delete nodeclaim %[2]s", pool, claim.GetName())
}

// nodeClasses deletes the blue EC2NodeClasses that no NodePool refers to any more.
func (p *Phase) nodeClasses(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	if phase.KeepsBlue(run) {
		return "", nil
	}
	pools, err := live.ListAll(ctx, p.Live, phase.NodePoolKind)
	if err != nil {
		return "", err
	}
	used := sets.New[string]()
	for i := range pools {
		used.Insert(snapshot.NodeClassName(&pools[i]))
	}
	for _, class := range run.Status.Plan.NodeClasses {
		if used.Has(class.Blue) {
			continue
		}
		gone, err := p.delete(ctx, phase.NodeClassKind, class.Blue)
		if err != nil || !gone {
			return fmt.Sprintf("EC2NodeClass %s is being deleted", class.Blue), err
		}
	}
	return "", nil
}

// delete deletes an object and says whether it is gone.
func (p *Phase) delete(ctx context.Context, kind schema.GroupVersionKind, name string) (gone bool, err error) {
	o, err := p.Get(ctx, kind, name)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if o.GetDeletionTimestamp() != nil {
		return false, nil
	}
	uid := o.GetUID()
	if err := p.Live.Delete(ctx, o, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("deleting %s %s: %w", kind.Kind, name, err)
	}
	return false, nil
}

// marks takes back what is left of the run's marks, on nodes of NodePools that were not replaced too.
func (p *Phase) marks(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	for _, r := range []engine.Releaser{
		&nodepools.Phase{Kit: p.Kit}, &migrate.Phase{Kit: p.Kit}, &hops.Phase{Kit: p.Kit}, &freeze.Phase{Kit: p.Kit}, &handover.Phase{Kit: p.Kit},
	} {
		if out := r.Release(ctx, run); out.Kind != engine.KindDone {
			return blocked(out)
		}
	}
	return finished(run)
}

// Undo implements engine.Phase. The engine does not call it: the floor of every plan is the beginning of this phase.
func (*Phase) Undo(context.Context, *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return engine.Fail("RollbackFloorPassed", "the original release has been upgraded: there is no way back")
}
