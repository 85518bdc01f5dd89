package live

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// versions of Karpenter's kinds that are read, the newest first. Karpenter's CRDs serve v1 from 0.33.6 on (by conversion) and
// nothing else from 1.1 on.
var versions = []string{"v1", "v1beta1"}

// notServed says that the API server does not know a kind in the version that was asked for.
func notServed(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

// ListServed reads all objects of a kind of Karpenter in the newest version that is served; none where no version is.
func ListServed(ctx context.Context, c client.Reader, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	for _, version := range versions {
		out, err := ListAll(ctx, c, kind.GroupKind().WithVersion(version))
		if !notServed(err) {
			return out, err
		}
	}
	return nil, nil
}

// GetServed reads an object of a kind of Karpenter in the newest version that is served.
func GetServed(ctx context.Context, c client.Reader, kind schema.GroupVersionKind, name string) (*unstructured.Unstructured, error) {
	var err error
	for _, version := range versions {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(kind.GroupKind().WithVersion(version))
		if err = c.Get(ctx, client.ObjectKey{Name: name}, o); !notServed(err) {
			return o, err
		}
	}
	return nil, err
}

// asV1 reads all objects of a kind as v1. Those that are only served as v1beta1 are converted as Karpenter 1.0 will convert
// them; what does not survive that is in the snapshot's Losses.
func (r *Reader) asV1(kind schema.GroupVersionKind, into func(*snapshot.Snapshot) *[]unstructured.Unstructured,
	toV1 func(*unstructured.Unstructured) (*unstructured.Unstructured, []convert.Loss, error),
) func(context.Context, *v1alpha1.KarpenterUpgrade, *snapshot.Snapshot) error {
	return func(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
		items, err := ListServed(ctx, r.Client, kind)
		if err != nil {
			return err
		}
		for i := range items {
			if items[i].GroupVersionKind().Version == kind.Version {
				continue
			}
			converted, losses, err := toV1(&items[i])
			if err != nil {
				return err
			}
			items[i] = *converted
			s.Losses = append(s.Losses, losses...)
		}
		*into(s) = items
		return nil
	}
}
