package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Mode says what the operator is to do with a run.
//
// +kubebuilder:validation:Enum=Plan;Run;Pause;Abort;Rollback
type Mode string

const (
	// ModePlan makes the plan and checks it. It writes nothing but this object's status.
	ModePlan Mode = "Plan"
	// ModeRun carries the plan out.
	ModeRun Mode = "Run"
	// ModePause starts nothing new and keeps everything as it is, marks included.
	ModePause Mode = "Pause"
	// ModeAbort starts nothing new and takes the operator's marks back. Releases, NodePools and nodes stay as they are.
	ModeAbort Mode = "Abort"
	// ModeRollback goes back to the rollback floor that the plan states.
	ModeRollback Mode = "Rollback"
)

// Strategy says how the controller is replaced.
//
// +kubebuilder:validation:Enum=BlueGreen;InPlace
type Strategy string

const (
	// StrategyBlueGreen installs the new release beside the old one as a standby of the same Lease, hands the Lease over, and
	// moves workloads from the old (blue) NodePools to new (green) ones.
	StrategyBlueGreen Strategy = "BlueGreen"
	// StrategyInPlace upgrades the release where it is, while the nodes are frozen. The NodePools stay; what happens to their
	// nodes afterwards is what spec.nodes says.
	StrategyInPlace Strategy = "InPlace"
)

// NodesPolicy says what happens to the nodes.
//
// +kubebuilder:validation:Enum=Replace;Keep
type NodesPolicy string

const (
	// NodesReplace moves all workloads to nodes that the new controller launched, and removes the old ones.
	NodesReplace NodesPolicy = "Replace"
	// NodesKeep replaces no node.
	NodesKeep NodesPolicy = "Keep"
)

// KarpenterUpgradeSpec is what the user wants.
//
// +kubebuilder:validation:XValidation:rule="oldSelf.mode != 'Abort' || self.mode == 'Abort'",message="spec.mode: an aborted run cannot be continued; create a new object"
// +kubebuilder:validation:XValidation:rule="oldSelf.mode != 'Rollback' || self.mode in ['Rollback', 'Pause', 'Abort']",message="spec.mode: a run that rolls back cannot run forward again; create a new object"
// +kubebuilder:validation:XValidation:rule="self.nodes != 'Keep' || self.strategy == 'InPlace'",message="spec.nodes: Keep needs spec.strategy: InPlace: BlueGreen is about new nodes"
// +kubebuilder:validation:XValidation:rule="self.strategy != 'InPlace' || !has(self.target.namespace)",message="spec.target.namespace needs spec.strategy: BlueGreen: a release cannot be upgraded in place and move"
// +kubebuilder:validation:XValidation:rule="self.strategy != 'InPlace' || !has(self.nodePools)",message="spec.nodePools needs spec.strategy: BlueGreen: in place, the NodePools stay as they are"
type KarpenterUpgradeSpec struct {
	// mode says what to do with the run: Plan, Run, Pause, Abort or Rollback. Plan writes nothing but status.
	// +optional
	// +kubebuilder:default=Plan
	Mode Mode `json:"mode,omitempty"`

	// target is what to upgrade to.
	// +required
	Target Target `json:"target"`

	// source names the release to upgrade. Left out, the one Karpenter release in the cluster is found by itself.
	// +optional
	Source *Source `json:"source,omitempty"`

	// strategy says how the controller is replaced. Versions at which the way to the target has to stop are reached in place
	// with either; the strategy is that of the last one.
	// +optional
	// +kubebuilder:default=BlueGreen
	Strategy Strategy `json:"strategy,omitempty"`

	// nodes says what happens to the nodes: Replace moves all workloads to nodes that the new controller launched; Keep, which needs
	// the strategy InPlace, replaces none.
	// +optional
	// +kubebuilder:default=Replace
	Nodes NodesPolicy `json:"nodes,omitempty"`

	// aws gives the run access to AWS, with the operator's own credentials. Left out, nothing in AWS is read or written
	// and the phase Tag is skipped.
	// +optional
	AWS *AWS `json:"aws,omitempty"`

	// nodePools says which NodePools are replaced and how the green ones differ from the blue ones.
	// +optional
	NodePools *NodePools `json:"nodePools,omitempty"`

	// canary configures the proof, before any workload moves, that the new controller can launch a node and run a pod on it.
	// +optional
	// +kubebuilder:default={}
	Canary Canary `json:"canary,omitempty"`

	// migration configures how workloads move from blue nodes to green ones. It may be changed while the run goes on.
	// +optional
	// +kubebuilder:default={}
	Migration Migration `json:"migration,omitempty"`

	// verify configures the soak after the migration.
	// +optional
	// +kubebuilder:default={}
	Verify Verify `json:"verify,omitempty"`

	// approval says what waits for a person. It may be changed while the run goes on.
	// +optional
	// +kubebuilder:default={}
	Approval Approval `json:"approval,omitempty"`

	// windows are the times in which the run may begin something new: a phase, or to empty a further node. What has begun is brought to its
	// end. Left out, it may at any time. Going back does not wait for a window. They may be changed while the run goes on.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Windows []Window `json:"windows,omitempty"`

	// waivers take findings of Preflight into account that the user accepts. A Blocker without a waiver stops the run before any write.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Waivers []Waiver `json:"waivers,omitempty"`

	// onFailure says what happens when a phase fails: Rollback goes back to the rollback floor, Pause keeps everything as it
	// is and waits for a change of spec.mode.
	// +optional
	// +kubebuilder:default=Rollback
	// +kubebuilder:validation:Enum=Rollback;Pause
	OnFailure FailurePolicy `json:"onFailure,omitempty"`
}

// FailurePolicy says what happens when a phase fails.
type FailurePolicy string

const (
	// FailurePolicyRollback goes back to the rollback floor.
	FailurePolicyRollback FailurePolicy = "Rollback"
	// FailurePolicyPause keeps everything as it is and waits for a change of spec.mode.
	FailurePolicyPause FailurePolicy = "Pause"
)

// Target is what to upgrade to.
type Target struct {
	// version is the Karpenter release to end at, for example 1.14.1.
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+[.][0-9]+[.][0-9]+$')",message="spec.target.version must be a release such as 1.14.1: three numbers, without a leading v"
	Version string `json:"version"`

	// namespace to move the release to. Left out, it stays where it is.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="spec.target.namespace must be the name of a namespace, such as kube-system"
	Namespace string `json:"namespace,omitempty"`

	// stops are the releases to stop at where the way to the target has to stop, for registries that do not hold the newest patch
	// releases. Left out, a stop is made at the newest good patch release that is known.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=32
	Stops []string `json:"stops,omitempty"`

	// chart says where the charts karpenter and karpenter-crd come from.
	// +optional
	// +kubebuilder:default={}
	Chart Chart `json:"chart,omitempty"`

	// values are Helm values for the new release. They are merged over the values that are carried over from the release
	// being upgraded; null removes a key.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Values *apiextensionsv1.JSON `json:"values,omitempty"`
}

// Chart says where the charts come from.
type Chart struct {
	// repository is the OCI repository that holds the charts karpenter and karpenter-crd.
	// +optional
	// +kubebuilder:default="oci://public.ecr.aws/karpenter"
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^oci://[^/ ]+(/[^ ]+)?$')",message="spec.target.chart.repository must be an OCI repository such as oci://public.ecr.aws/karpenter (charts.karpenter.sh ends at 0.16.3)"
	Repository string `json:"repository,omitempty"`

	// digest pins the chart karpenter: the run stops in Preflight when the registry serves another one.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="spec.target.chart.digest must be sha256: followed by 64 hexadecimal digits"
	// +kubebuilder:validation:MaxLength=80
	Digest string `json:"digest,omitempty"`

	// plainHTTP talks to the registry without TLS.
	// +optional
	PlainHTTP bool `json:"plainHTTP,omitempty"`
}

// Source names the release to upgrade.
type Source struct {
	// namespace of the Helm release karpenter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// release is the name of the Helm release of the chart karpenter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=53
	Release string `json:"release"`
}

// AWS gives the run access to AWS. Credentials come from the operator's own environment (EKS Pod Identity, IRSA).
type AWS struct {
	// region of the cluster. Left out, the operator's environment decides.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Region string `json:"region,omitempty"`

	// clusterName is the name of the EKS cluster. Left out, the name that Karpenter is configured with.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	ClusterName string `json:"clusterName,omitempty"`

	// discoveryTag is put on subnets and on the cluster's security groups that lack it. An existing tag is never changed,
	// and nothing is ever tagged but subnets and security groups.
	// +optional
	// +kubebuilder:default={}
	DiscoveryTag DiscoveryTag `json:"discoveryTag,omitempty"`
}

// SubnetSource says which subnets belong to the cluster.
//
// +kubebuilder:validation:Enum=NodeClass;NodeGroups;VPC
type SubnetSource string

const (
	// SubnetsOfNodeClasses are the subnets that the EC2NodeClasses resolved, as their status says.
	SubnetsOfNodeClasses SubnetSource = "NodeClass"
	// SubnetsOfNodeGroups are the subnets of the cluster's managed node groups.
	SubnetsOfNodeGroups SubnetSource = "NodeGroups"
	// SubnetsOfVPC are all subnets of the cluster's VPC.
	SubnetsOfVPC SubnetSource = "VPC"
)

// DiscoveryTag is the tag by which EC2NodeClasses find subnets and security groups.
type DiscoveryTag struct {
	// key of the tag. Keys that make Karpenter adopt or terminate instances are refused.
	// +optional
	// +kubebuilder:default="karpenter.sh/discovery"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!(self in ['karpenter.sh/nodepool', 'karpenter.sh/nodeclaim', 'karpenter.sh/provisioner-name', 'karpenter.sh/managed-by', 'karpenter.k8s.aws/ec2nodeclass', 'eks:eks-cluster-name']) && !self.startsWith('kubernetes.io/cluster') && !self.startsWith('aws:')",message="spec.aws.discoveryTag.key must not be a key by which Karpenter owns instances or AWS owns resources: use karpenter.sh/discovery or a key of your own"
	Key string `json:"key,omitempty"`

	// value of the tag. Left out, the cluster's name.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Value string `json:"value,omitempty"`

	// subnets says which subnets get the tag.
	// +optional
	// +kubebuilder:default=NodeClass
	Subnets SubnetSource `json:"subnets,omitempty"`
}

// NodePools says which NodePools are replaced and how the green ones differ from the blue ones.
type NodePools struct {
	// suffix is appended to the names of the NodePools and EC2NodeClasses to name their green copies.
	// Left out, it is made from the target version: general becomes general-v1-14-1.
	// +optional
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^-[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="spec.nodePools.suffix must begin with a dash and hold only a-z, 0-9 and dashes, for example -green"
	Suffix string `json:"suffix,omitempty"`

	// exclude names NodePools that are not replaced: their nodes stay, under the new controller.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Exclude []string `json:"exclude,omitempty"`

	// overrides change green NodePools.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Overrides []Override `json:"overrides,omitempty"`

	// nodeClassOverrides change green EC2NodeClasses, for example their AMI family.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	NodeClassOverrides []Override `json:"nodeClassOverrides,omitempty"`

	// keepBlue leaves the blue NodePools and EC2NodeClasses in place after the run, without nodes and below the green ones
	// in weight, for clusters whose Git would bring them back.
	// +optional
	KeepBlue bool `json:"keepBlue,omitempty"`
}

// Override changes the green copy of one object.
//
// +kubebuilder:validation:XValidation:rule="has(self.patch) || has(self.greenName)",message="an override needs a patch or a greenName"
type Override struct {
	// name of the blue object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// greenName names the green object. Left out, the blue name with the suffix.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="greenName must be a DNS subdomain: a-z, 0-9, dashes and dots"
	GreenName string `json:"greenName,omitempty"`

	// patch is a JSON merge patch (RFC 7386) on the object's spec; null removes a field.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Patch *apiextensionsv1.JSON `json:"patch,omitempty"`
}

// Canary configures the proof that the new controller can launch a node and run a pod on it.
type Canary struct {
	// image that the canary pod runs. It must start without arguments and keep running.
	// +optional
	// +kubebuilder:default="registry.k8s.io/pause:3.10"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// requests are the canary pod's resource requests.
	// +optional
	// +kubebuilder:default={cpu: "100m", memory: "64Mi"}
	Requests corev1.ResourceList `json:"requests,omitempty"`

	// timeout is how long the canary may take, from its creation to a Ready pod on a node launched by the new controller.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="spec.canary.timeout must be a duration between 10s and 24h, such as 10m"
	Timeout metav1.Duration `json:"timeout,omitempty"`
}

// SingletonPolicy says how a workload moves that has no replica to spare.
//
// +kubebuilder:validation:Enum=SurgeRestart;Evict;Wait
type SingletonPolicy string

const (
	// SingletonSurgeRestart restarts the Deployment, whose own surge starts the new pod before the old one stops.
	// Where the Deployment cannot surge, or mounts a PersistentVolumeClaim, the pod is evicted if its PodDisruptionBudget allows it.
	SingletonSurgeRestart SingletonPolicy = "SurgeRestart"
	// SingletonEvict evicts the pod if its PodDisruptionBudget allows it.
	SingletonEvict SingletonPolicy = "Evict"
	// SingletonWait leaves the pod alone: its node waits until somebody moves it.
	SingletonWait SingletonPolicy = "Wait"
)

// BarePodPolicy says what happens to pods without a controller, which nobody starts again.
//
// +kubebuilder:validation:Enum=Wait;Evict
type BarePodPolicy string

const (
	// BarePodWait leaves the pod alone: its node waits until somebody deletes it.
	BarePodWait BarePodPolicy = "Wait"
	// BarePodEvict evicts the pod. It is lost.
	BarePodEvict BarePodPolicy = "Evict"
)

// Migration configures how workloads move from blue nodes to green ones.
type Migration struct {
	// order says what moves first. Left out, nodes move NodePool by NodePool, oldest node first.
	// +optional
	Order *MigrationOrder `json:"order,omitempty"`

	// maxUnavailable is how many blue nodes may be emptied at the same time: a number, or a percentage of the nodes of the
	// run, rounded up. A node on which all that is left waits for a person does not count. With order.namespaces all blue
	// nodes are emptied at once, of one namespace, and this is not looked at.
	// +optional
	// +kubebuilder:default="10%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == string ? self.matches('^([1-9][0-9]?|100)%$') : self >= 1",message="spec.migration.maxUnavailable must be a number of at least 1 or a percentage between 1% and 100%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// singletons says how Deployments move that have one replica, or whose PodDisruptionBudget allows no disruption.
	// +optional
	// +kubebuilder:default=SurgeRestart
	Singletons SingletonPolicy `json:"singletons,omitempty"`

	// barePods says what happens to pods without a controller.
	// +optional
	// +kubebuilder:default=Wait
	BarePods BarePodPolicy `json:"barePods,omitempty"`

	// doNotDisruptTimeout is how long a pod annotated karpenter.sh/do-not-disrupt keeps its node, from when the node begins to be
	// emptied, or with order.namespaces from when the turn of the pod's namespace begins, if that is later. After it the pod
	// is evicted, within its PodDisruptionBudget. Left out, it keeps it for ever and the node is reported as blocked.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s')",message="spec.migration.doNotDisruptTimeout must be a duration such as 30m"
	DoNotDisruptTimeout *metav1.Duration `json:"doNotDisruptTimeout,omitempty"`

	// stallTimeout is how long pods may be Pending for want of a node before the migration starts no further node. Pods count
	// whose workload was there when Migrate began and that came since, unless they demand a NodePool that is not replaced.
	// +optional
	// +kubebuilder:default="2m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('5s')",message="spec.migration.stallTimeout must be a duration of at least 5s, such as 2m"
	StallTimeout metav1.Duration `json:"stallTimeout,omitempty"`
}

// MigrationOrder says what moves first: nodes or namespaces.
//
// +kubebuilder:validation:XValidation:rule="has(self.nodes) != has(self.namespaces)",message="spec.migration.order needs exactly one of nodes and namespaces"
type MigrationOrder struct {
	// nodes moves node after node.
	// +optional
	Nodes *NodeOrder `json:"nodes,omitempty"`

	// namespaces moves the pods of one namespace after the other off the blue nodes, in this order; namespaces that are not
	// named follow together. A namespace begins when the one before it has left the blue nodes. Its pods leave all blue nodes at
	// the same time, within their budgets: maxUnavailable does not bound it, and nodes of controllers do not go last.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`
}

// NodeOrder orders nodes.
type NodeOrder struct {
	// pools orders the NodePools; those that are not named follow by name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Pools []string `json:"pools,omitempty"`
}

// Verify configures the soak after the migration.
type Verify struct {
	// soak is how long the cluster must look healthy after the migration before Cleanup begins.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('168h')",message="spec.verify.soak must be a duration between 0s and 168h, such as 5m"
	Soak metav1.Duration `json:"soak,omitempty"`
}
