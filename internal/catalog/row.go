package catalog

import (
	"github.com/Masterminds/semver/v3"
)

// Row is what is known of one minor of Karpenter.
type Row struct {
	// Minor is its name, such as 1.14.
	Minor string `json:"minor"`
	// Patch is the newest patch release known.
	Patch uint64 `json:"patch"`
	// Source says where the facts of the row come from.
	Source []string `json:"source"`
	// State is what holds for its first release. What it leaves out is as in the row before it; null takes an entry away.
	State State `json:"state"`
	// Exceptions are what later patch releases have otherwise.
	Exceptions []Exception `json:"exceptions,omitempty"`
	// Bad are its patch releases that must not be installed.
	Bad []Bad `json:"bad,omitempty"`
	Changes

	version *semver.Version
	// patches are the states of State and the Exceptions, oldest first.
	patches []patchState
}

// State is what holds for a release until a later one has it otherwise.
type State struct {
	// Kubernetes minors that it supports. Below the minimum it does not work; above the maximum Karpenter logs an error and
	// goes on (pkg/providers/version of the provider, all releases).
	Kubernetes Range `json:"kubernetes"`
	// Kinds of its CRDs, by the name of the CRD.
	Kinds map[string]Kind `json:"kinds"`
	// Enter says from which releases it may be upgraded to.
	Enter Enter `json:"enter"`
	// Chart says where its charts are.
	Chart Chart `json:"chart"`
	// MetricsPort is where the controller serves metrics, unless its values say otherwise.
	MetricsPort int32 `json:"metricsPort"`
	// Webhooks of its chart.
	Webhooks Webhooks `json:"webhooks"`
	// Hashes are the versions of the hashes by which Karpenter finds drift.
	Hashes Hashes `json:"hashes"`
	// RewritesStored says that it rewrites all objects in the version that its CRDs store, and then drops the others from
	// status.storedVersions (the controllers migration.resource and migration.crd of the core).
	RewritesStored bool `json:"rewritesStored"`
	// Rollback are the releases to which it can be taken back together with its CRDs, as a constraint on versions; what must
	// be done for it, and what it costs, is in Changes.Loses.
	Rollback string `json:"rollback"`
}

// Kind is one kind of Karpenter's API.
type Kind struct {
	// Served are the versions that its CRD serves.
	Served []string `json:"served"`
	// Stored is the version that it stores.
	Stored string `json:"stored"`
}

// Enter says from which releases another one may be upgraded to.
type Enter struct {
	// Oldest is the minor of the oldest one; all between are fine too.
	Oldest string `json:"oldest"`
	// Why older ones have to stop on the way.
	Why string `json:"why"`
}

// Chart says where the charts karpenter and karpenter-crd of a release are.
type Chart struct {
	// Repository is an OCI repository.
	Repository string `json:"repository"`
	// Prefix of the version in the chart's tag: v, or nothing.
	Prefix string `json:"prefix"`
}

// Webhooks of a chart.
type Webhooks struct {
	// Default says that they are on unless the values say otherwise.
	Default bool `json:"default"`
	// Switch is the value of the chart that turns them on or off; empty for none.
	Switch string `json:"switch"`
	// Conversion says that its CRDs convert by webhook.
	Conversion bool `json:"conversion"`
	// Admission are the names of its webhook configurations. They stay behind when a release that has them is upgraded to one
	// that has none while something else owns them, and then refuse every write (#7134).
	Admission []string `json:"admission"`
}

// Hashes are the versions of the hashes by which Karpenter finds drift; empty where a release has none. A controller stamps
// nodes of another version anew, so that no node drifts for the version alone.
type Hashes struct {
	NodePool  string `json:"nodePool"`
	NodeClass string `json:"nodeClass"`
}

// Exception is what patch releases have otherwise, from one on.
type Exception struct {
	From   uint64   `json:"from"`
	State  State    `json:"state"`
	Source []string `json:"source"`
}

// Bad is a patch release that must not be installed.
type Bad struct {
	Patch uint64 `json:"patch"`
	Why   string `json:"why"`
}

// Changes are what a minor has otherwise than the one before it.
type Changes struct {
	// Requires are what must be so before its controller starts.
	Requires []string `json:"requires,omitempty"`
	// Breaks are changes of behaviour.
	Breaks []string `json:"breaks,omitempty"`
	// Drift are changes by which nodes may drift, and so be replaced.
	Drift []string `json:"drift,omitempty"`
	// Loses are what going back over this minor loses, or takes to do by hand.
	Loses []string `json:"loses,omitempty"`
	// IAM are changes of what the controller's role needs.
	IAM IAM `json:"iam"`
	// Metrics, Names (labels, annotations, taints and tags) and Values (of the chart karpenter) that are called otherwise.
	Metrics []Rename `json:"metrics,omitempty"`
	Names   []Rename `json:"names,omitempty"`
	Values  []Rename `json:"values,omitempty"`
}

// IAM are changes of what the controller's role needs.
type IAM struct {
	// Add and Remove are actions.
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
	// Notes are changes that are no actions.
	Notes []string `json:"notes,omitempty"`
}

// Rename is something that is called otherwise, or that is gone.
type Rename struct {
	// What it is: of Names a label, an annotation, a taint or a tag.
	What string `json:"what,omitempty"`
	From string `json:"from"`
	// To is empty for what is gone.
	To string `json:"to,omitempty"`
}

type patchState struct {
	from  uint64
	state State
}

// At is what holds for a patch release of the minor.
func (r *Row) At(patch uint64) State {
	state := r.patches[0].state
	for _, p := range r.patches[1:] {
		if patch >= p.from {
			state = p.state
		}
	}
	return state
}

// Latest is the newest patch release known of the minor that may be installed.
func (r *Row) Latest() *semver.Version {
	patch := r.Patch
	for patch > 0 && r.BadPatch(patch) != "" {
		patch--
	}
	return semver.New(r.version.Major(), r.version.Minor(), patch, "", "")
}

// BadPatch says why a patch release must not be installed; empty when it may.
func (r *Row) BadPatch(patch uint64) string {
	for _, b := range r.Bad {
		if b.Patch == patch {
			return b.Why
		}
	}
	return ""
}

// Serves says that the release serves a kind in a version.
func (s *State) Serves(crd, version string) bool {
	for _, v := range s.Kinds[crd].Served {
		if v == version {
			return true
		}
	}
	return false
}
