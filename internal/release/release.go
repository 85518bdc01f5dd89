package release

import (
	"context"
	"errors"
	"regexp"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Names of Karpenter's charts.
const (
	// ChartKarpenter holds the controller.
	ChartKarpenter = "karpenter"
	// ChartCRDs holds the CRDs.
	ChartCRDs = "karpenter-crd"
)

// ErrNotFound says that there is no such release or chart.
var ErrNotFound = errors.New("not found")

// Release is the newest revision of a Helm release.
type Release struct {
	Namespace string
	Name      string
	// Chart and Version are the name and the version of its chart.
	Chart   string
	Version string
	// Status as Helm spells it: deployed, failed, pending-install, …
	Status   string
	Revision int
	// Values that the user gave; the chart's defaults are not among them.
	Values map[string]any
	// Labels of the release's storage object.
	Labels map[string]string
	// Manifest as it was rendered.
	Manifest string
	// Modified is when the revision was last written.
	Modified time.Time
}

// Deployed says that the newest revision was applied whole.
func (r *Release) Deployed() bool { return r.Status == "deployed" }

// Pending says that an operation began and did not end: it goes on, or whoever ran it was killed.
func (r *Release) Pending() bool {
	switch r.Status {
	case "pending-install", "pending-upgrade", "pending-rollback":
		return true
	default:
		return false
	}
}

// Retired says that the release's objects were removed and its record was kept.
func (r *Release) Retired() bool { return r.Status == "uninstalled" }

// holdsNodes finds, in a manifest, kinds of which nodes depend.
var holdsNodes = regexp.MustCompile(`(?m)^kind:\s*["']?(CustomResourceDefinition|NodePool|NodeClaim|EC2NodeClass|Namespace)["']?\s*$`)

// HoldsNodes names a kind of object in a release's manifest that must not go with the release: with CRDs, NodePools or
// EC2NodeClasses go nodes, and with a Namespace all that is in it. It is empty when there is none.
func HoldsNodes(manifest string) string {
	if found := holdsNodes.FindStringSubmatch(manifest); found != nil {
		return found[1]
	}
	return ""
}

// ChartRef says where a chart is.
type ChartRef struct {
	// Repository is an OCI repository: oci://host/path.
	Repository string
	Name       string
	Version    string
	// Digest of the manifest; empty for any.
	Digest string
	// PlainHTTP talks to the registry without TLS.
	PlainHTTP bool
}

// Chart is a chart as the registry serves it.
type Chart struct {
	Ref ChartRef
	// Digest of its manifest in the registry: sha256:hex.
	Digest string
	// Values are the chart's defaults.
	Values map[string]any
	// CRDs that it holds, in templates or in crds/, rendered with default values.
	CRDs []apiextensionsv1.CustomResourceDefinition
	// Archive is the packed chart.
	Archive []byte
}

// Spec says what a release is to be.
type Spec struct {
	Namespace string
	Name      string
	Chart     *Chart
	Values    map[string]any
	// Labels for the release's storage object.
	Labels map[string]string
	// Description is shown by helm history.
	Description string
}

// Client reads and writes Helm releases and reads charts. Helm's storage and its registry client take no context, so each of
// their requests is bounded by 30 seconds instead; Render and Apply end with their context too.
type Client interface {
	// Get returns the newest revision. It fails with ErrNotFound when there is no release of the name.
	Get(ctx context.Context, namespace, name string) (*Release, error)
	// List returns the newest revisions of all releases in a namespace.
	List(ctx context.Context, namespace string) ([]Release, error)
	// Pull fetches a chart. It fails with ErrNotFound when the registry has no such version, and with ErrDigest when it
	// serves another digest than the one asked for.
	Pull(ctx context.Context, ref ChartRef) (*Chart, error)
	// Render returns the manifest that Apply would apply, without touching the cluster.
	Render(ctx context.Context, spec Spec) (string, error)
	// Apply installs or upgrades a release and returns when its objects are written. Hooks are not run.
	Apply(ctx context.Context, spec Spec) error
	// Uninstall removes a release and its objects, and returns when they are being deleted. A release that is not there is
	// no error. CRDs are never removed: releases of the chart karpenter-crd are refused.
	Uninstall(ctx context.Context, namespace, name string) error
	// Rollback makes a release what an earlier revision of it was, chart, values and manifest, and returns when its objects are
	// written; it needs no registry. It fails with ErrNotFound when Helm has no such revision any more. Hooks are not run.
	Rollback(ctx context.Context, namespace, name string, revision int) error
	// Retire removes a release's objects and keeps its record, whose status is then Retired, with its values. Uninstall then
	// removes the record. Releases that hold objects without which nodes go are refused: see HoldsNodes.
	Retire(ctx context.Context, namespace, name string) error
	// Unlock marks a pending release as failed, so that Apply can go on from it. Only its own operation may be pending:
	// the caller knows that nobody else works on the release.
	Unlock(ctx context.Context, namespace, name string) error
}
