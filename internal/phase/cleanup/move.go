package cleanup

import (
	"context"
	"errors"
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// retireBlue removes the original release from the namespace that it moves from, before it is installed in the other one: both would
// have cluster-wide objects of the same names. Green leads. Helm's record of it, with its values, stays until the release is there.
func (p *Phase) retireBlue(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	blue := phase.Blue(run.Status.Plan)
	r, err := p.Releases.Get(ctx, blue.Namespace, blue.Release)
	if errors.Is(err, release.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !r.Retired() {
		moved, err := p.moved(ctx, run)
		if err != nil || moved {
			return "", err // somebody installed it here again
		}
		return p.retire(ctx, run, blue, r)
	}
	pods, err := p.ControllerPods(ctx, blue.Namespace, blue.Release)
	if err != nil || len(pods) == 0 {
		return "", err
	}
	return fmt.Sprintf("pods of release %s still there: %d", blue, len(pods)), nil
}

// moved says that the original release is where it moves to, at the target.
func (p *Phase) moved(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (bool, error) {
	plan := run.Status.Plan
	r, err := p.Releases.Get(ctx, plan.GreenNamespace(), plan.Release)
	if errors.Is(err, release.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Deployed() && r.Version == run.Spec.Target.Version, err
}

// retire removes the original release once the one in the other namespace does not need it any more for its name's sake.
func (p *Phase) retire(ctx context.Context, run *v1alpha1.KarpenterUpgrade, blue phase.Side, r *release.Release) (string, error) {
	if kind := release.HoldsNodes(r.Manifest); kind != "" {
		return "", fault.NewTerminal(fmt.Errorf("release %[1]s holds a %[2]s, which would go with it: take it out of the release first "+
			"(annotate it helm.sh/resource-policy=keep, and upgrade the release without it)", blue, kind))
	}
	if err := p.KeepFence(ctx, run); err != nil {
		return "", err
	}
	return fmt.Sprintf("release %s is being removed", blue), p.Releases.Retire(ctx, blue.Namespace, blue.Release)
}

// installOriginal installs the original release, under the name that it always had, in the namespace that it moves to. Its pods join
// green's as standbys of the same Lease.
func (p *Phase) installOriginal(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	if done, err := p.moved(ctx, run); err != nil || done {
		return "", err // its values are those of the target by now: they are not carried over once more
	}
	chart, err := p.TargetChart(ctx, run, release.ChartKarpenter)
	if err != nil {
		return "", err
	}
	given, err := p.givenValues(ctx, plan)
	if err != nil {
		return "", err
	}
	merged, _, err := live.TargetValues(given, run, run.BlueVersion())
	if err != nil {
		return "", err
	}
	ready, err := p.EnsureRelease(ctx, release.Spec{
		Namespace: plan.GreenNamespace(), Name: plan.Release, Chart: chart, Values: merged, Description: "KarpenterUpgrade " + run.Name,
	}, true)
	if err != nil || ready {
		return "", err
	}
	return fmt.Sprintf("release %s/%s is being installed at %s", plan.GreenNamespace(), plan.Release, run.Spec.Target.Version), nil
}

// givenValues are the values of the original release: of its record where it was, or else, when that is gone because the release is
// there, of where it is.
func (p *Phase) givenValues(ctx context.Context, plan *v1alpha1.Plan) (map[string]any, error) {
	r, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if errors.Is(err, release.ErrNotFound) {
		r, err = p.Releases.Get(ctx, plan.GreenNamespace(), plan.Release)
	}
	if errors.Is(err, release.ErrNotFound) {
		return nil, fault.NewTerminal(fmt.Errorf("release %[1]s is neither in namespace %[2]s nor in %[3]s, so its values are not known: install it at %[4]s in %[3]s with the values of the run's backup",
			plan.Release, plan.Namespace, plan.GreenNamespace(), plan.Hops[len(plan.Hops)-1].Version))
	}
	if err != nil {
		return nil, err
	}
	return r.Values, nil
}

// forgetBlue removes what is left in the namespace that the release moved from, now that it leads where it moved to: Helm's record, and
// the Lease that was fenced. The release of the CRDs stays, wherever it is.
func (p *Phase) forgetBlue(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (string, error) {
	plan := run.Status.Plan
	blue := phase.Blue(plan)
	r, err := p.Releases.Get(ctx, blue.Namespace, blue.Release)
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return "", err
	}
	if err == nil && r.Retired() {
		if err := p.Releases.Uninstall(ctx, blue.Namespace, blue.Release); err != nil {
			return "", err
		}
	}
	if err := p.DropFence(ctx, blue); err != nil {
		return "", err
	}
	return "", p.UnmarkAccount(ctx, run)
}
