package phase

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
)

// Two releases in two namespaces elect by two Leases, and would both lead. So of a run that moves the release to another namespace
// one of the two Leases is fenced at any time: green's until blue has stopped, and blue's from then on.

// Side is one of the two releases of a run, in the namespace by whose Lease it leads.
type Side struct{ Namespace, Release string }

func (s Side) String() string { return s.Namespace + "/" + s.Release }

// lease of a side, as messages name it.
func (s Side) lease() string { return s.Namespace + "/" + lease.Name }

// Blue is the release that runs before the upgrade.
func Blue(p *v1alpha1.Plan) Side { return Side{p.Namespace, p.Release} }

// Green is the second release.
func Green(p *v1alpha1.Plan) Side { return Side{p.GreenNamespace(), p.GreenRelease} }

// LeaseOf reads the Lease of a namespace; nil when there is none.
func (k *Kit) LeaseOf(ctx context.Context, namespace string) (*coordinationv1.Lease, error) {
	l, err := lease.Get(ctx, k.Live, namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return l, err
}

// Fences says that a Lease is a fence that holds.
func (k *Kit) Fences(l *coordinationv1.Lease) bool {
	return l != nil && lease.FencedBy(l) != "" && lease.Valid(l, k.Clock.Now())
}

// ownFence says that a Lease is the fence of this run, or of one that was there before: runs do not overlap.
func ownFence(l *coordinationv1.Lease) bool { return l != nil && lease.FencedBy(l) != "" }

// FenceGreen keeps green from leading before it is installed. Where somebody leads there already it fails: who is not known to
// belong to the run is not stopped.
func (k *Kit) FenceGreen(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	side := Green(run.Status.Plan)
	l, err := k.LeaseOf(ctx, side.Namespace)
	if err != nil {
		return err
	}
	now := k.Clock.Now()
	vacant := l == nil || !lease.Valid(l, now)
	switch {
	case vacant:
	case lease.FencedBy(l) == run.Name:
		return nil
	case !ownFence(l):
		own, err := k.belongs(ctx, l, side)
		if err != nil {
			return err
		}
		if !own {
			return fault.NewTerminal(fmt.Errorf("lease %s is held by %s: another Karpenter leads in namespace %s; stop it, or move the release to another namespace",
				side.lease(), ptr.Deref(l.Spec.HolderIdentity, ""), side.Namespace))
		}
	}
	return lease.Fence(ctx, k.Live, side.Namespace, l, run.Name, now, vacant)
}

// belongs says that a Lease is held by a pod of this release.
func (k *Kit) belongs(ctx context.Context, l *coordinationv1.Lease, side Side) (bool, error) {
	pods, err := k.ControllerPods(ctx, side.Namespace, side.Release)
	return named(lease.HolderPod(l), pods) != nil, err
}

// KeepFence writes the fence again that somebody took away, and is an error then: whoever took the Lease meanwhile acts for some seconds
// more, beside the other. Before the handover it is green's, and after it blue's.
func (k *Kit) KeepFence(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	plan := run.Status.Plan
	if !plan.Moves() {
		return nil
	}
	blue, green := Blue(plan), Green(plan)
	ofBlue, err := k.LeaseOf(ctx, blue.Namespace)
	if err != nil {
		return err
	}
	ofGreen, err := k.LeaseOf(ctx, green.Namespace)
	if err != nil || k.Fences(ofBlue) || k.Fences(ofGreen) {
		return err
	}
	side, l := green, ofGreen
	stopped, err := k.stopped(ctx, run, blue)
	if err != nil {
		return err
	}
	if stopped {
		side, l = blue, ofBlue
	}
	if err := lease.Fence(ctx, k.Live, side.Namespace, l, run.Name, k.Clock.Now(), false); err != nil {
		return err
	}
	return fmt.Errorf("lease %s, which keeps release %s from leading beside the other one, was taken from the run, and is held by it again", side.lease(), side)
}

// stopped says that blue is to be stopped: the handover is done, or has come so far.
func (k *Kit) stopped(ctx context.Context, run *v1alpha1.KarpenterUpgrade, blue Side) (bool, error) {
	if step := run.Step(v1alpha1.PhaseHandover); step != nil && step.State == v1alpha1.StepDone {
		return true, nil
	}
	d, err := k.Deployment(ctx, blue.Namespace, blue.Release)
	return err == nil && (d == nil || ptr.Deref(d.Spec.Replicas, 1) == 0), err
}

// Awaits says what the run has to wait for before leader may be stopped in favour of standby: that standby is kept from leading, and
// that nobody who led before the fence acts any more. It is empty when there is nothing to wait for.
func (k *Kit) Awaits(ctx context.Context, run *v1alpha1.KarpenterUpgrade, standby Side) (string, error) {
	if !run.Status.Plan.Moves() {
		return "", nil
	}
	l, err := k.LeaseOf(ctx, standby.Namespace)
	switch {
	case err != nil:
		return "", err
	case !k.Fences(l):
		return fmt.Sprintf("Lease %s is not held by the run", standby.lease()), nil
	case !lease.Settled(l, k.Clock.Now()):
		return fmt.Sprintf("Lease %s has been held by the run since %s; whoever held it before may act for some seconds more",
			standby.lease(), l.Spec.AcquireTime.UTC().Format("15:04:05")), nil
	default:
		return "", nil
	}
}

// Pass lets leader lead, now that stopped has been stopped: first, when nobody leads by it any more, the Lease of stopped is fenced, so
// that no pod of it that is left leads, nor one that somebody starts, and only then the fence of leader's is taken away. It says what
// it waits for, and nothing when leader may lead.
//
// A pod that gives its Lease back, as Karpenter 1.0 does, has stopped its controllers before (controller-runtime's
// LeaderElectionReleaseOnCancel); it takes some seconds more to end, for which nobody has to wait.
func (k *Kit) Pass(ctx context.Context, run *v1alpha1.KarpenterUpgrade, stopped, leader Side) (string, error) {
	if !run.Status.Plan.Moves() {
		return "", nil
	}
	waits, err := k.fenceStopped(ctx, run, stopped, leader)
	if err != nil || waits != "" {
		return waits, err
	}
	return k.Lift(ctx, leader)
}

// fenceStopped fences the Lease of a release that has stopped.
func (k *Kit) fenceStopped(ctx context.Context, run *v1alpha1.KarpenterUpgrade, stopped, other Side) (string, error) {
	l, err := k.LeaseOf(ctx, stopped.Namespace)
	if err != nil || k.Fences(l) {
		return "", err
	}
	if l != nil {
		pods, err := k.ControllerPods(ctx, other.Namespace, other.Release)
		if err != nil {
			return "", err
		}
		over, err := k.over(ctx, l, pods)
		if err != nil {
			return "", err
		}
		if !over {
			return fmt.Sprintf("waiting for %s, which holds Lease %s, to end", ptr.Deref(l.Spec.HolderIdentity, ""), stopped.lease()), nil
		}
	}
	return "", lease.Fence(ctx, k.Live, stopped.Namespace, l, run.Name, k.Clock.Now(), true)
}

// over says that nobody leads by a Lease any more. Pods are of the other release: they tell by what names this one's went.
func (k *Kit) over(ctx context.Context, l *coordinationv1.Lease, pods []corev1.Pod) (bool, error) {
	if lease.HolderPod(l) == "" || !lease.Valid(l, k.Clock.Now()) {
		return true, nil
	}
	return k.ended(ctx, l, pods)
}

// Lift takes the fence from the Lease of a release, once whoever held the Lease before it acts no more. The caller has seen that the
// other Lease is fenced.
func (k *Kit) Lift(ctx context.Context, side Side) (string, error) {
	l, err := k.LeaseOf(ctx, side.Namespace)
	if err != nil || !ownFence(l) {
		return "", err
	}
	if !lease.Settled(l, k.Clock.Now()) {
		return fmt.Sprintf("waiting until nobody acts any more who held Lease %s before the run", side.lease()), nil
	}
	return "", lease.Vacate(ctx, k.Live, l)
}

// DropFence deletes the Lease of a side if it is a fence: nobody leads by it, so nothing goes with it. The caller has seen that no
// pod could take its place.
func (k *Kit) DropFence(ctx context.Context, side Side) error {
	l, err := k.LeaseOf(ctx, side.Namespace)
	if err != nil || !ownFence(l) {
		return err
	}
	err = k.Live.Delete(ctx, l, client.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Lease %s: %w", side.lease(), err)
	}
	return nil
}

// StaysFenced says of a Lease, to whoever ends a run in the middle, why it stays held and how it is let go.
func StaysFenced(side Side, until string) string {
	return fmt.Sprintf("Lease %s stays held, so that release %s does not lead beside the other one; %s, and then kubectl delete lease -n %s %s",
		side.lease(), side, until, side.Namespace, lease.Name)
}

// UnmarkAccount takes the run's mark off the ServiceAccount that it made.
func (k *Kit) UnmarkAccount(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	plan := run.Status.Plan
	account := &corev1.ServiceAccount{}
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: plan.GreenNamespace(), Name: plan.ServiceAccount}, account)
	if err != nil || account.Labels[v1alpha1.LabelRun] != run.Name {
		return client.IgnoreNotFound(err)
	}
	after := account.DeepCopy()
	delete(after.Labels, v1alpha1.LabelRun)
	return k.Patch(ctx, account, after)
}
