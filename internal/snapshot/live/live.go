// Package live reads snapshots from a cluster. It reads in pages, keeps nothing running, and goes on where a list fails: what
// could not be read is named in the snapshot.
package live

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
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
	// Client writes nothing but SelfSubjectRulesReviews, which Kubernetes does not keep. It does not cache.
	Client    client.Client
	Discovery discovery.ServerVersionInterface
	Releases  release.Client
	// Cloud reaches AWS for runs that have access to it; nil to leave AWS out.
	Cloud cloud.Factory
	Clock clock.PassiveClock
}

// Take reads a snapshot for a run. It fails only when ctx ends.
func (r *Reader) Take(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (*snapshot.Snapshot, error) {
	s := &snapshot.Snapshot{TakenAt: r.Clock.Now().UTC().Truncate(time.Second)}
	for _, part := range []struct {
		what string
		read func(context.Context, *v1alpha1.KarpenterUpgrade, *snapshot.Snapshot) error
	}{
		{"version", r.version},
		{"deployments", r.installations},
		{"secrets", r.greenRelease},
		{"customresourcedefinitions", r.crds},
		{"nodepools.karpenter.sh", list(r, NodePoolKind, func(s *snapshot.Snapshot) *[]unstructured.Unstructured { return &s.NodePools })},
		{"nodeclaims.karpenter.sh", r.nodeClaims},
		{"ec2nodeclasses.karpenter.k8s.aws", list(r, NodeClassKind, func(s *snapshot.Snapshot) *[]unstructured.Unstructured { return &s.NodeClasses })},
		{"nodes", r.nodes},
		{"deployments and statefulsets", r.workloads},
		{"leases", r.leaders},
		{"aws", r.aws},
		{"services", r.conversions},
		{"karpenterupgrades", r.runs},
		{"chart", r.target},
		{"selfsubjectrulesreviews", r.permissions},
	} {
		if err := part.read(ctx, run, s); err != nil {
			s.Problems = append(s.Problems, snapshot.Problem{What: part.what, Error: err.Error()})
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

// list reads all objects of a kind, in pages. A kind that the API server does not know has none: whether its CRD should be
// there is for the checks.
func list(r *Reader, kind schema.GroupVersionKind, into func(*snapshot.Snapshot) *[]unstructured.Unstructured) func(context.Context, *v1alpha1.KarpenterUpgrade, *snapshot.Snapshot) error {
	return func(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
		items, err := ListAll(ctx, r.Client, kind)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil
		}
		*into(s) = items
		return err
	}
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
