package phase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// Labels of Karpenter's chart (charts/karpenter/templates/_helpers.tpl of the provider).
const (
	labelName     = "app.kubernetes.io/name"
	labelInstance = "app.kubernetes.io/instance"
	chartName     = "karpenter"
)

// cutOff is how long a release of somebody else's making may be pending before its operation counts as cut off. It is more
// than an operation of ours may take.
const cutOff = 3 * time.Minute

// EnsureRelease makes a release what spec says, in as many calls as it takes, and says whether it is. An operation that was cut
// off is taken up again. A release that carries the labels of spec is the run's own; for any other, adopt says whether it may
// be changed.
func (k *Kit) EnsureRelease(ctx context.Context, spec release.Spec, adopt bool) (ready bool, err error) {
	current, err := k.Releases.Get(ctx, spec.Namespace, spec.Name)
	if errors.Is(err, release.ErrNotFound) {
		return false, k.Releases.Apply(ctx, spec)
	}
	if err != nil {
		return false, err
	}
	own := len(spec.Labels) > 0 && current.Labels[v1alpha1.LabelRun] == spec.Labels[v1alpha1.LabelRun]
	switch {
	case !own && !adopt:
		return false, fault.NewTerminal(fmt.Errorf("release %s/%s exists and was not made by this run: helm uninstall -n %s %s", spec.Namespace, spec.Name, spec.Namespace, spec.Name))
	case current.Pending() && (own || k.Clock.Since(current.Modified) > cutOff):
		return false, k.Releases.Unlock(ctx, spec.Namespace, spec.Name)
	case current.Pending():
		return false, nil
	case current.Deployed() && current.Version == spec.Chart.Ref.Version:
		return true, nil
	default:
		return false, k.Releases.Apply(ctx, spec)
	}
}

// RollbackRelease makes a release of somebody else's what an earlier revision was, in as many calls as it takes, and says whether it
// is: of the chart's version of then, and deployed.
func (k *Kit) RollbackRelease(ctx context.Context, namespace, name, version string, revision int) (done bool, err error) {
	current, err := k.Releases.Get(ctx, namespace, name)
	if err != nil {
		return false, err
	}
	switch {
	case current.Deployed() && strings.TrimPrefix(current.Version, "v") == version:
		return true, nil
	case current.Pending() && k.Clock.Since(current.Modified) > cutOff:
		return false, k.Releases.Unlock(ctx, namespace, name)
	case current.Pending():
		return false, nil
	}
	err = k.Releases.Rollback(ctx, namespace, name, revision)
	if errors.Is(err, release.ErrNotFound) {
		return false, fault.NewTerminal(fmt.Errorf("%w: helm upgrade --install -n %s %s at version %s by hand", err, namespace, name, version))
	}
	return false, err
}

// TargetChart is a chart of the run's target, with the digest that Preflight saw.
func (k *Kit) TargetChart(ctx context.Context, run *v1alpha1.KarpenterUpgrade, name string) (*release.Chart, error) {
	return k.HopChart(ctx, run, run.LastHop(), name)
}

// HopChart is a chart of a version on the run's way, with the digest that Preflight saw; any digest where the hop has none.
func (k *Kit) HopChart(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, name string) (*release.Chart, error) {
	digest := hop.ChartDigest
	if name == release.ChartCRDs {
		digest = hop.CRDChartDigest
	}
	return k.Releases.Pull(ctx, live.ChartRef(run, hop.Version, name, digest))
}

// Deployment is the Deployment of a release of the chart karpenter; nil when there is none.
func (k *Kit) Deployment(ctx context.Context, namespace, releaseName string) (*appsv1.Deployment, error) {
	var found appsv1.DeploymentList
	err := k.Live.List(ctx, &found, client.InNamespace(namespace), client.MatchingLabels{labelName: chartName, labelInstance: releaseName})
	if err != nil {
		return nil, fmt.Errorf("reading the Deployment of release %s/%s: %w", namespace, releaseName, err)
	}
	if len(found.Items) == 0 {
		return nil, nil
	}
	return &found.Items[0], nil
}

// ControllerPods are the pods of a release of the chart karpenter, those that are terminating too.
func (k *Kit) ControllerPods(ctx context.Context, namespace, releaseName string) ([]corev1.Pod, error) {
	var found corev1.PodList
	err := k.Live.List(ctx, &found, client.InNamespace(namespace), client.MatchingLabels{labelName: chartName, labelInstance: releaseName})
	if err != nil {
		return nil, fmt.Errorf("reading the pods of release %s/%s: %w", namespace, releaseName, err)
	}
	return found.Items, nil
}

// ReadyReplicas says how many pods of a Deployment's newest revision are Ready, and how many it wants. Readiness is counted
// on pods: with one replica and maxUnavailable 1 a Deployment is Available with no pod ready.
func ReadyReplicas(d *appsv1.Deployment, pods []corev1.Pod) (ready, wanted int32) {
	wanted = ptr.Deref(d.Spec.Replicas, 1)
	if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < d.Status.Replicas {
		return 0, wanted
	}
	for i := range pods {
		if pods[i].DeletionTimestamp == nil && drain.Ready(&pods[i]) {
			ready++
		}
	}
	return ready, wanted
}

// Holder is the pod, of these, that holds the Lease of a namespace and has renewed it in time; nil when none does.
func (k *Kit) Holder(ctx context.Context, namespace string, pods []corev1.Pod) (*corev1.Pod, error) {
	l, err := lease.Get(ctx, k.Live, namespace)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	p := named(lease.HolderPod(l), pods)
	if p == nil || p.DeletionTimestamp != nil || !lease.Valid(l, k.Clock.Now()) {
		return nil, nil
	}
	return p, nil
}

// Leads says whether one of these pods holds the Lease of a namespace and has renewed it in time. When the Lease is held by
// a pod that is gone, and whose process is known to have ended or renews it no more, it is vacated, so that a standby need not
// wait for it to expire.
func (k *Kit) Leads(ctx context.Context, namespace string, pods []corev1.Pod) (bool, error) {
	l, err := lease.Get(ctx, k.Live, namespace)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	holder := lease.HolderPod(l)
	if holder == "" || lease.FencedBy(l) != "" {
		return false, nil
	}
	if p := named(holder, pods); p != nil {
		return p.DeletionTimestamp == nil && lease.Valid(l, k.Clock.Now()), nil
	}
	ended, err := k.ended(ctx, l, pods)
	if err != nil || !ended {
		return false, err
	}
	return false, lease.Vacate(ctx, k.Live, l)
}

// ended says that the pod that holds a Lease is gone, and that its process is known to have ended or renews the Lease no more. Pods are
// of a release whose values are the same.
func (k *Kit) ended(ctx context.Context, l *coordinationv1.Lease, pods []corev1.Pod) (bool, error) {
	if slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Spec.HostNetwork }) {
		return false, nil // a hostname may be spelled otherwise than its node: that it is gone cannot be told, so the Lease has to expire
	}
	holder := lease.HolderPod(l)
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: l.Namespace, Name: holder}, &corev1.Pod{})
	if !apierrors.IsNotFound(err) {
		return false, err
	}
	return k.Endings.Has(l.Namespace, holder) || lease.Silent(l, k.Clock.Now()), nil // its process may live on without its pod
}

// stopping is how long a leader that was told to stop gets for it. Mostly it needs a second. But 0.36.2 and 1.0.8 were
// seen to give the Lease back only when their 30 seconds of grace were over, when they had launched nodes shortly before: they wait for
// all workers, and one of those writes a tag a second (pkg/controllers/nodeclaim/tagging of the provider).
const stopping = 3 * time.Second

// HurryLeader shortens the grace period of a pod that holds the Lease of a namespace and has been stopping for long: until it has
// ended, nobody else leads. To Karpenter that is a crash, from which its successor goes on.
func (k *Kit) HurryLeader(ctx context.Context, namespace string, pods []corev1.Pod) error {
	l, err := lease.Get(ctx, k.Live, namespace)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	p := named(lease.HolderPod(l), pods)
	if p == nil || p.DeletionTimestamp == nil || ptr.Deref(p.DeletionGracePeriodSeconds, 0) <= 1 {
		return nil
	}
	told := p.DeletionTimestamp.Add(-time.Duration(*p.DeletionGracePeriodSeconds) * time.Second)
	if k.Clock.Since(told) < stopping {
		return nil
	}
	err = k.Live.Delete(ctx, p, client.GracePeriodSeconds(1), client.Preconditions{UID: ptr.To(p.UID)})
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("shortening the grace period of pod %s/%s, which leads no more and keeps the Lease: %w", p.Namespace, p.Name, err)
	}
	return nil
}

// named is the pod, of these, that the holder of a Lease names; nil when it names none.
func named(holder string, pods []corev1.Pod) *corev1.Pod {
	for i := range pods {
		if lease.Names(holder, &pods[i]) {
			return &pods[i]
		}
	}
	return nil
}

// RememberReplicas writes to status how many replicas a Deployment had before the run stopped it, as the mark on it says: the
// mark was written with the stop, and status, which comes after it, may not have been.
func RememberReplicas(run *v1alpha1.KarpenterUpgrade, d *appsv1.Deployment) {
	owner, previous := StoppedBy(d)
	if run.Status.BlueReplicas == nil && owner == run.Name {
		run.Status.BlueReplicas = ptr.To(previous)
	}
}

// StopMark is the mark of a run on a Deployment that it stops: its name and the replicas before.
func StopMark(run string, replicas int32) string { return fmt.Sprintf("%s.%d", run, replicas) }

// StoppedBy reads the mark on a Deployment; run is empty when there is none.
func StoppedBy(d *appsv1.Deployment) (run string, replicas int32) {
	mark := d.Labels[v1alpha1.LabelStoppedBy]
	i := strings.LastIndex(mark, ".")
	if i < 0 {
		return "", 0
	}
	n, err := strconv.ParseInt(mark[i+1:], 10, 32)
	if err != nil {
		return "", 0
	}
	return mark[:i], int32(n)
}

// labelStoppedAgain is when a run stopped a Deployment again that somebody had started meanwhile (seconds since 1970). It is a
// label for the same reason as the mark that it goes with.
const labelStoppedAgain = v1alpha1.MarkPrefix + "stopped-again"

// StopAgain sets the replicas of a Deployment to 0 once more, with its mark, and leaves on it when that was.
func (k *Kit) StopAgain(ctx context.Context, d *appsv1.Deployment, mark string) error {
	again := d.DeepCopy()
	if again.Labels == nil {
		again.Labels = map[string]string{}
	}
	again.Spec.Replicas = ptr.To[int32](0)
	again.Labels[v1alpha1.LabelStoppedBy], again.Labels[labelStoppedAgain] = mark, strconv.FormatInt(k.Clock.Now().Unix(), 10)
	return k.Patch(ctx, d, again)
}

// StoppedAgain says when StopAgain stopped a Deployment last; the zero time when it did not.
func StoppedAgain(d *appsv1.Deployment) time.Time {
	seconds, err := strconv.ParseInt(d.Labels[labelStoppedAgain], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// Scale sets the replicas of a Deployment of a release. A mark that is not empty is left on it in the same write, and an empty
// one removes the marks that are there.
func (k *Kit) Scale(ctx context.Context, d *appsv1.Deployment, replicas int32, mark string) error {
	after := d.DeepCopy()
	after.Spec.Replicas = ptr.To(replicas)
	if mark == "" {
		delete(after.Labels, v1alpha1.LabelStoppedBy)
		delete(after.Labels, labelStoppedAgain)
	} else {
		if after.Labels == nil {
			after.Labels = map[string]string{}
		}
		after.Labels[v1alpha1.LabelStoppedBy] = mark
	}
	return k.Patch(ctx, d, after)
}

// RemoveGreen uninstalls the second release if the run made it. Foreign says that it is there and somebody else's: it is left
// alone.
func (k *Kit) RemoveGreen(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (foreign bool, err error) {
	plan := run.Status.Plan
	r, err := k.Releases.Get(ctx, plan.GreenNamespace(), plan.GreenRelease)
	if errors.Is(err, release.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if r.Labels[v1alpha1.LabelRun] != run.Name {
		return true, nil
	}
	return false, k.Releases.Uninstall(ctx, r.Namespace, r.Name)
}
