package report

import "time"

// Report is what was seen of a cluster between two moments. Durations are in seconds, with a resolution of a
// millisecond; nothing in it is the operator's word but Phases.
type Report struct {
	// From and To are the versions of Karpenter's Deployment at first and at last sight: its image's tag.
	From string `json:"from"`
	To   string `json:"to"`
	// Started is when measuring began, Ended when this was written. Final says that nothing more was seen after it.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Final   bool      `json:"final"`
	// DurationSeconds is how long the upgrade took: from the first sight of a KarpenterUpgrade to its end. Without one it
	// is how long the cluster was observed.
	DurationSeconds float64 `json:"durationSeconds"`
	// Phases are those of the KarpenterUpgrade, from its status.
	Phases []Phase `json:"phases"`
	Nodes  Nodes   `json:"nodes"`

	// TwoLeaderSeconds is how long two or more pods led at the same time, by Lease or by their own metric.
	TwoLeaderSeconds float64 `json:"twoLeaderSeconds"`
	// LeaderlessSeconds is how long no pod led by a Lease, after one had; Leaderless are the gaps that it consists of.
	// A pod that was told to stop does not lead any more.
	LeaderlessSeconds float64 `json:"leaderlessSeconds"`
	Leaderless        []Gap   `json:"leaderless"`
	// Leaders are the pods that led, in order of their first time.
	Leaders []Leader `json:"leaders"`

	// PDBViolations is how many times a PodDisruptionBudget had fewer healthy pods than it wants, after it had enough.
	PDBViolations int `json:"pdbViolations"`
	// Violations name what must not happen: budgets broken, two leaders.
	Violations []Violation `json:"violations"`

	// PodsLost counts Lost.
	PodsLost int    `json:"podsLost"`
	Lost     []Loss `json:"lost"`

	// PodSecondsBelowDesired sums up, over Deployments, StatefulSets and ReplicaSets outside the platform's namespaces,
	// the time during which replicas were missing, times their number. A workload counts from when it was first complete.
	PodSecondsBelowDesired float64 `json:"podSecondsBelowDesired"`
	// LongestOutageSeconds is the longest time in which one of these workloads had no ready pod and wanted some.
	LongestOutageSeconds float64 `json:"longestOutageSeconds"`
	// SingletonDowntimeSeconds sums up the time without a ready pod over workloads that want one.
	SingletonDowntimeSeconds float64 `json:"singletonDowntimeSeconds"`
	// Outages are the longest times without a ready pod, longest first.
	Outages []Outage `json:"outages"`

	// MarksLeft counts Marks. It is -1 in a report that is not final: marks are looked for once, at the end.
	MarksLeft int    `json:"marksLeft"`
	Marks     []Mark `json:"marks"`
	// MarksUnread are the kinds that could not be listed, with the reason. Nothing is known about their marks.
	MarksUnread []string `json:"marksUnread"`

	Requests Requests `json:"requests"`
	// Series is how the cluster changed over time.
	Series []Point `json:"series"`
}

// Phase is one phase of an upgrade.
type Phase struct {
	Name    string  `json:"name"`
	State   string  `json:"state"`
	Seconds float64 `json:"seconds"`
}

// Nodes counts nodes that Karpenter launched. Blue ones are of NodePools that existed at the start, green ones of those
// that came later. Nodes of canaries are in Peak only, which is the most nodes there were at one time.
type Nodes struct {
	BlueBefore int `json:"blueBefore"`
	GreenAfter int `json:"greenAfter"`
	BlueAfter  int `json:"blueAfter"`
	Peak       int `json:"peak"`
}

// Gap is a time without a leader.
type Gap struct {
	At time.Time `json:"at"`
	// From is the pod that led before, To the one that led after; empty while there is none.
	From    string  `json:"from"`
	To      string  `json:"to"`
	Seconds float64 `json:"seconds"`
	// StoppingSeconds is how much of it somebody held the Lease still who had been told to stop.
	StoppingSeconds float64 `json:"stoppingSeconds"`
}

// Leader is a pod that led.
type Leader struct {
	// Pod is namespace/name, Version the tag of its image, Release its Helm release.
	Pod     string  `json:"pod"`
	Version string  `json:"version"`
	Release string  `json:"release"`
	Seconds float64 `json:"seconds"`
	// MetricSeconds is how long its own metric was seen to say so. It is a little less than Seconds, or the metric could
	// not be read.
	MetricSeconds float64 `json:"metricSeconds"`
}

// Kinds of violations.
const (
	// BudgetBroken is a PodDisruptionBudget with fewer healthy pods than it wants.
	BudgetBroken = "BudgetBroken"
	// TwoLeaders is two pods that lead at the same time.
	TwoLeaders = "TwoLeaders"
)

// Violation is something that must not happen, and did.
type Violation struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	// Object is what it happened to, as Kind/namespace/name or as a list of pods.
	Object  string  `json:"object"`
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
}

// Kinds of losses.
const (
	// BarePodGone is a pod without a controller that is gone and was not made again.
	BarePodGone = "BarePodGone"
	// JobFailed is a Job that gave up.
	JobFailed = "JobFailed"
	// Incomplete is a workload with fewer ready pods than it wants, at the time of the report.
	Incomplete = "Incomplete"
)

// Loss is work that is not done any more.
type Loss struct {
	Kind   string `json:"kind"`
	Object string `json:"object"`
	Detail string `json:"detail"`
}

// Outage is a time in which a workload had no ready pod.
type Outage struct {
	Workload string    `json:"workload"`
	At       time.Time `json:"at"`
	Seconds  float64   `json:"seconds"`
}

// Mark is something of the operator's that an object still carries.
type Mark struct {
	Object string `json:"object"`
	// Where is label, annotation, finalizer, taint, or the path of one inside a template.
	Where string `json:"where"`
	Key   string `json:"key"`
}

// Requests counts requests to the API server.
type Requests struct {
	// ByClient counts since the start, by who sent them. Clients that sent none are absent.
	ByClient map[string]int64 `json:"byClient"`
}

// Point is how the cluster looked at a moment.
type Point struct {
	// T is in seconds since Started.
	T float64 `json:"t"`
	// Blue, Green and Other count nodes that Karpenter launched; the nodes of canaries are Other.
	Blue  int `json:"blue"`
	Green int `json:"green"`
	Other int `json:"other"`
	// Ready and Wanted count pods of the workloads that PodSecondsBelowDesired is about, Pending those that wait for a
	// node or start.
	Ready   int `json:"ready"`
	Wanted  int `json:"wanted"`
	Pending int `json:"pending"`
	// Leader is the pod that leads, as namespace/name; empty while none does.
	Leader string `json:"leader"`
}
