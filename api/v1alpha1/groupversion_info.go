// Package v1alpha1 is the first version of the karpenter-upgrade.dev API: KarpenterUpgrade, which moves a cluster's
// Karpenter, and the nodes it owns, from one version to a newer one.
//
// +kubebuilder:object:generate=true
// +groupName=karpenter-upgrade.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of the types in this package.
var GroupVersion = schema.GroupVersion{Group: "karpenter-upgrade.dev", Version: "v1alpha1"}

// AddToScheme registers the types of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &KarpenterUpgrade{}, &KarpenterUpgradeList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
