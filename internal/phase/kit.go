// Package phase holds what the phases of a run share. Each phase is a package of its own below it.
package phase

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// FieldOwner is the manager under which the operator writes.
const FieldOwner = "karpenter-upgrade-operator"

// Kit is what phases work with.
type Kit struct {
	// Client reads core kinds from caches and writes.
	Client client.Client
	// Live reads past the caches: Karpenter's kinds, whose lists may fail while a conversion webhook is broken, and Leases,
	// whose state must be that of now.
	Live client.Client
	// Releases reads and writes Helm releases.
	Releases release.Client
	Clock    clock.PassiveClock
	// Namespace is the operator's own.
	Namespace string
	// Endings makes handovers faster; nil for none.
	Endings *Endings
	// StoragePage is how many objects MigrateStorage rewrites in one call; 0 for the usual number.
	StoragePage int64
}

// Kinds of Karpenter that phases write.
var (
	NodePoolKind  = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}
	NodeClaimKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"}
	NodeClassKind = schema.GroupVersionKind{Group: "karpenter.k8s.aws", Version: "v1", Kind: "EC2NodeClass"}
)

// Object is an empty object of a kind.
func Object(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	o.SetName(name)
	return o
}

// Get reads an object of Karpenter, past the caches.
func (k *Kit) Get(ctx context.Context, kind schema.GroupVersionKind, name string) (*unstructured.Unstructured, error) {
	o := Object(kind, name)
	if err := k.Live.Get(ctx, client.ObjectKey{Name: name}, o); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind.Kind, name, err)
	}
	return o, nil
}

// Nodes are the nodes of these NodePools, from the cache.
func (k *Kit) Nodes(ctx context.Context, pools sets.Set[string]) ([]*corev1.Node, error) {
	var all corev1.NodeList
	if err := k.Client.List(ctx, &all, client.HasLabels{karpv1.NodePoolLabelKey}); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	var out []*corev1.Node
	for i := range all.Items {
		if pools.Has(all.Items[i].Labels[karpv1.NodePoolLabelKey]) {
			out = append(out, &all.Items[i])
		}
	}
	return out, nil
}

// BluePools and GreenPools are the names of the NodePools of a plan.
func BluePools(p *v1alpha1.Plan) sets.Set[string] {
	out := sets.New[string]()
	for _, pool := range p.Pools {
		out.Insert(pool.Blue)
	}
	return out
}

// GreenPools are the names of the green NodePools of a plan.
func GreenPools(p *v1alpha1.Plan) sets.Set[string] {
	out := sets.New[string]()
	for _, pool := range p.Pools {
		out.Insert(pool.Green)
	}
	return out
}

// KeepsBlue says that the blue NodePools and EC2NodeClasses stay after the run.
func KeepsBlue(run *v1alpha1.KarpenterUpgrade) bool {
	return run.KeepsPools() || (run.Spec.NodePools != nil && run.Spec.NodePools.KeepBlue)
}

// Patch writes the difference between two versions of an object, and nothing when there is none.
func (k *Kit) Patch(ctx context.Context, before, after client.Object) error {
	patch := client.MergeFrom(before)
	data, err := patch.Data(after)
	if err != nil {
		return fmt.Errorf("comparing %s %s: %w", before.GetObjectKind().GroupVersionKind().Kind, before.GetName(), err)
	}
	if string(data) == "{}" {
		return nil
	}
	if err := k.Live.Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("patching %T %s: %w", after, client.ObjectKeyFromObject(after), err)
	}
	return nil
}

// PatchMark writes a mark, or takes one back. It does nothing when the object has changed since it was read, or is gone: a
// mark records what was there before, so it must not be written over what nobody looked at. The next step sees what is true.
func (k *Kit) PatchMark(ctx context.Context, before, after client.Object) error {
	err := k.Live.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("patching %T %s: %w", after, client.ObjectKeyFromObject(after), err)
	}
	return nil
}

// Annotate sets an annotation of an object.
func Annotate(o client.Object, key, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	o.SetAnnotations(annotations)
}

// Mark is the value of a mark: the run that left it, and what was there before.
func Mark(run, previous string) string {
	if previous == "" {
		return run
	}
	return run + "=" + previous
}

// SplitMark reads what Mark wrote.
func SplitMark(value string) (run, previous string) {
	for i := range value {
		if value[i] == '=' {
			return value[:i], value[i+1:]
		}
	}
	return value, ""
}
