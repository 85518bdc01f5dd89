package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Waiver says that the user knows of a finding and goes on nevertheless. Findings without which a run cannot go on, or would break
// what it promises, cannot be waived; a waiver of one of these, or one that covers nothing, is a finding itself.
type Waiver struct {
	// code of the findings.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z][A-Za-z0-9]*$')",message="spec.waivers[].code must be the code of a finding, such as WorkloadPinned"
	Code string `json:"code"`

	// objects that it covers, as findings name them; * stands for any part between slashes, as in Pod/batch/*. Left out, it covers
	// all that a finding of the code names.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Objects []string `json:"objects,omitempty"`

	// reason why the finding is accepted. It is shown beside the finding.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason"`

	// expires is when the waiver ends to count. Left out, it never does. A run that has left Preflight goes on.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
}
