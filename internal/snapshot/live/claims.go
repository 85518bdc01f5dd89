package live

import (
	"context"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// maxAsked is of how many NodeClaims it is asked whether they can be written. The oldest come first: those that an older Karpenter
// made are the ones that a newer schema refuses.
const maxAsked = 20

// throttled are words by which AWS, or its SDK, says that it is asked too often (Karpenter #7961, #9175).
var throttled = regexp.MustCompile(`RequestLimitExceeded|Throttl|rate limit token|SlowDown`)

// claims reads all NodeClaims, keeps next to nothing of them, and asks for some whether a write that changes nothing would do. The
// API server keeps nothing of such a write.
func (a *surroundings) claims(ctx context.Context) error {
	var oldest []*unstructured.Unstructured
	for _, version := range versions {
		page := &unstructured.UnstructuredList{}
		page.SetGroupVersionKind(NodeClaimKind.GroupKind().WithVersion(version).GroupVersion().WithKind(NodeClaimKind.Kind + "List"))
		err := a.pages(ctx, page, func() {
			for i := range page.Items {
				a.claim(&page.Items[i])
				oldest = append(oldest, stub(&page.Items[i]))
			}
			slices.SortStableFunc(oldest, func(a, b *unstructured.Unstructured) int {
				return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
			})
			oldest = oldest[:min(len(oldest), maxAsked)]
		})
		if notServed(err) {
			continue
		}
		if err != nil {
			a.unreadableClaims(err)
			return nil
		}
		break
	}
	return a.ask(ctx, oldest)
}

// unreadableClaims notes that not all NodeClaims can be read, which a run cannot do without: one that is stored in a version that
// nobody converts shows only when the list comes to it (Karpenter core #1886). Where not even the first could be read, that is known.
func (a *surroundings) unreadableClaims(err error) {
	const what = "nodeclaims.karpenter.sh"
	if !slices.ContainsFunc(a.in.Problems, func(p snapshot.Problem) bool { return p.What == what }) {
		a.in.Problems = append(a.in.Problems, snapshot.Problem{What: what, Error: err.Error()})
	}
}

// claim notes a NodeClaim, and whether AWS throttles its launch.
func (a *surroundings) claim(c *unstructured.Unstructured) {
	out := &a.out.Claims
	out.Total++
	status, message := snapshot.ConditionStatus(c, "Launched")
	if status != "True" && throttled.MatchString(message) {
		out.Throttled = append(out.Throttled, snapshot.Refused{Name: c.GetName(), Why: message})
	}
}

// stub is what is needed of an object to ask for a write of it.
func stub(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := &unstructured.Unstructured{}
	out.SetGroupVersionKind(o.GroupVersionKind())
	out.SetName(o.GetName())
	out.SetCreationTimestamp(o.GetCreationTimestamp())
	return out
}

func (a *surroundings) ask(ctx context.Context, all []*unstructured.Unstructured) error {
	out := &a.out.Claims
	for _, c := range all {
		err := a.Client.Patch(ctx, c.DeepCopy(), client.RawPatch(types.MergePatchType, []byte("{}")), client.DryRunAll)
		switch {
		case err == nil, apierrors.IsNotFound(err):
		case refusedAsItIs(err):
			out.Refused = append(out.Refused, snapshot.Refused{Name: c.GetName(), Why: err.Error()})
		case ctx.Err() != nil:
			return ctx.Err()
		default: // who may not write, or cannot for another reason, learns nothing more from the next one
			out.Unasked = err.Error()
			return nil
		}
		out.Asked++
	}
	return nil
}

// refusedAsItIs says that the API server refuses an object for what it is: by its schema, or by a webhook.
func refusedAsItIs(err error) bool {
	return apierrors.IsInvalid(err) || (strings.Contains(err.Error(), "admission webhook") && strings.Contains(err.Error(), "denied the request"))
}
