package phases

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// ours are the namespaces whose objects are the tests' own.
var ours = sets.New(karpenterNS, movedNS, operatorNS, shopNS, payNS)

// made are the kinds of which tests make objects. Of those that the API server has objects of itself, only those that belong to
// one of the two charts are the tests'.
var made = []schema.GroupVersionKind{
	{Group: "karpenter-upgrade.dev", Version: "v1alpha1", Kind: "KarpenterUpgrade"},
	phase.NodePoolKind, phase.NodeClaimKind, phase.NodeClassKind,
	{Version: "v1", Kind: "Node"}, {Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ServiceAccount"},
	{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}, {Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyBinding"},
}

// empty removes what earlier tests left, whoever still holds it by a finalizer.
func (w *world) empty() {
	w.t.Helper()
	for _, kind := range made {
		found := &metav1.PartialObjectMetadataList{}
		found.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := w.api.List(w.ctx(), found)
		if meta.IsNoMatchError(err) {
			continue
		}
		w.ok(err)
		for i := range found.Items {
			if o := &found.Items[i]; ofTests(o, kind) {
				w.remove(o, kind)
			}
		}
	}
}

func ofTests(o *metav1.PartialObjectMetadata, kind schema.GroupVersionKind) bool {
	chart := o.Labels["app.kubernetes.io/name"]
	switch {
	case ours.Has(o.Namespace), chart == "karpenter", chart == phase.FieldOwner:
		return true
	case o.Namespace != "":
		return false
	default:
		return !strings.HasPrefix(kind.Group, "rbac.")
	}
}

func (w *world) remove(o *metav1.PartialObjectMetadata, kind schema.GroupVersionKind) {
	w.t.Helper()
	o.SetGroupVersionKind(kind)
	if len(o.Finalizers) > 0 {
		before := o.DeepCopy()
		o.Finalizers = nil
		w.ok(client.IgnoreNotFound(w.api.Patch(w.ctx(), o, client.MergeFrom(before))))
	}
	err := w.api.Delete(w.ctx(), o, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))
	w.ok(client.IgnoreNotFound(err))
}
