package live

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// nodeClaims reads the NodeClaims in the newest version that is served, page by page. None can be read while a conversion webhook is
// broken.
func (r *Reader) nodeClaims(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	expire := expireAfter(s.NodePools)
	for _, version := range versions {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(NodeClaimKind.GroupKind().WithVersion(version).GroupVersion().WithKind(NodeClaimKind.Kind + "List"))
		err := r.pages(ctx, list, func() {
			for i := range list.Items {
				s.NodeClaims = append(s.NodeClaims, nodeClaim(&list.Items[i], expire))
			}
			list.Items = nil
		})
		if !notServed(err) {
			return err
		}
	}
	return nil
}

// expireAfter is, by NodePool, how old its NodeClaims may become: v1beta1 has it there, and Karpenter 1.0 copies it to the NodeClaims
// that it converts (sigs.k8s.io/karpenter v1.0 pkg/apis/v1/nodeclaim_conversion.go).
func expireAfter(pools []unstructured.Unstructured) map[string]time.Duration {
	out := map[string]time.Duration{}
	for i := range pools {
		out[pools[i].GetName()] = durationOf(&pools[i], "spec", "template", "spec", "expireAfter")
	}
	return out
}

func nodeClaim(u *unstructured.Unstructured, expire map[string]time.Duration) snapshot.NodeClaim {
	annotations := u.GetAnnotations()
	class, _, _ := unstructured.NestedString(u.Object, "spec", "nodeClassRef", "name")
	node, _, _ := unstructured.NestedString(u.Object, "status", "nodeName")
	out := snapshot.NodeClaim{
		Name: u.GetName(), NodePool: u.GetLabels()[karpv1.NodePoolLabelKey], NodeClass: class, Node: node,
		Created: u.GetCreationTimestamp().UTC(), Finalizers: slices.Clone(u.GetFinalizers()), Conditions: conditionsOf(u),
		CPU: quantity(u, "cpu").MilliValue(), Memory: quantity(u, "memory").Value(),
		PoolHash:               snapshot.Hash{Value: annotations[karpv1.NodePoolHashAnnotationKey], Version: annotations[karpv1.NodePoolHashVersionAnnotationKey]},
		ClassHash:              snapshot.Hash{Value: annotations[snapshot.AnnotationClassHash], Version: annotations[snapshot.AnnotationClassHashVersion]},
		TerminationGracePeriod: durationOf(u, "spec", "terminationGracePeriod"),
	}
	if deleted := u.GetDeletionTimestamp(); deleted != nil {
		out.Deleted = deleted.UTC()
	}
	if u.GroupVersionKind().Version == NodeClaimKind.Version {
		out.ExpireAfter = durationOf(u, "spec", "expireAfter")
	} else {
		out.ExpireAfter = expire[out.NodePool]
	}
	return out
}

// durationOf reads a duration; 0 for none, and for Never.
func durationOf(u *unstructured.Unstructured, fields ...string) time.Duration {
	text, _, _ := unstructured.NestedString(u.Object, fields...)
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

func quantity(u *unstructured.Unstructured, name string) *resource.Quantity {
	text, _, _ := unstructured.NestedString(u.Object, "status", "capacity", name)
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return &resource.Quantity{}
	}
	return &q
}

func conditionsOf(u *unstructured.Unstructured) map[string]snapshot.Condition {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	out := make(map[string]snapshot.Condition, 4)
	for _, o := range all {
		c, ok := o.(map[string]any)
		if !ok {
			continue
		}
		text := func(field string) string {
			s, _, _ := unstructured.NestedString(c, field)
			return strings.Clone(s)
		}
		kind := text("type")
		if kind != snapshot.ConditionLaunched && kind != snapshot.ConditionRegistered && kind != snapshot.ConditionInitialized && kind != snapshot.ConditionDrifted {
			continue
		}
		condition := snapshot.Condition{Status: text("status")}
		if since, err := time.Parse(time.RFC3339, text("lastTransitionTime")); err == nil {
			condition.Since = since
		}
		if condition.Status != "True" {
			condition.Reason, condition.Message = text("reason"), text("message")
		}
		out[kind] = condition
	}
	return out
}
