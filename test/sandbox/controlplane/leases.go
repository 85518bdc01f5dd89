package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// releaseTimeout bounds releasing all nodes.
const releaseTimeout = 10 * time.Second

// releaseNodes lets a KWOK that is started again play its nodes at once. It holds their Leases under a name that is new
// with each process, and would wait for those of the process before to run out, for as long as a kubelet may be silent.
func releaseNodes(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	leases := client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	list, err := leases.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the nodes' Leases: %w", err)
	}
	var errs []error
	for _, l := range list.Items {
		if !heldByKWOK(&l) {
			continue
		}
		_, err := leases.Patch(ctx, l.Name, types.MergePatchType, []byte(`{"spec":{"holderIdentity":null}}`), metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("releasing node %s: %w", l.Name, err))
		}
	}
	return errors.Join(errs...)
}

// heldByKWOK tells KWOK's Leases from those of the host nodes' kubelets, which hold them under the nodes' names.
func heldByKWOK(l *coordinationv1.Lease) bool {
	return l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != l.Name
}
