// Package lease reads and vacates the Lease by which Karpenter's releases in one namespace elect their leader.
//
// All Karpenter versions elect by a Lease of the name karpenter-leader-election in their own namespace
// (sigs.k8s.io/karpenter pkg/operator/operator.go and pkg/operator/options/options.go, 0.30 to 1.14).
package lease

import (
	"context"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Name of the Lease.
const Name = "karpenter-leader-election"

// HolderPod is the name of the pod that holds the Lease, whether it still lives or not; empty when nobody holds it.
// Karpenter's identities are <pod>_<uuid> (controller-runtime's default, from the hostname).
func HolderPod(l *coordinationv1.Lease) string {
	pod, _, _ := strings.Cut(ptr.Deref(l.Spec.HolderIdentity, ""), "_")
	return pod
}

// Names says that a holder, as HolderPod reads it, is this pod. Karpenter calls itself by its hostname: the pod's name, or its node's
// for a pod in the network of its node (the chart's hostNetwork).
func Names(holder string, p *corev1.Pod) bool {
	switch {
	case holder == "":
		return false
	case p.Spec.HostNetwork:
		return p.Spec.NodeName == holder || strings.HasPrefix(p.Spec.NodeName, holder+".")
	default:
		return p.Name == holder
	}
}

// Valid says that the Lease is held and that its holder renewed it within its duration.
func Valid(l *coordinationv1.Lease, now time.Time) bool {
	if ptr.Deref(l.Spec.HolderIdentity, "") == "" || l.Spec.RenewTime == nil {
		return false
	}
	duration := time.Duration(ptr.Deref(l.Spec.LeaseDurationSeconds, 0)) * time.Second
	return now.Before(l.Spec.RenewTime.Add(duration))
}

// silence is how long a holder that lives does not let pass without renewing: controller-runtime's managers, and so Karpenter's,
// renew every 2 seconds (RetryPeriod); one renewal may be missed, and clocks differ a little.
const silence = 5 * time.Second

// Silent says that the holder has not renewed the Lease for longer than one that lives would let pass. That its pod is gone
// does not say so: the process of a pod that was force-deleted, or whose Node was deleted, may live on, and lead.
func Silent(l *coordinationv1.Lease, now time.Time) bool {
	return l.Spec.RenewTime == nil || now.Sub(l.Spec.RenewTime.Time) > silence
}

// A fence is the Lease of a namespace held by a run of the operator, so that no pod of Karpenter in it leads. Pods stand by at
// a fence: they are Ready, serve webhooks and do nothing. Only the record's own duration counts for them, and not their own
// default of 15 seconds (client-go tools/leaderelection: isLeaseValid, 0.29 and later).
const (
	fencePrefix   = "karpenter-upgrade-operator/"
	fenceDuration = 365 * 24 * time.Hour
	// outlasts is how long a leader may act on after a fence was written over its Lease: it gives up when it has not renewed
	// for 10 seconds (RenewDeadline), and its Lease lasts for 15.
	outlasts = 15 * time.Second
)

// FencedBy is the run whose fence a Lease is; empty when it is none. No pod has such a name: it holds a slash.
func FencedBy(l *coordinationv1.Lease) string {
	run, ok := strings.CutPrefix(ptr.Deref(l.Spec.HolderIdentity, ""), fencePrefix)
	if !ok {
		return ""
	}
	return run
}

// Settled says that whoever led when the fence was written leads no more.
func Settled(l *coordinationv1.Lease, now time.Time) bool {
	return l.Spec.AcquireTime == nil || now.Sub(l.Spec.AcquireTime.Time) >= outlasts
}

// Fence makes the Lease of a namespace the fence of a run, whoever holds it: l as it was read, or nil when there is none. It fails
// with a conflict, or because there is one, when that has changed since. A leader that it takes the Lease from may act on until
// the fence is Settled. Vacant says that the caller knows that nobody leads by it: then it is so at once.
func Fence(ctx context.Context, c client.Client, namespace string, l *coordinationv1.Lease, run string, now time.Time, vacant bool) error {
	fence := &coordinationv1.Lease{}
	if l != nil {
		fence = l.DeepCopy()
	}
	fence.Namespace, fence.Name = namespace, Name
	at := metav1.NewMicroTime(now)
	fence.Spec.HolderIdentity, fence.Spec.LeaseDurationSeconds = ptr.To(fencePrefix+run), ptr.To(int32(fenceDuration.Seconds()))
	fence.Spec.AcquireTime, fence.Spec.RenewTime = &at, &at
	if vacant {
		fence.Spec.AcquireTime = nil
	}
	fence.Spec.LeaseTransitions = ptr.To(ptr.Deref(fence.Spec.LeaseTransitions, 0) + 1)
	write := func() error { return c.Update(ctx, fence) }
	if l == nil {
		write = func() error { return c.Create(ctx, fence) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("fencing Lease %s/%s: %w", namespace, Name, err)
	}
	return nil
}

// Get reads the Lease of a namespace.
func Get(ctx context.Context, r client.Reader, namespace string) (*coordinationv1.Lease, error) {
	l := &coordinationv1.Lease{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: Name}, l); err != nil {
		return nil, fmt.Errorf("reading Lease %s/%s: %w", namespace, Name, err)
	}
	return l, nil
}

// Vacate takes the Lease from the holder that l names, so that a standby need not wait for it to expire: Karpenter 1.14
// leaves its Lease held when it is stopped. It fails with a conflict when the Lease has changed since l was read; the caller
// must have seen that the holder's pod is gone, and that its process is, too: see Silent. Of a fence it must have seen that nobody
// leads by another Lease.
func Vacate(ctx context.Context, c client.Client, l *coordinationv1.Lease) error {
	update := l.DeepCopy()
	update.Spec.HolderIdentity = ptr.To("")
	if err := c.Update(ctx, update); err != nil {
		return fmt.Errorf("vacating Lease %s/%s: %w", l.Namespace, l.Name, err)
	}
	return nil
}
