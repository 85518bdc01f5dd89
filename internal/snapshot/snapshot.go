package snapshot

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// Snapshot is what was seen of a cluster at one time. What could not be read is missing, and named in Problems: an empty
// list without a Problem means that there is nothing.
type Snapshot struct {
	TakenAt time.Time
	// Kubernetes is the API server's version, such as v1.36.3.
	Kubernetes string
	// Installations of Karpenter's controller, by namespace and name.
	Installations []Installation
	// CRDs of Karpenter, by name.
	CRDs []apiextensionsv1.CustomResourceDefinition
	// CRDReleases are the Helm releases of the chart karpenter-crd.
	CRDReleases []Release
	// GreenRelease is the release that stands where the second release would go; nil when there is none.
	GreenRelease *Release
	// Destination is the namespace that the release moves to; nil when it stays where it is.
	Destination *Destination
	// NodePools and NodeClasses (EC2NodeClasses) as karpenter.sh/v1 and karpenter.k8s.aws/v1, by name.
	NodePools   []unstructured.Unstructured
	NodeClasses []unstructured.Unstructured
	// Nodes that carry the label karpenter.sh/nodepool.
	Nodes []Node
	// NodeClaims of all NodePools.
	NodeClaims []NodeClaim
	// Workloads, by kind, namespace and name.
	Workloads []Workload
	// Pods that a run may have to move, and Budgets that it has to keep.
	Pods    []Pod
	Budgets []Budget
	// Volumes that pods mount and that not every node can reach.
	Volumes []Volume
	// Leaders are the pods that lead a Karpenter release now, by namespace.
	Leaders []Leader
	// AWS is what the phase Tag would change there; nil where the run has no access to AWS.
	AWS *AWS
	// Platform is what surrounds Karpenter.
	Platform Platform
	// Target is the release to upgrade to, as the registry serves it.
	Target Target
	// Stops are the versions on the way to the target at which the run stops, in order, as the registry serves them.
	Stops []Stop
	// Losses are what of NodePools and EC2NodeClasses that are served as v1beta1 only has no place in v1.
	Losses []convert.Loss
	// Splits are, by the name that they will have, EC2NodeClasses that the run splits from others before its last hop. Only plans know
	// them.
	Splits map[string]string
	// Conversions are the webhooks that convert Karpenter's CRDs, by CRD.
	Conversions []Conversion
	// ActiveRuns are the names of other runs that have begun and not ended.
	ActiveRuns []string
	// Missing are the permissions that the operator lacks to create what the target's chart creates.
	Missing []string
	// MissingForHelm are those that it lacks to write the objects of both releases, each with the object.
	MissingForHelm []string
	// Problems are what could not be read.
	Problems []Problem
	// CatalogProblems are what users add to the version catalogue and what was refused.
	CatalogProblems []catalog.Problem
}

// Installation is one Deployment of Karpenter's controller.
type Installation struct {
	Namespace string
	Name      string
	// Labels and Annotations of the Deployment.
	Labels, Annotations map[string]string
	// ManagedFields of the Deployment, which tell who writes it.
	ManagedFields []metav1.ManagedFieldsEntry
	// Version of the controller, from the chart's label app.kubernetes.io/version or from the image's tag; empty when
	// neither tells.
	Version string
	Image   string
	// Replicas wanted, and ready.
	Replicas, ReadyReplicas int32
	ServiceAccount          string
	// ClusterName that the controller is configured with.
	ClusterName string
	// ElectionSettings are the settings by which it does not elect its leader as Karpenter does by default, as they are
	// written.
	ElectionSettings []string
	// Release is the Helm release that the Deployment belongs to; nil when Helm does not know it.
	Release *Release
}

// Release is a Helm release.
type Release struct {
	Namespace string
	Name      string
	Chart     string
	Version   string
	Status    string
	Revision  int
	Values    map[string]any
	// Manifest as it was rendered; only of the release to upgrade.
	Manifest string
	// Run is the run of ours that made it; empty for all others.
	Run string
}

// Destination is a namespace that a release moves to.
type Destination struct {
	Namespace string
	// Exists says that there is such a namespace.
	Exists bool
	// Release of the original release's name that stands there; nil when there is none.
	Release *Release
	// Account is the ServiceAccount there of the name that Karpenter runs as; nil when there is none.
	Account *corev1.ServiceAccount
	// Role is the IAM role that the ServiceAccount in the present namespace is bound to by annotation (IRSA); empty where it is not.
	Role string
	// Holds is a kind of object in the present release that must not go with it; empty when there is none.
	Holds string
	// MakesAccount says that the release makes its ServiceAccount, and RunsAs which one it runs as after the run; empty when the
	// target's chart could not be rendered.
	MakesAccount bool
	RunsAs       string
}

// AWS is what the phase Tag would change.
type AWS struct {
	// Key and Value of the tag.
	Key, Value string
	// Untagged are the subnets and security groups that would get it, by their id, with the tags that they have.
	Untagged map[string]map[string]string
	// Error says why that could not be read.
	Error string
}

// Leader is a pod that leads.
type Leader struct {
	Namespace string
	// Lease that it holds, and the Identity that it holds it as.
	Lease    string
	Identity string
	// Release of Karpenter that the pod belongs to; empty when there is no such pod.
	Release string
	// FencedBy is the run that holds the Lease so that nobody leads by it; empty when it is held by somebody else.
	FencedBy string
}

// Node is a node that Karpenter owns.
type Node struct {
	Name     string
	NodePool string
	// NodeClaim that owns it; empty for none. Karpenter sets that when the node registers.
	NodeClaim string
	// Zone, InstanceType and CapacityType as its labels say.
	Zone, InstanceType, CapacityType string
	// Deleted is when its deletion was asked for; zero when it was not.
	Deleted    time.Time
	Finalizers []string
	// DeadAnnotations are those on it that Karpenter no longer reads, by their keys.
	DeadAnnotations []string
}

// Target is the release to upgrade to.
type Target struct {
	Chart    TargetChart
	CRDChart TargetChart
	// Values are the values that the green release would get, without those that make it a standby.
	Values map[string]any
	// UnknownValues are the keys among them that the target's chart does not know.
	UnknownValues []string
	// ValueNotes are what could not be carried over, and what the spec does not decide.
	ValueNotes []values.Note
	// Green are the objects of the second release, and Original those of the release to upgrade once it is at the target.
	Green, Original []unstructured.Unstructured
	// Rules that the target's chart grants to Karpenter, by namespace; those for the whole cluster have none.
	Rules map[string][]rbacv1.PolicyRule
	// ElectionSettings are those of Installation, as the second release would have them.
	ElectionSettings []string
	// CRDs of the target.
	CRDs []apiextensionsv1.CustomResourceDefinition
	// RenderError says why the target's chart cannot be rendered with these values, and tells none of them.
	RenderError string
}

// Stop is a version on the way.
type Stop struct {
	Version  string
	Chart    TargetChart
	CRDChart TargetChart
	// Objects of the original release at that version, and the Rules that its chart grants to Karpenter, by namespace.
	Objects []unstructured.Unstructured
	Rules   map[string][]rbacv1.PolicyRule
	// CRDs of that version.
	CRDs []apiextensionsv1.CustomResourceDefinition
	// RenderError says why the chart cannot be rendered with the values that are carried over.
	RenderError string
}

// TargetChart is a chart of the target in the registry.
type TargetChart struct {
	// Ref names it: oci://host/path/name:version.
	Ref string
	// Digest of its manifest; empty when it could not be read.
	Digest string
	// Error says why it could not be read; NotFound, that the registry has no such version; Mismatch, that it has another
	// digest than the one asked for.
	Error    string
	NotFound bool
	Mismatch bool
}

// Conversion is the webhook that converts one CRD.
type Conversion struct {
	CRD string
	// Service as namespace/name:port.
	Service string
	// Problem says why it cannot be reached; empty when it can.
	Problem string
}

// Problem is something that could not be read.
type Problem struct {
	// What could not be read, such as nodepools.karpenter.sh.
	What string
	// Error says why.
	Error string
	// Optional says that a run can do without it: only checks would have looked at it.
	Optional bool
}

// CRD is the CRD of a name; nil when there is none.
func (s *Snapshot) CRD(name string) *apiextensionsv1.CustomResourceDefinition {
	for i := range s.CRDs {
		if s.CRDs[i].Name == name {
			return &s.CRDs[i]
		}
	}
	return nil
}

// NodesOf counts the nodes of a NodePool.
func (s *Snapshot) NodesOf(pool string) int32 {
	var n int32
	for _, node := range s.Nodes {
		if node.NodePool == pool {
			n++
		}
	}
	return n
}
