// Package live reads snapshots from a cluster. It reads in pages, keeps nothing running, and goes on where a list fails: what
// could not be read is named in the snapshot.
package live

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// pageSize is how many objects one request asks for.
const pageSize = 500

// Kinds of Karpenter that are read.
var (
	NodePoolKind  = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}
	NodeClaimKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodeClaim"}
	NodeClassKind = schema.GroupVersionKind{Group: "karpenter.k8s.aws", Version: "v1", Kind: "EC2NodeClass"}
)

// Reader reads snapshots.
type Reader struct {
	// Client writes nothing but SelfSubjectRulesReviews, which Kubernetes does not keep, and what is marked as a dry run. It does
	// not cache.
	Client    client.Client
	Discovery discovery.ServerVersionInterface
	Releases  release.Client
	// Cloud reaches AWS for runs that have access to it; nil to leave AWS out.
	Cloud cloud.Factory
	Clock clock.PassiveClock
	// Path is the way from a version to the target of a spec; nil where only the target is read.
	Path func(ctx context.Context, from string, spec *v1alpha1.KarpenterUpgradeSpec) ([]v1alpha1.Hop, error)
	// Bystander says that it is not the operator that reads: nothing is known of what the operator may do, and its API need not be there.
	Bystander bool
}

// Take reads a snapshot for a run. It fails only when ctx ends.
func (r *Reader) Take(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (*snapshot.Snapshot, error) {
	s := &snapshot.Snapshot{TakenAt: r.Clock.Now().UTC().Truncate(time.Second)}
	for _, part := range []struct {
		what string
		read part
	}{
		{"version", r.version},
		{"deployments", r.installations},
		{"secrets", r.greenRelease},
		{"serviceaccounts", r.destination},
		{"customresourcedefinitions", r.crds},
		{"nodepools.karpenter.sh", r.asV1(NodePoolKind, func(s *snapshot.Snapshot) *[]unstructured.Unstructured { return &s.NodePools }, convert.NodePoolToV1)},
		{"nodeclaims.karpenter.sh", r.nodeClaims},
		{"ec2nodeclasses.karpenter.k8s.aws", r.asV1(NodeClassKind, func(s *snapshot.Snapshot) *[]unstructured.Unstructured { return &s.NodeClasses }, convert.EC2NodeClassToV1)},
		{"nodes", r.nodes},
		{"deployments and statefulsets", r.workloads},
		{"daemonsets", optional(r.daemonSets)},
		{"cronjobs", optional(r.cronJobs)},
		{"pods", r.pods},
		{"poddisruptionbudgets", optional(r.budgets)},
		{"persistentvolumes", optional(r.volumes)},
		{"leases", r.leaders},
		{"aws", r.aws},
		{"services", r.conversions},
		{"karpenterupgrades", r.runs},
		{"chart", r.target},
		{"charts of the stops", r.stops},
		{"platform", r.platform},
		{"selfsubjectrulesreviews", r.permissions},
	} {
		if err := part.read(ctx, run, s); err != nil {
			s.Problems = append(s.Problems, snapshot.Problem{What: part.what, Error: err.Error(), Optional: isOptional(err)})
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading the cluster: %w", err)
		}
	}
	return s, nil
}

func (r *Reader) version(_ context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	info, err := r.Discovery.ServerVersion()
	if err != nil {
		return err
	}
	s.Kubernetes = info.GitVersion
	return nil
}

// ListAll reads all objects of a kind, in pages.
func ListAll(ctx context.Context, c client.Reader, kind schema.GroupVersionKind, opts ...client.ListOption) ([]unstructured.Unstructured, error) {
	var out []unstructured.Unstructured
	page := &unstructured.UnstructuredList{}
	page.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	for {
		all := append([]client.ListOption{client.Limit(pageSize), client.Continue(page.GetContinue())}, opts...)
		if err := c.List(ctx, page, all...); err != nil {
			return out, fmt.Errorf("listing %s: %w", kind.GroupKind(), err)
		}
		out = append(out, page.Items...)
		if page.GetContinue() == "" {
			return out, nil
		}
	}
}
