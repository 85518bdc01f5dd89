package live

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// annotationRole binds a ServiceAccount to an IAM role (IRSA).
const annotationRole = "eks.amazonaws.com/role-arn"

// destination looks what stands in the namespace that the release moves to.
func (r *Reader) destination(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if refusal != nil || plan.TargetNamespace(source.Namespace, &run.Spec) == "" {
		return nil
	}
	d := &snapshot.Destination{Namespace: run.Spec.Target.Namespace, Holds: release.HoldsNodes(source.Release.Manifest)}
	s.Destination = d
	err := r.Client.Get(ctx, client.ObjectKey{Name: d.Namespace}, &corev1.Namespace{})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	d.Exists = true
	found, err := r.Releases.Get(ctx, d.Namespace, source.Release.Name)
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return err
	}
	if err == nil {
		d.Release = fromRelease(found)
	}
	if d.Account, err = r.account(ctx, d.Namespace, source.ServiceAccount); err != nil {
		return err
	}
	own, err := r.account(ctx, source.Namespace, source.ServiceAccount)
	if own != nil {
		d.Role = own.Annotations[annotationRole]
	}
	return err
}

// account reads a ServiceAccount; nil when there is none.
func (r *Reader) account(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	a := &corev1.ServiceAccount{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, a)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return a, err
}

// runsAs reads which ServiceAccount the release has where it moves to, as it would be after the run.
func runsAs(s *snapshot.Snapshot) error {
	if s.Destination == nil {
		return nil
	}
	s.Destination.MakesAccount, _ = values.ServiceAccount(s.Target.Values)
	d, err := deployment(s.Target.Original)
	if d != nil {
		s.Destination.RunsAs = d.Spec.Template.Spec.ServiceAccountName
	}
	return err
}
