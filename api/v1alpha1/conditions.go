package v1alpha1

// Condition types. Ready, Reconciling and Stalled follow kstatus: a run is Ready when it succeeded; while it goes on it is
// Reconciling; when it cannot go on without a person it is Stalled. The last two exist only while they hold.
const (
	// ConditionReady is True when the run succeeded.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the run goes on by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the run cannot go on without a person.
	ConditionStalled = "Stalled"
	// ConditionPreflightPassed is True when no finding blocks the plan.
	ConditionPreflightPassed = "PreflightPassed"
	// ConditionRollbackPossible is True as long as spec.mode: Rollback leads back.
	ConditionRollbackPossible = "RollbackPossible"
	// ConditionPaused is True while the run stands still by spec.mode or by spec.onFailure.
	ConditionPaused = "Paused"
)

// Reasons of conditions that are not those of a phase.
const (
	// ReasonProgressing is the reason of a run that goes on.
	ReasonProgressing = "Progressing"
	// ReasonSucceeded is the reason of a run that ended well.
	ReasonSucceeded = "Succeeded"
	// ReasonPlanned is the reason of a run that waits for spec.mode: Run.
	ReasonPlanned = "Planned"
	// ReasonQueued is the reason of a run that waits for another run.
	ReasonQueued = "Queued"
	// ReasonAwaitingApproval is the reason of a run that waits for a person to approve its plan, or to open a gate.
	ReasonAwaitingApproval = "AwaitingApproval"
	// ReasonOutsideWindow is the reason of a run that waits for a window to open.
	ReasonOutsideWindow = "OutsideWindow"
	// ReasonPaused is the reason of a run that was paused.
	ReasonPaused = "Paused"
	// ReasonPhaseFailed is the reason of a run one of whose phases failed.
	ReasonPhaseFailed = "PhaseFailed"
	// ReasonPreflightBlocked is the reason of a run that has blocking findings.
	ReasonPreflightBlocked = "PreflightBlocked"
	// ReasonPreflightPassed is the reason of a run without blocking findings.
	ReasonPreflightPassed = "PreflightPassed"
	// ReasonRolledBack is the reason of a run that went back.
	ReasonRolledBack = "RolledBack"
	// ReasonAborted is the reason of a run that was aborted.
	ReasonAborted = "Aborted"
	// ReasonNothingChanged is the reason of a run that has changed nothing yet.
	ReasonNothingChanged = "NothingChanged"
	// ReasonBeforeFloor is the reason of a run that has not reached its rollback floor.
	ReasonBeforeFloor = "BeforeRollbackFloor"
	// ReasonPermissionDenied is the reason of a run that lacks a permission.
	ReasonPermissionDenied = "PermissionDenied"
	// ReasonTagBlocked is the reason of a run whose spec lacks what it takes to talk to AWS.
	ReasonTagBlocked = "TagBlocked"
	// ReasonNodesBlocked is the reason of a migration in which every node that is left is blocked.
	ReasonNodesBlocked = "NodesBlocked"
	// ReasonVerifyBlocked is the reason of a run whose soak does not come to its end: a person decides how it goes on.
	ReasonVerifyBlocked = "VerifyBlocked"
	// ReasonCleanupBlocked is the reason of a run whose Cleanup waits for a person: there is no way back from it.
	ReasonCleanupBlocked = "CleanupBlocked"
	// ReasonInterference is the reason of a run that waits because somebody undoes what it keeps up.
	ReasonInterference = "Interference"
	// ReasonUndoFailed is the reason of a run that cannot take a phase back, and keeps trying.
	ReasonUndoFailed = "UndoFailed"
	// ReasonEnded is the reason of a run that has ended.
	ReasonEnded = "Ended"
	// ReasonFloorPassed is the reason of a run that has passed its rollback floor.
	ReasonFloorPassed = "RollbackFloorPassed"
)

// Marks that the operator leaves on objects of others while a run goes on. All of them are taken back at its end, whatever
// the end is; an object without a key of this prefix is an object that the operator has nothing left to do with.
const (
	// MarkPrefix is the prefix of every label and annotation of the operator.
	MarkPrefix = "karpenter-upgrade.dev/"

	// LabelRun names the run that made an object.
	LabelRun = MarkPrefix + "run"

	// AnnotationFrozenBy names the run that put karpenter.sh/do-not-disrupt on a Node which had none.
	AnnotationFrozenBy = MarkPrefix + "frozen-by"

	// AnnotationCordonedBy names the run that made a Node unschedulable which was schedulable.
	AnnotationCordonedBy = MarkPrefix + "cordoned-by"

	// AnnotationDrainingSince is when a run began to empty a Node (RFC 3339).
	AnnotationDrainingSince = MarkPrefix + "draining-since"

	// AnnotationBudgets is the disruption section of a green NodePool as it is to be after the run (JSON).
	AnnotationBudgets = MarkPrefix + "disruption"

	// AnnotationWeight is the weight of a green NodePool as it is to be after the run; empty for none.
	AnnotationWeight = MarkPrefix + "weight"

	// LabelStoppedBy names the run that stopped a Deployment, and its replicas before: run.replicas. It is a label, for
	// Kubernetes copies the annotations of a Deployment to its ReplicaSets, where they would stay.
	LabelStoppedBy = MarkPrefix + "stopped-by"

	// Finalizer keeps a run until its marks are taken back.
	Finalizer = MarkPrefix + "marks"
)
