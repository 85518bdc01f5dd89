package hops

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
)

// API versions of releases before 1.0, and from 1.0 on.
const (
	beta = "v1beta1"
	v1   = "v1"
)

// nodePoolCRD stands for all CRDs of Karpenter: they change together.
const nodePoolCRD = "nodepools.karpenter.sh"

// Undo implements engine.Phase: the hops are taken back, last one first, as far as there is a way: it ends where CRDs no
// longer serve what the version before reads.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if out, waits := p.Kit.Untag(ctx, run, p.Name(), p.Untag); waits {
		return out
	}
	if plan.ServesBeta(run.BlueVersion()) && !slices.ContainsFunc(run.Status.Hops, undoing) {
		if out, done := walk(ctx, run, nil, nil, step{"RestoringKubelet", p.kubeletBack}); !done {
			return out
		}
	}
	for i := len(run.Status.Hops) - 1; i >= 0; i-- {
		status := &run.Status.Hops[i]
		if status.State == v1alpha1.StepUndone {
			continue
		}
		if status.From == status.Version {
			status.State = v1alpha1.StepUndone // nothing but stored objects was rewritten: as the release itself does
			continue
		}
		why, err := p.wayBack(ctx, run, status)
		if err != nil {
			return engine.FromError(err)
		}
		if why != "" {
			return engine.Done("release %s/%s stays at %s: %s", run.Status.Plan.Namespace, run.Status.Plan.Release, status.Version, why)
		}
		status.State = v1alpha1.StepUndoing
		return prefixed(fmt.Sprintf("hop from %s to %s: ", status.From, status.Version), p.undo(ctx, run, status))
	}
	return engine.Done("release %s/%s is at %s", run.Status.Plan.Namespace, run.Status.Plan.Release, run.Status.From)
}

// undoing says that a hop is being taken back. From 1.0 on there may be nobody then who converts v1.
func undoing(h v1alpha1.HopStatus) bool { return h.State == v1alpha1.StepUndoing }

// wayBack says why a hop cannot be taken back; empty when it can.
func (p *Phase) wayBack(ctx context.Context, run *v1alpha1.KarpenterUpgrade, status *v1alpha1.HopStatus) (why string, err error) {
	if !beforeV1(status.From) {
		return "", nil // the CRDs stay, and serve all that the version before stores
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := p.Live.Get(ctx, client.ObjectKey{Name: nodePoolCRD}, crd); err != nil {
		return "", fmt.Errorf("reading CustomResourceDefinition %s: %w", nodePoolCRD, err)
	}
	serves := slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == beta && v.Served })
	if !serves {
		return fmt.Sprintf("the CRDs of %s are installed, which do not serve %s: %s could read nothing", run.Spec.Target.Version, beta, status.From), nil
	}
	return "", nil
}

// undo takes one hop one step back.
func (p *Phase) undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade, status *v1alpha1.HopStatus) engine.Outcome {
	steps := []step{{"RememberingHashes", p.rememberHashes}, {"RollingBackRelease", p.releaseBack}, {"WaitingForLeader", p.leader}}
	switch {
	case plan.LeavesBeta(status.From, status.Version):
		steps = append(steps, step{"RestoringKubelet", p.kubeletBack})
	case beforeV1(status.From):
		steps = slices.Concat([]step{{"SwitchingStorage", p.storageBack}}, steps, []step{{"RestoringCRDs", p.crdsBack}})
	}
	steps = append(steps, step{"RestoringHashes", p.hashesBack}) // at the end: before the CRDs are back there may be nobody who converts
	if out, done := walk(ctx, run, nil, status, steps...); !done {
		return out
	}
	status.State, status.EndedAt = v1alpha1.StepUndone, ptr.To(metav1.NewTime(p.Clock.Now()))
	return engine.Wait(0, "HopUndone", "taken back")
}

// storageBack has every object stored in the version that the older release reads, while the newer one still converts.
func (p *Phase) storageBack(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	if waits, err := until(p.SwitchStorage(ctx, beta)); err != nil || waits != "" {
		return waits, err
	}
	return until(p.MigrateStorage(ctx, status, beta))
}

// rememberHashes comes before the older version does.
func (p *Phase) rememberHashes(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	current, err := p.Releases.Get(ctx, run.Status.Plan.Namespace, run.Status.Plan.Release)
	if err != nil || strings.TrimPrefix(current.Version, "v") == status.From {
		return "", err
	}
	return "", p.RememberHashes(ctx, run, p.Name(), status.From)
}

// hashesBack keeps nodes from drifting for no other reason than that two versions led one after the other.
func (p *Phase) hashesBack(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	return p.RestoreHashes(ctx, run, p.Name())
}

// releaseBack rolls the original release back to what it was before the hop: its chart, its values, and no registry is asked.
func (p *Phase) releaseBack(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	plan := run.Status.Plan
	done, err := p.RollbackRelease(ctx, plan.Namespace, plan.Release, status.From, int(status.Revision))
	if err != nil || done {
		return "", err
	}
	return fmt.Sprintf("release %s/%s is being rolled back to %s", plan.Namespace, plan.Release, status.From), nil
}

// crdsBack brings back the CRDs from before the hop, after the release: it reads nothing but what they store.
func (p *Phase) crdsBack(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	if namespace, name, ok := crdRelease(run.Status.Plan); ok {
		done, err := p.RollbackRelease(ctx, namespace, name, status.From, int(status.CRDRevision))
		if err != nil || done {
			return "", err
		}
		return fmt.Sprintf("release %s/%s is being rolled back to %s", namespace, name, status.From), nil
	}
	before := &v1alpha1.Hop{Version: status.From, Strategy: v1alpha1.StrategyInPlace}
	return until(p.EnsureCRDs(ctx, run, before, phase.Converter(run.Status.Plan)))
}

// Release implements engine.Releaser: what was changed stays, without the run's marks.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if err := p.ForgetHashes(ctx, run); err != nil {
		return engine.FromError(err)
	}
	left, err := p.forgetKubelet(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if left != "" {
		return engine.Wait(look, "RemovingMarks", "%s", left)
	}
	return engine.Done("no NodePool or EC2NodeClass has a mark of the run")
}
