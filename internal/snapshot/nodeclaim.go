package snapshot

import (
	"time"
)

// TerminatingTooLong is how long a node, or its NodeClaim, may take to terminate before something is taken to keep it: instances take
// a minute or two, volumes that do not detach six.
const TerminatingTooLong = 8 * time.Minute

// Conditions of NodeClaims.
const (
	ConditionLaunched    = "Launched"
	ConditionRegistered  = "Registered"
	ConditionInitialized = "Initialized"
	ConditionDrifted     = "Drifted"
)

// NodeClaim is what checks need of a NodeClaim, whichever version it was read in.
type NodeClaim struct {
	Name string
	// NodePool and NodeClass that it was launched from.
	NodePool, NodeClass string
	// Node that it became; empty until it registers.
	Node    string
	Created time.Time
	// Deleted is when its deletion was asked for; zero when it was not.
	Deleted    time.Time
	Finalizers []string
	// ExpireAfter is how old it may become; 0 for Never. v1beta1 has this on the NodePool, and so does a snapshot of such a claim.
	ExpireAfter time.Duration
	// TerminationGracePeriod after which its pods are deleted, whatever protects them; 0 for none.
	TerminationGracePeriod time.Duration
	// Conditions by their type.
	Conditions map[string]Condition
	// CPU in thousandths, and Memory in bytes, that its node has; 0 until it is launched.
	CPU, Memory int64
	// PoolHash and ClassHash are the hashes of the NodePool and the NodeClass that it was launched from.
	PoolHash, ClassHash Hash
}

// Condition of a NodeClaim.
type Condition struct {
	Status string
	// Reason and Message of a condition that is not True.
	Reason, Message string
	Since           time.Time
}

// Annotations of the hash of an EC2NodeClass (karpenter-provider-aws pkg/apis/v1/labels.go), the same since 0.32.
const (
	AnnotationClassHash        = "karpenter.k8s.aws/ec2nodeclass-hash"
	AnnotationClassHashVersion = AnnotationClassHash + "-version"
)

// Hash is a hash by which Karpenter finds drift, with its version: those of different versions are not compared.
type Hash struct{ Value, Version string }

// Differs says that two hashes tell of drift.
func (h Hash) Differs(other Hash) bool {
	return h.Version != "" && h.Version == other.Version && h.Value != other.Value
}

// Drifted says that Karpenter means to replace it, or will as soon as it looks.
func (c *NodeClaim) Drifted() bool { return c.Conditions[ConditionDrifted].Status == "True" }

// Expires is when it becomes too old; false for never.
func (c *NodeClaim) Expires() (time.Time, bool) {
	return c.Created.Add(c.ExpireAfter), c.ExpireAfter > 0
}
