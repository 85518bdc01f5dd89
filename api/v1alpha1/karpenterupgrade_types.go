package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KarpenterUpgrade moves a cluster's Karpenter, and the nodes it owns, to a newer version.
//
// One object is one run. Its target is frozen once the run has begun, which is when it leaves Preflight for its first change
// (status.startedAt); a later upgrade is a new object.
// At most one run is active in a cluster: a second one waits and says for which.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=kupgrade,categories=karpenter
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.from`,description="Karpenter's version before the run"
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.spec.target.version`,description="Karpenter's version after the run"
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Nodes",type=string,JSONPath=`.status.nodes.progress`,description="Nodes moved, of all nodes to move"
// +kubebuilder:printcolumn:name="Blocked",type=integer,JSONPath=`.status.nodes.blocked`,description="Nodes that cannot be emptied now; .status.blockers says why"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 52",message="metadata.name must be at most 52 characters: names of the run's own objects are made from it"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.startedAt) || self.spec.target == oldSelf.spec.target",message="spec.target is frozen once the run has begun: delete this object (or set spec.mode: Rollback) and create another one for another target"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.startedAt) || (has(self.spec.source) == has(oldSelf.spec.source) && (!has(self.spec.source) || self.spec.source == oldSelf.spec.source))",message="spec.source is frozen once the run has begun"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.startedAt) || self.spec.strategy == oldSelf.spec.strategy",message="spec.strategy is frozen once the run has begun"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.startedAt) || self.spec.nodes == oldSelf.spec.nodes",message="spec.nodes is frozen once the run has begun"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.startedAt) || (has(self.spec.nodePools) == has(oldSelf.spec.nodePools) && (!has(self.spec.nodePools) || self.spec.nodePools == oldSelf.spec.nodePools))",message="spec.nodePools is frozen once the run has begun"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.startedAt) || self.spec.mode != 'Plan'",message="spec.mode cannot go back to Plan once the run has begun: use Pause, Abort or Rollback"
type KarpenterUpgrade struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	// +required
	Spec KarpenterUpgradeSpec `json:"spec"`

	// status is what the operator sees and does.
	// +optional
	Status KarpenterUpgradeStatus `json:"status,omitempty"`
}

// KarpenterUpgradeList is a list of KarpenterUpgrade.
//
// +kubebuilder:object:root=true
type KarpenterUpgradeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []KarpenterUpgrade `json:"items"`
}
