package record

import "time"

// Event is something that happened in the cluster.
type Event interface {
	apply(r *Recorder, at time.Time)
}

// Key names an object in a namespace.
type Key struct{ Namespace, Name string }

// String is namespace/name.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Synced says that everything that existed at the start has been applied. Measuring begins with it.
type Synced struct {
	// BluePools are the NodePools that exist.
	BluePools []string
}

// Tick is time passing.
type Tick struct{}

// Node is a node that Karpenter launched, as it is now.
type Node struct {
	Name, Pool string
	// Canary says that the node is there for a proof and for no workload.
	Canary bool
}

// NodeGone is the end of a Node.
type NodeGone struct{ Name string }

// Pod is a pod of a workload, as it is now.
type Pod struct {
	UID string
	Key Key
	// Owner is the UID of its controller, empty for a bare pod.
	Owner string
	Ready bool
	// Terminating pods are on their way out, Ended ones have run to their end.
	Terminating, Ended bool
	// Pending pods wait for a node, or start.
	Pending bool
}

// PodGone is the end of a Pod.
type PodGone struct{ UID string }

// Workload is a controller of pods, as it is now: a Deployment, StatefulSet, DaemonSet or ReplicaSet of its own.
type Workload struct {
	UID, Kind string
	Key       Key
	Desired   int
}

// WorkloadGone is the end of a Workload.
type WorkloadGone struct{ UID string }

// ReplicaSet is a ReplicaSet of a Deployment.
type ReplicaSet struct{ UID, Deployment string }

// Job is a Job, as it is now.
type Job struct {
	UID string
	Key Key
	// Failed is why it gave up; empty while it has not.
	Failed string
}

// Budget is a PodDisruptionBudget with a status that speaks of its current spec.
type Budget struct {
	UID              string
	Key              Key
	Healthy, Desired int
}

// BudgetGone is the end of a Budget.
type BudgetGone struct{ UID string }

// Controller is a pod of a Karpenter release, as it is now.
type Controller struct {
	UID              string
	Key              Key
	Release, Version string
	// Running says that its container runs, Stopping that it was told to end.
	Running, Stopping bool
	Restarts          int
	// Port is where it serves its metrics; 0 where it says no such port.
	Port int
}

// ControllerGone is the end of a Controller.
type ControllerGone struct{ UID string }

// Lease is Karpenter's election Lease of a namespace, as it is now.
type Lease struct {
	Namespace string
	// Holder is the identity of a process, as pod_uuid; empty when nobody holds the Lease.
	Holder   string
	Renewed  time.Time
	Duration time.Duration
}

// LeaseGone is the end of a Lease.
type LeaseGone struct{ Namespace string }

// Sample is what the metric leader_election_master_status of a pod was at some moment between Sent and Received. Read
// says that the pod answered.
type Sample struct {
	UID            string
	Sent, Received time.Time
	Read, Leads    bool
}

// Release is the Deployment of the release that is upgraded.
type Release struct{ Version string }

// Run is a KarpenterUpgrade, as it is now.
type Run struct {
	Name  string
	Ended bool
	Steps []Step
}

// Step is a phase of a Run. The times are zero where there is none yet.
type Step struct {
	Name, State  string
	Started, End time.Time
}
