package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Bounds of the lists in status: an object in etcd has a limit of about 1.5 MB, and nobody reads more.
const (
	// MaxFindings is how many findings status holds; FindingsTotal counts them all.
	MaxFindings = 50
	// MaxBlockers is how many blockers status holds; BlockersTotal counts them all.
	MaxBlockers = 20
)

// KarpenterUpgradeStatus is what the operator sees and does.
type KarpenterUpgradeStatus struct {
	// observedGeneration is the generation of spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase is where the run is: the phase it is in, or how it stands still or ended.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`

	// message says in one line what happens now, or what the run waits for and which command helps.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// from is Karpenter's version before the run.
	// +optional
	From string `json:"from,omitempty"`

	// plan is what the run does. It is frozen before anything is changed.
	// +optional
	Plan *Plan `json:"plan,omitempty"`

	// approval is the plan that a person approved.
	// +optional
	Approval *ApprovalStatus `json:"approval,omitempty"`

	// steps are the phases of the run, in order.
	// +optional
	// +listType=map
	// +listMapKey=phase
	// +kubebuilder:validation:MaxItems=16
	Steps []Step `json:"steps,omitempty"`

	// nodes counts the nodes to move.
	// +optional
	Nodes NodeCounts `json:"nodes,omitempty"`

	// findings are what Preflight found, worst first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Findings []Finding `json:"findings,omitempty"`

	// findingsTotal counts all findings, also those that do not fit into findings.
	// +optional
	FindingsTotal int32 `json:"findingsTotal,omitempty"`

	// blockers are what keeps nodes from being emptied, longest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Blockers []Blocker `json:"blockers,omitempty"`

	// blockersTotal counts all blockers, also those that do not fit into blockers.
	// +optional
	BlockersTotal int32 `json:"blockersTotal,omitempty"`

	// namespaceTurn is whose turn it is while namespaces move one after the other.
	// +optional
	NamespaceTurn *NamespaceTurn `json:"namespaceTurn,omitempty"`

	// backup says where the backup is.
	// +optional
	Backup *Backup `json:"backup,omitempty"`

	// tags are the tags that the run added in AWS; a rollback removes exactly these.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Tags []ResourceTag `json:"tags,omitempty"`

	// blueReplicas is how many replicas the blue Deployment had before it was stopped.
	// +optional
	BlueReplicas *int32 `json:"blueReplicas,omitempty"`

	// hops says how far the versions on the way are that the original release is taken through in place.
	// +optional
	// +listType=map
	// +listMapKey=version
	// +kubebuilder:validation:MaxItems=16
	Hops []HopStatus `json:"hops,omitempty"`

	// crds says which of Karpenter's CRDs the run changed, and from which version.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	CRDs []CRDChange `json:"crds,omitempty"`

	// failure is the phase that failed, if one did.
	// +optional
	Failure *Failure `json:"failure,omitempty"`

	// canary says what the canary proved.
	// +optional
	Canary *CanaryStatus `json:"canary,omitempty"`

	// healthySince is since when Verify has found nothing wrong.
	// +optional
	HealthySince *metav1.Time `json:"healthySince,omitempty"`

	// healthySeenAt is when Verify last looked and found nothing wrong. The soak begins anew when it could not look for a while.
	// +optional
	HealthySeenAt *metav1.Time `json:"healthySeenAt,omitempty"`

	// conditions follow kstatus (Ready, Reconciling, Stalled) and say what else holds.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// startedAt is when the run left Preflight for its first change.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when the run ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}

// RunPhase is where a run is.
type RunPhase string

// Where a run is beside the phases of the plan.
const (
	// RunPending has not been looked at yet.
	RunPending RunPhase = "Pending"
	// RunQueued waits for another run to end.
	RunQueued RunPhase = "Queued"
	// RunPlanned has a plan that was checked, has changed nothing, and waits: for spec.mode: Run, for approval, or for a window.
	RunPlanned RunPhase = "Planned"
	// RunPaused stands still, by spec.mode or because a phase failed and spec.onFailure is Pause.
	RunPaused RunPhase = "Paused"
	// RunSucceeded ended at the target version.
	RunSucceeded RunPhase = "Succeeded"
	// RunRollingBack goes back to the rollback floor.
	RunRollingBack RunPhase = "RollingBack"
	// RunRolledBack is back at the rollback floor.
	RunRolledBack RunPhase = "RolledBack"
	// RunAborting takes its marks back.
	RunAborting RunPhase = "Aborting"
	// RunAborted has taken its marks back and does nothing more.
	RunAborted RunPhase = "Aborted"
)

// PhaseName names a phase of the plan.
//
// +kubebuilder:validation:Enum=Preflight;Backup;Freeze;Tag;Hops;Install;Handover;NodePools;Canary;Migrate;Verify;Cleanup
type PhaseName string

// The phases, in order.
const (
	// PhasePreflight looks at the cluster, checks it and makes the plan.
	PhasePreflight PhaseName = "Preflight"
	// PhaseBackup saves what the run may change.
	PhaseBackup PhaseName = "Backup"
	// PhaseFreeze keeps Karpenter from disrupting blue nodes by itself.
	PhaseFreeze PhaseName = "Freeze"
	// PhaseTag puts the discovery tag on subnets and security groups that lack it.
	PhaseTag PhaseName = "Tag"
	// PhaseHops takes the original release, in place, through the versions at which the way to the target has to stop; with the
	// strategy InPlace to the target too.
	PhaseHops PhaseName = "Hops"
	// PhaseInstall installs the CRDs and the green release, as a standby.
	PhaseInstall PhaseName = "Install"
	// PhaseHandover stops blue and lets green lead.
	PhaseHandover PhaseName = "Handover"
	// PhaseNodePools makes the green NodePools and EC2NodeClasses.
	PhaseNodePools PhaseName = "NodePools"
	// PhaseCanary proves that green can launch a node and run a pod on it.
	PhaseCanary PhaseName = "Canary"
	// PhaseMigrate moves the workloads and removes the blue nodes.
	PhaseMigrate PhaseName = "Migrate"
	// PhaseVerify watches the cluster for a while.
	PhaseVerify PhaseName = "Verify"
	// PhaseCleanup upgrades the original release in place and removes green's release, blue's NodePools and all marks.
	PhaseCleanup PhaseName = "Cleanup"
)

// StepState is how far a phase is.
//
// +kubebuilder:validation:Enum=Pending;Running;Done;Skipped;Failed;Undoing;Undone
type StepState string

// How far a phase is.
const (
	// StepPending has not begun.
	StepPending StepState = "Pending"
	// StepRunning has begun.
	StepRunning StepState = "Running"
	// StepDone has reached its end.
	StepDone StepState = "Done"
	// StepSkipped had nothing to do.
	StepSkipped StepState = "Skipped"
	// StepFailed cannot reach its end.
	StepFailed StepState = "Failed"
	// StepUndoing is being taken back.
	StepUndoing StepState = "Undoing"
	// StepUndone has been taken back.
	StepUndone StepState = "Undone"
)

// Step is one phase of the run.
type Step struct {
	// phase of the plan.
	// +required
	Phase PhaseName `json:"phase"`

	// state is how far the phase is.
	// +required
	State StepState `json:"state"`

	// startedAt is when the phase began, or was tried again after it had failed; deadlines count from here, also across restarts
	// of the operator.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// endedAt is when the phase reached its end, failed or was taken back.
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`

	// undoStartedAt is when taking the phase back began.
	// +optional
	UndoStartedAt *metav1.Time `json:"undoStartedAt,omitempty"`

	// heldSince is since when the phase has stood still for a person: paused, or blocked until somebody does something.
	// +optional
	HeldSince *metav1.Time `json:"heldSince,omitempty"`

	// heldFor is how long the phase stood still before that. Standing still does not count against a phase's deadline.
	// +optional
	HeldFor *metav1.Duration `json:"heldFor,omitempty"`

	// attempts counts the errors in a row that were retried.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// retryAt is when the next attempt is due after an error.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`

	// reason is a CamelCase word for what the phase last did or waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what the phase last did or waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// NodeCounts counts the nodes to move.
type NodeCounts struct {
	// total is how many nodes the run has to move; nodes that join blue NodePools later count too.
	// +optional
	Total int32 `json:"total"`

	// done is how many are gone.
	// +optional
	Done int32 `json:"done"`

	// inProgress is how many are being emptied.
	// +optional
	InProgress int32 `json:"inProgress"`

	// blocked is how many of those cannot be emptied now.
	// +optional
	Blocked int32 `json:"blocked"`

	// progress is done/total, for printing.
	// +optional
	Progress string `json:"progress,omitempty"`
}

// Severity of a finding.
//
// +kubebuilder:validation:Enum=Blocker;Warning;Info
type Severity string

const (
	// SeverityBlocker stops the run before it changes anything.
	SeverityBlocker Severity = "Blocker"
	// SeverityWarning will be felt, and does not stop the run.
	SeverityWarning Severity = "Warning"
	// SeverityInfo is good to know.
	SeverityInfo Severity = "Info"
)

// Finding is one thing that Preflight found.
type Finding struct {
	// code identifies the kind of finding.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Code string `json:"code"`

	// severity of the finding.
	// +required
	Severity Severity `json:"severity"`

	// objects it is about, as Kind/name or Kind/namespace/name, or as a field of this object's spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Objects []string `json:"objects,omitempty"`

	// why it matters for this run.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Why string `json:"why"`

	// fix is the command or change that resolves it.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Fix string `json:"fix"`

	// waived is the reason of the waiver in spec.waivers that covers it. It stands in no way then.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Waived string `json:"waived,omitempty"`
}

// Blocks says that the finding keeps the run from its first change.
func (f *Finding) Blocks() bool { return f.Severity == SeverityBlocker && f.Waived == "" }

// Blocker is what keeps a node from being emptied, or further nodes from beginning.
type Blocker struct {
	// node that cannot be emptied; empty for a pod that waits for a node and so keeps further nodes from beginning.
	// +required
	Node string `json:"node"`

	// pod that stays, as namespace/name.
	// +optional
	Pod string `json:"pod,omitempty"`

	// reason is a CamelCase word for why.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`

	// message names the object in the way and what resolves it.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`

	// since is when it was first seen.
	// +required
	Since metav1.Time `json:"since"`
}

// NamespaceTurn is whose turn it is while namespaces move one after the other.
type NamespaceTurn struct {
	// namespace whose pods move; empty for all that spec.migration.order.namespaces does not name.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// since is when its turn began.
	// +required
	Since metav1.Time `json:"since"`
}

// Failure is a phase that failed.
type Failure struct {
	// phase that failed.
	// +required
	Phase PhaseName `json:"phase"`

	// reason is a CamelCase word for why.
	// +required
	Reason string `json:"reason"`

	// message says what failed.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`

	// at is when it failed.
	// +required
	At metav1.Time `json:"at"`
}

// CanaryStatus is what the canary proved.
type CanaryStatus struct {
	// provedAt is when a pod was Ready on a node that the new controller launched, for every EC2NodeClass.
	// +optional
	ProvedAt *metav1.Time `json:"provedAt,omitempty"`

	// nodes are the nodes that it was proved on.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	Nodes []string `json:"nodes,omitempty"`
}

// Backup says where the backup is.
type Backup struct {
	// namespace and name of the first of the Secrets that hold the backup; the others are named name-1, name-2, …
	// +required
	Namespace string `json:"namespace"`
	// +required
	Name string `json:"name"`

	// chunks is how many Secrets there are.
	// +required
	Chunks int32 `json:"chunks"`

	// digest of the whole backup: sha256:hex.
	// +required
	Digest string `json:"digest"`

	// objects is how many objects it holds.
	// +required
	Objects int32 `json:"objects"`

	// bytes is its compressed size.
	// +required
	Bytes int64 `json:"bytes"`
}

// ResourceTag is a tag on a resource in AWS.
type ResourceTag struct {
	// resource is the id of the subnet or security group.
	// +required
	Resource string `json:"resource"`

	// key of the tag.
	// +required
	Key string `json:"key"`

	// value of the tag.
	// +required
	Value string `json:"value"`
}

// CRDChange is a CRD that the run created or changed.
type CRDChange struct {
	// name of the CRD.
	// +required
	Name string `json:"name"`

	// uid of the CRD when it was last seen.
	// +optional
	UID types.UID `json:"uid,omitempty"`

	// created says that the run created it.
	// +optional
	Created bool `json:"created,omitempty"`
}
