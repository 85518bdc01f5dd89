package hops

import (
	"context"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

func crdRelease(plan *v1alpha1.Plan) (namespace, name string, ok bool) {
	return strings.Cut(plan.CRDRelease, "/")
}

// before says that a version is older than a minor. Versions of a plan have been parsed before.
func before(version string, major, minor uint64) bool {
	v, err := semver.NewVersion(version)
	return err == nil && v.LessThan(semver.New(major, minor, 0, "", ""))
}

// crds brings the CRDs to the hop's: first, since a controller without its own does not become ready.
func (p *Phase) crds(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	done, waits, err := p.EnsureCRDs(ctx, run, hop, phase.Converter(run.Status.Plan))
	if err != nil || !done {
		return waits, err
	}
	return "", nil
}

// release upgrades the original release to the hop's version.
func (p *Phase) release(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	plan := run.Status.Plan
	chart, err := p.HopChart(ctx, run, hop, release.ChartKarpenter)
	if err != nil {
		return "", err
	}
	current, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return "", err
	}
	values, _, err := live.HopValues(current.Values, run, status.From, hop.Version)
	if err != nil {
		return "", fault.NewTerminal(err)
	}
	ready, err := p.EnsureRelease(ctx, release.Spec{
		Namespace: plan.Namespace, Name: plan.Release, Chart: chart, Values: values, Description: "KarpenterUpgrade " + run.Name,
	}, true)
	if err != nil || ready {
		return "", err
	}
	return fmt.Sprintf("release %s/%s is being upgraded to %s", plan.Namespace, plan.Release, hop.Version), nil
}

// leader waits until all pods are the hop's and Ready, and one of them leads.
func (p *Phase) leader(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	plan := run.Status.Plan
	d, err := p.Deployment(ctx, plan.Namespace, plan.Release)
	if err != nil || d == nil {
		return "waiting for the Deployment of release " + plan.Release, err
	}
	pods, err := p.ControllerPods(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return "", err
	}
	leads, err := p.Leads(ctx, plan.Namespace, pods) // looked at while pods are replaced too: it vacates the Lease of one that is gone
	if err != nil {
		return "", err
	}
	if ready, wanted := phase.ReadyReplicas(d, pods); ready < wanted || int(wanted) != len(pods) {
		return fmt.Sprintf("%d of %d pods of Deployment %s/%s are Ready; kubectl describe pods -n %s -l app.kubernetes.io/instance=%s",
			ready, wanted, d.Namespace, d.Name, plan.Namespace, plan.Release), nil
	}
	if !leads {
		return fmt.Sprintf("waiting for a pod of release %s/%s to hold the Lease", plan.Namespace, plan.Release), nil
	}
	return "", nil
}

// webhooks removes the admission webhooks that Karpenter has no more from 1.0 on: they would refuse every write, for nobody
// answers them.
func (p *Phase) webhooks(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	if before(hop.Version, 1, 0) {
		return "", nil
	}
	removed, _, err := p.RemoveWebhookLeftovers(ctx, run.Status.Plan) // those of others are left to them
	if err != nil || len(removed) == 0 {
		return "", err
	}
	return "removed " + strings.Join(removed, ", "), nil
}

// storage rewrites the stored objects where the next version's CRDs have not the version that they are stored in.
func (p *Phase) storage(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	if hop.StoredVersion == "" {
		return "", nil
	}
	done, waits, err := p.MigrateStorage(ctx, status, hop.StoredVersion)
	if err != nil || !done {
		return waits, err
	}
	return "", nil
}
