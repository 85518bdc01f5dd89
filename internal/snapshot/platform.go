package snapshot

import (
	corev1 "k8s.io/api/core/v1"
)

// Platform is what surrounds Karpenter and what a run needs of it. None of it is needed to make a plan; what could not be read is
// in Unread and blocks nothing.
type Platform struct {
	// Pods of Karpenter's releases and of this operator, by namespace and name.
	Pods []ControllerPod
	// Budgets are the PodDisruptionBudgets, as namespace/name, that select pods of the release to upgrade.
	Budgets []string
	// Standby is what the second release would run; nil when the target's chart could not be rendered.
	Standby *Standby
	// Hosts are nodes that no NodePool owns and that would take a pod of the second release, by name.
	Hosts []Host
	// HostsUnread says how many more of them there are than Hosts, because no more were looked at.
	HostsUnread int
	// Claims is what the API server says of NodeClaims.
	Claims Claims
	// Webhooks that nobody answers and without which the API server refuses writes.
	Webhooks []Webhook
	// GlobalSettings are the keys of the ConfigMap karpenter-global-settings beside the release; empty when there is none.
	GlobalSettings []string
	// Monitors are objects of the Prometheus operator that name metrics of Karpenter.
	Monitors []Monitor
	// Addons of EKS that run in kube-system.
	Addons []Addon
	// Identity is how the second release gets its IAM role; nil when it could not be read.
	Identity *Identity
	// IAM is what AWS says of that role; nil when nobody asked.
	IAM *IAM
	// Network is what AWS has for the EC2NodeClasses; nil when nobody asked.
	Network *Network
	// Queue is the interruption queue; nil when nobody asked.
	Queue *Queue
	// Unread is what could not be read.
	Unread []Problem
}

// ControllerPod is a pod of Karpenter's controller or of this operator.
type ControllerPod struct {
	Namespace, Name string
	// Release that it belongs to; empty for a pod of the operator.
	Release string
	// Node that it runs on, and the NodePool that owns the node; empty when it runs on none, or none does.
	Node, NodePool string
	PriorityClass  string
	Labels         map[string]string
	// Killed is how often its containers were restarted, when the last time was for want of memory; Memory is then the limit that
	// they have.
	Killed int32
	Memory string
	// Credentials are the environment variables by which EKS gave it a role when it started (IRSA or Pod Identity).
	Credentials []string
}

// Standby is what the second release would run.
type Standby struct {
	Namespace string
	Replicas  int32
	Labels    map[string]string
	// Pod has no more than what says where the pods go: selectors, tolerations, spread and requests.
	Pod corev1.PodSpec
}

// Claims is what the API server says of NodeClaims.
type Claims struct {
	// Total is how many there are, and Asked of how many, the oldest, it was asked whether a write that changes nothing would do.
	Total, Asked int
	// Refused are those to which it said no.
	Refused []Refused
	// Unasked says why it was not asked, or not of all; empty when it was.
	Unasked string
	// Throttled are those that AWS has not launched because it is asked too often.
	Throttled []Refused
}

// Refused is an object with what was said of it.
type Refused struct {
	Name, Why string
}

// Webhook is an admission webhook that nobody answers, and that makes the API server refuse the writes that it watches.
type Webhook struct {
	// Object is its configuration, as Kind/name, and Name which one of it.
	Object, Name string
	// Service as namespace/name:port, and the Problem with it.
	Service, Problem string
	// Karpenter says that it watches Karpenter's objects, and Others which of pods, pods/eviction and nodes.
	Karpenter bool
	Others    []string
	// Narrowed says that selectors or conditions keep some objects from it.
	Narrowed bool
}

// Monitor is an object of the Prometheus operator.
type Monitor struct {
	// Object as Kind/namespace/name.
	Object string
	// Texts of it that name metrics of Karpenter.
	Texts []string
}

// Addon is an add-on of EKS.
type Addon struct {
	// Name is that of the add-on, such as vpc-cni, and Object what it runs as, as Kind/namespace/name.
	Name, Object string
	Image        string
	// Version from the image's tag, without v; empty when that tells none.
	Version string
}

// Identity is how the second release gets its IAM role.
type Identity struct {
	Namespace, ServiceAccount string
	// Role by the annotation eks.amazonaws.com/role-arn (IRSA); empty when it has none.
	Role string
	// PodIdentity is the role by a Pod Identity association, which only AWS knows; empty when it has none or nobody asked.
	PodIdentity string
	// Given are other ways by which its container gets credentials: environment variables.
	Given []string
	// Asked says that AWS was asked for associations.
	Asked bool
}

// IAM is what AWS says that a role may do.
type IAM struct {
	Role string
	// Allowed says of each action that was asked for whether the role may do it; all of them are for all resources.
	Allowed map[string]bool
}

// Network is what AWS has for the EC2NodeClasses.
type Network struct {
	// Classes by the name of the EC2NodeClass.
	Classes map[string]ClassNetwork
}

// ClassNetwork is what the selectors of an EC2NodeClass match in AWS.
type ClassNetwork struct {
	Subnets        []Subnet
	SecurityGroups []string
	// MissingProfile and MissingRole are the instance profile and the role that the EC2NodeClass names and IAM does not have; empty
	// when it has them or nobody asked.
	MissingProfile, MissingRole string
}

// Subnet of a VPC.
type Subnet struct {
	ID, Zone string
	// Free IPv4 addresses.
	Free int32
}

// Queue is the interruption queue of the release.
type Queue struct {
	Name string
	// Missing says that AWS has none of this name.
	Missing bool
}
