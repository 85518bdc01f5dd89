package hops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

func crdRelease(plan *v1alpha1.Plan) (namespace, name string, ok bool) {
	return strings.Cut(plan.CRDRelease, "/")
}

var firstV1 = semver.New(1, 0, 0, "", "")

// beforeV1 says that a release stores v1beta1. Versions of a plan have been parsed before.
func beforeV1(version string) bool {
	v, err := semver.NewVersion(version)
	return err == nil && v.LessThan(firstV1)
}

// until turns what the Kit says into what a part says.
func until(done bool, waits string, err error) (string, error) {
	if done {
		waits = ""
	}
	return waits, err
}

// crds brings the CRDs to the hop's: first, since a controller without its own does not become ready.
func (p *Phase) crds(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	return until(p.EnsureCRDs(ctx, run, hop, phase.Converter(run.Status.Plan)))
}

// release upgrades the original release to the hop's version. Its new pods come before the old ones go: somebody converts objects
// before the first old pod stops, and should the new version not become Ready, the old leader has not stopped.
func (p *Phase) release(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	plan := run.Status.Plan
	current, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return "", err
	}
	carried, _, err := live.HopValues(values.Settled(current.Values), run, status.From, hop.Version)
	if err != nil {
		return "", fault.NewTerminal(err)
	}
	spec, err := p.spec(ctx, run, hop, values.Surging(carried))
	if err != nil {
		return "", err
	}
	ready, err := p.EnsureRelease(ctx, spec, true)
	if err != nil || ready {
		return "", err
	}
	return fmt.Sprintf("release %s/%s is being upgraded to %s", plan.Namespace, plan.Release, hop.Version), nil
}

func (p *Phase) spec(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, given map[string]any) (release.Spec, error) {
	chart, err := p.HopChart(ctx, run, hop, release.ChartKarpenter)
	if err != nil {
		return release.Spec{}, err
	}
	return release.Spec{
		Namespace: run.Status.Plan.Namespace, Name: run.Status.Plan.Release, Chart: chart, Values: given, Description: "KarpenterUpgrade " + run.Name,
	}, nil
}

// settle gives the release its own update strategy back. That replaces no pod.
func (p *Phase) settle(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	plan := run.Status.Plan
	current, err := p.Releases.Get(ctx, plan.Namespace, plan.Release)
	if err != nil || !values.Surges(current.Values) {
		return "", err
	}
	spec, err := p.spec(ctx, run, hop, values.Settled(current.Values))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("release %s/%s gets its own update strategy back", plan.Namespace, plan.Release), p.Releases.Apply(ctx, spec)
}

// leader waits until all pods are the hop's and Ready, and one of them leads.
func (p *Phase) leader(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	plan := run.Status.Plan
	d, err := p.Deployment(ctx, plan.Namespace, plan.Release)
	if err != nil || d == nil {
		return "waiting for the Deployment of release " + plan.Release, err
	}
	pods, err := p.ControllerPods(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return "", err
	}
	if err := p.HurryLeader(ctx, plan.Namespace, pods); err != nil {
		return "", err
	}
	leads, err := p.Leads(ctx, plan.Namespace, pods) // looked at while pods are replaced too: it vacates the Lease of one that is gone
	if err != nil {
		return "", err
	}
	if waits, err := p.rollout(ctx, run, hop, d, pods); err != nil || waits != "" {
		return waits, err
	}
	if !leads {
		return fmt.Sprintf("waiting for a pod of release %s/%s to hold the Lease", plan.Namespace, plan.Release), nil
	}
	return "", nil
}

// rollout waits until all pods are of the newest revision and Ready. There may be no room for one pod more: then one has to go first.
func (p *Phase) rollout(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, d *appsv1.Deployment, pods []corev1.Pod) (string, error) {
	ready, wanted := phase.ReadyReplicas(d, pods)
	if ready >= wanted && int(wanted) == len(pods) {
		return "", nil
	}
	if hop != nil && slices.ContainsFunc(pods, p.homeless) {
		if waits, err := p.settle(ctx, run, hop, nil); err != nil || waits != "" {
			return waits, err
		}
	}
	return fmt.Sprintf("%d of %d pods of Deployment %s/%s are Ready; kubectl describe pods -n %s -l app.kubernetes.io/instance=%s",
		ready, wanted, d.Namespace, d.Name, run.Status.Plan.Namespace, run.Status.Plan.Release), nil
}

// room is how long a pod may wait for a node before it counts as one that gets none.
const room = 20 * time.Second

// homeless says that no node takes a pod.
func (p *Phase) homeless(pod corev1.Pod) bool {
	return pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && p.Clock.Since(pod.CreationTimestamp.Time) > room
}

// webhooks removes the admission webhooks that Karpenter has no more from 1.0 on: they would refuse every write, for nobody
// answers them.
func (p *Phase) webhooks(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	if beforeV1(hop.Version) {
		return "", nil
	}
	removed, _, err := p.RemoveWebhookLeftovers(ctx, run.Status.Plan) // those of others are left to them
	if err != nil || len(removed) == 0 {
		return "", err
	}
	return "removed " + strings.Join(removed, ", "), nil
}

// ownStorage rewrites the stored objects where that is to be done before the first hop: the run began at a 1.0 whose own migration
// has not come to its end, or that has none (before 1.0.4).
func (p *Phase) ownStorage(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	if !plan.LeavesBeta(status.From, status.Version) {
		return "", nil
	}
	own := statusOf(run, &v1alpha1.Hop{Version: status.From})
	if own == nil {
		mixed, err := p.storesOther(ctx, v1)
		if err != nil || mixed == "" {
			return "", err
		}
		run.Status.Hops = append(run.Status.Hops, v1alpha1.HopStatus{
			Version: status.From, From: status.From, State: v1alpha1.StepRunning, StartedAt: ptr.To(metav1.NewTime(p.Clock.Now())),
		})
		return fmt.Sprintf("objects of CustomResourceDefinition %s may be stored in other versions than %s: they are rewritten first", mixed, v1), nil
	}
	if own.State == v1alpha1.StepDone {
		return "", nil
	}
	if waits, err := until(p.MigrateStorage(ctx, own, v1)); err != nil || waits != "" {
		return waits, err
	}
	own.State, own.EndedAt = v1alpha1.StepDone, ptr.To(metav1.NewTime(p.Clock.Now()))
	return "", nil
}

// storesOther names a CRD whose objects may be stored in other versions than one; empty when there is none.
func (p *Phase) storesOther(ctx context.Context, version string) (string, error) {
	for _, name := range phase.CoreCRDs {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := p.Live.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
			return "", fmt.Errorf("reading CustomResourceDefinition %s: %w", name, err)
		}
		if !slices.Equal(crd.Status.StoredVersions, []string{version}) {
			return name, nil
		}
	}
	return "", nil
}

// storage rewrites the stored objects where the next version's CRDs have not the version that they are stored in.
func (p *Phase) storage(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	if hop.StoredVersion == "" {
		return "", nil
	}
	return until(p.MigrateStorage(ctx, status, hop.StoredVersion))
}
