package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Plan is what the run does.
type Plan struct {
	// hash identifies the plan: the same cluster and spec give the same hash.
	// +required
	Hash string `json:"hash"`

	// parts of the plan, each with a hash: what differs between two plans is told by them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Parts []PlanPart `json:"parts,omitempty"`

	// madeAt is when the plan was made.
	// +required
	MadeAt metav1.Time `json:"madeAt"`

	// namespace and release are those of the Helm release being upgraded.
	// +required
	Namespace string `json:"namespace"`
	// +required
	Release string `json:"release"`

	// targetNamespace is where the release is after the run, when it moves to another namespace; empty when it stays.
	// +optional
	TargetNamespace string `json:"targetNamespace,omitempty"`

	// greenRelease is the name of the second release while both exist.
	// +required
	GreenRelease string `json:"greenRelease"`

	// deployment is the name of the blue Deployment, which the greenRelease's has as its own name.
	// +required
	Deployment string `json:"deployment"`

	// serviceAccount is what both releases run as, so that the trust of IAM holds.
	// +required
	ServiceAccount string `json:"serviceAccount"`

	// crdRelease is the Helm release of the chart karpenter-crd, as namespace/name; empty when the CRDs belong to none.
	// +optional
	CRDRelease string `json:"crdRelease,omitempty"`

	// clusterName is the EKS cluster that Karpenter is configured with.
	// +optional
	ClusterName string `json:"clusterName,omitempty"`

	// hops are the versions on the way, the target last.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hops []Hop `json:"hops"`

	// nodesPolicy says what happens to the nodes; empty for Replace.
	// +optional
	NodesPolicy NodesPolicy `json:"nodesPolicy,omitempty"`

	// pools are the NodePools to replace, in the order in which their nodes move.
	// +optional
	// +listType=map
	// +listMapKey=blue
	// +kubebuilder:validation:MaxItems=500
	Pools []PoolPlan `json:"pools,omitempty"`

	// nodeClasses are the EC2NodeClasses to copy.
	// +optional
	// +listType=map
	// +listMapKey=blue
	// +kubebuilder:validation:MaxItems=500
	NodeClasses []NodeClassPlan `json:"nodeClasses,omitempty"`

	// nodes is how many nodes there were to move when the plan was made.
	// +optional
	Nodes int32 `json:"nodes"`

	// rollbackFloor is the phase at whose beginning going back ends to be possible.
	// +required
	RollbackFloor PhaseName `json:"rollbackFloor"`

	// irreversible says what a rollback does not bring back.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Irreversible []string `json:"irreversible,omitempty"`
}

// Hop is one version on the way.
type Hop struct {
	// version that the hop ends at.
	// +required
	Version string `json:"version"`

	// strategy of the hop.
	// +required
	Strategy Strategy `json:"strategy"`

	// chartDigest and crdChartDigest are the digests of the charts karpenter and karpenter-crd that Preflight saw; the run
	// installs these and no others.
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// +optional
	CRDChartDigest string `json:"crdChartDigest,omitempty"`

	// preconditions are what must hold before the hop begins.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Preconditions []string `json:"preconditions,omitempty"`

	// changes are what the hop changes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Changes []string `json:"changes,omitempty"`

	// storedVersion is the API version in which every object has to be stored when the hop ends; empty when nothing has to be
	// rewritten.
	// +optional
	StoredVersion string `json:"storedVersion,omitempty"`

	// rollbackTo is the version at which a rollback ends that is asked for during or after this hop; empty when there is no way
	// back.
	// +optional
	RollbackTo string `json:"rollbackTo,omitempty"`

	// pointOfNoReturn says what in this hop cannot be taken back; empty when all can.
	// +optional
	PointOfNoReturn string `json:"pointOfNoReturn,omitempty"`
}

// HopStatus is how far one version on the way is.
type HopStatus struct {
	// version that the hop ends at.
	// +required
	Version string `json:"version"`

	// from is the version that the hop begins at.
	// +required
	From string `json:"from"`

	// state is how far the hop is.
	// +required
	State StepState `json:"state"`

	// revision is the Helm revision of the original release before the hop.
	// +optional
	Revision int32 `json:"revision,omitempty"`

	// crdRevision is the Helm revision of the release of the CRDs before the hop; 0 when the CRDs belong to none.
	// +optional
	CRDRevision int32 `json:"crdRevision,omitempty"`

	// storage is how far rewriting the stored objects is.
	// +optional
	// +listType=map
	// +listMapKey=crd
	// +kubebuilder:validation:MaxItems=16
	Storage []StorageStatus `json:"storage,omitempty"`

	// startedAt is when the hop began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// endedAt is when the hop was done, or taken back.
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`
}

// StorageStatus is how far rewriting the objects of one CRD is.
type StorageStatus struct {
	// crd is the name of the CustomResourceDefinition.
	// +required
	CRD string `json:"crd"`

	// version that the objects are being rewritten in.
	// +required
	Version string `json:"version"`

	// startedAt is when it was first seen that the CRD stores new objects in this version. Rewriting begins some seconds later,
	// when every API server knows.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// state is Running while objects are rewritten and Done when a whole pass has found every object stored in this version.
	// +required
	State StepState `json:"state"`

	// continue is where the pass goes on; empty at its beginning.
	// +optional
	Continue string `json:"continue,omitempty"`

	// pass counts the passes over all objects, from 1. The last one finds nothing to rewrite.
	// +optional
	Pass int32 `json:"pass,omitempty"`

	// seen is how many objects the pass has looked at, and rewritten how many of them had to be written.
	// +optional
	Seen int32 `json:"seen,omitempty"`
	// +optional
	Rewritten int32 `json:"rewritten,omitempty"`
}

// PoolPlan is one NodePool to replace.
type PoolPlan struct {
	// blue is the NodePool that is replaced.
	// +required
	Blue string `json:"blue"`

	// green is the NodePool that replaces it.
	// +required
	Green string `json:"green"`

	// nodeClass is the EC2NodeClass of the green NodePool.
	// +required
	NodeClass string `json:"nodeClass"`

	// weight of the green NodePool while both exist, higher than that of every blue one.
	// +required
	Weight int32 `json:"weight"`

	// nodes is how many nodes the blue NodePool had when the plan was made.
	// +optional
	Nodes int32 `json:"nodes"`
}

// NodeClassPlan is one EC2NodeClass to copy.
type NodeClassPlan struct {
	// blue is the EC2NodeClass that is copied.
	// +required
	Blue string `json:"blue"`

	// green is its copy.
	// +required
	Green string `json:"green"`

	// copyOf is the EC2NodeClass that blue is split from, because NodePools that shared it differ in their kubelet settings; empty
	// for none. Overrides of copyOf hold for blue too, unless it has its own.
	// +optional
	CopyOf string `json:"copyOf,omitempty"`

	// canaryPool is the green NodePool whose requirements the canary of this copy takes.
	// +optional
	CanaryPool string `json:"canaryPool,omitempty"`
}
