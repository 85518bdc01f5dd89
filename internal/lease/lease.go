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
// must have seen that the holder's pod is gone, and that its process is, too: see Silent.
func Vacate(ctx context.Context, c client.Client, l *coordinationv1.Lease) error {
	update := l.DeepCopy()
	update.Spec.HolderIdentity = ptr.To("")
	if err := c.Update(ctx, update); err != nil {
		return fmt.Errorf("vacating Lease %s/%s: %w", l.Namespace, l.Name, err)
	}
	return nil
}
