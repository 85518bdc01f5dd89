package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ApprovalPolicy says whether a plan has to be approved.
//
// +kubebuilder:validation:Enum=Auto;Manual
type ApprovalPolicy string

const (
	// ApprovalAuto lets a plan begin that nothing blocks.
	ApprovalAuto ApprovalPolicy = "Auto"
	// ApprovalManual lets a plan begin once spec.approval.planHash is its hash.
	ApprovalManual ApprovalPolicy = "Manual"
)

// Approval says what waits for a person.
type Approval struct {
	// policy says whether the plan has to be approved before anything is changed.
	// +optional
	// +kubebuilder:default=Auto
	Policy ApprovalPolicy `json:"policy,omitempty"`

	// planHash is the hash of the plan that is approved, from status.plan.hash. When the cluster or the spec changes so that the plan does,
	// before the run has begun, the run asks again and says what changed.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PlanHash string `json:"planHash,omitempty"`

	// gates are phases that the run does not begin before they are in passed. Hops and Install are those that change CRDs; Cleanup is
	// the one without a way back.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=9
	// +kubebuilder:validation:XValidation:rule="!self.exists(gate, gate in ['Preflight', 'Backup', 'Freeze'])",message="spec.approval.gates: what comes before Hops waits for spec.approval.policy: Manual instead"
	Gates []PhaseName `json:"gates,omitempty"`

	// passed are the gates that a person has opened.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=9
	Passed []PhaseName `json:"passed,omitempty"`
}

// Window is a time in which a run may begin something new.
type Window struct {
	// schedule is when the window opens: five fields as of cron, such as "0 22 * * 5", or a word such as @daily.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule"`

	// duration is for how long it stays open.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('168h')",message="spec.windows[].duration must be more than nothing and at most 168h"
	Duration metav1.Duration `json:"duration"`

	// timeZone that the schedule is in, by its name in the IANA database, such as Europe/Berlin.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// ApprovalStatus is what was approved.
type ApprovalStatus struct {
	// planHash is the hash of the plan that was approved.
	// +required
	PlanHash string `json:"planHash"`

	// at is when the run saw the approval.
	// +required
	At metav1.Time `json:"at"`

	// parts of the plan that was approved: what differs when another plan is made is told by them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Parts []PlanPart `json:"parts,omitempty"`
}

// PlanPart is a part of a plan, by its hash.
type PlanPart struct {
	// name of the part.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name"`

	// hash of the part.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
}
