package phase

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// annotationHash is, on a NodePool or EC2NodeClass, the hash that the newer release had given it when the run began to go back,
// after the version of the hash and a slash.
const annotationHash = v1alpha1.MarkPrefix + "hash"

// patience is for how long what only matters for drift may hold up a way back.
const patience = 4 * time.Minute

// hashPage is how many NodeClaims one step writes.
const hashPage = 50

// hashed is a kind whose hash Karpenter stamps on its objects, and on the NodeClaims launched from them. Where the two differ, the
// NodeClaim has drifted; hashes of different versions are not compared.
type hashed struct {
	kind          schema.GroupVersionKind
	hash, version string
	of            func(catalog.Hashes) string
	claimed       func(claim *unstructured.Unstructured) string
}

// allHashed are both kinds (sigs.k8s.io/karpenter pkg/apis/v1/labels.go, karpenter-provider-aws pkg/apis/v1/labels.go). The
// annotations are called the same since 0.32.
var allHashed = []hashed{
	{
		NodePoolKind, karpv1.NodePoolHashAnnotationKey, karpv1.NodePoolHashVersionAnnotationKey,
		func(h catalog.Hashes) string { return h.NodePool },
		func(claim *unstructured.Unstructured) string { return claim.GetLabels()[karpv1.NodePoolLabelKey] },
	},
	{
		NodeClassKind, snapshot.AnnotationClassHash, snapshot.AnnotationClassHashVersion,
		func(h catalog.Hashes) string { return h.NodeClass },
		func(claim *unstructured.Unstructured) string {
			name, _, _ := unstructured.NestedString(claim.Object, "spec", "nodeClassRef", "name")
			return name
		},
	},
}

// hashVersions are the versions of the hashes that a release stamps; empty where the catalogue does not know.
func hashVersions(release string) (catalog.Hashes, error) {
	c, err := catalog.Load()
	if err != nil {
		return catalog.Hashes{}, err
	}
	v, err := semver.NewVersion(release)
	if err != nil {
		return catalog.Hashes{}, fmt.Errorf("version %q: %w", release, err)
	}
	state, known := c.At(v)
	if !known {
		return catalog.Hashes{}, nil
	}
	return state.Hashes, nil
}

// RememberHashes writes down, while the newer release still leads, which hashes it has given. The older one will stamp hashes of its
// own version on everything but NodeClaims that have the condition Drifted, for whatever reason, by then: it says of their hash
// that it is of its own version too, and leaves it (sigs.k8s.io/karpenter v0.36 pkg/controllers/nodepool/hash/controller.go,
// updateNodeClaimHash). They would count as drifted for good. See RestoreHashes.
//
// While the newer release does not answer, it has given no hash lately: then, some minutes after the undoing began, nothing is
// written down.
func (k *Kit) RememberHashes(ctx context.Context, run *v1alpha1.KarpenterUpgrade, undoing v1alpha1.PhaseName, older string) error {
	versions, err := hashVersions(older)
	if err != nil {
		return err
	}
	for _, h := range allHashed {
		version := h.of(versions)
		if version == "" {
			continue
		}
		if err := k.rememberHashes(ctx, run, h, version); err != nil && k.Patient(run, undoing) {
			return err
		}
	}
	return nil
}

func (k *Kit) rememberHashes(ctx context.Context, run *v1alpha1.KarpenterUpgrade, h hashed, older string) error {
	all, err := live.ListServed(ctx, k.Live, h.kind)
	if err != nil {
		return err
	}
	for i := range all {
		annotations := all[i].GetAnnotations()
		if annotations[annotationHash] != "" || annotations[h.hash] == "" || annotations[h.version] == "" || annotations[h.version] == older {
			continue
		}
		after := all[i].DeepCopy()
		Annotate(after, annotationHash, Mark(run.Name, annotations[h.version]+"/"+annotations[h.hash]))
		if err := k.Patch(ctx, &all[i], after); err != nil {
			return err
		}
	}
	return nil
}

// Patient says that a phase has not been undoing for long: what only matters for drift may hold it up.
func (k *Kit) Patient(run *v1alpha1.KarpenterUpgrade, undoing v1alpha1.PhaseName) bool {
	step := run.Step(undoing)
	return step == nil || step.UndoStartedAt == nil || k.Clock.Since(step.UndoStartedAt.Time) < patience
}

// RestoreHashes gives NodeClaims that the newer release found to be as their NodePool and EC2NodeClass want them the hash that says so
// to the older release, which leads again, and takes the marks of RememberHashes back. It says what it waits for.
func (k *Kit) RestoreHashes(ctx context.Context, run *v1alpha1.KarpenterUpgrade, undoing v1alpha1.PhaseName) (waits string, err error) {
	all, err := k.remembered(ctx, run)
	if err != nil || len(all) == 0 {
		return "", err
	}
	claims, err := live.ListServed(ctx, k.Live, NodeClaimKind)
	if err != nil {
		return "", err
	}
	for i := range all {
		if all[i].fresh() && k.Patient(run, undoing) {
			return fmt.Sprintf("waiting for Karpenter to give %s %s a hash of its own version", all[i].GetKind(), all[i].GetName()), nil
		}
		written, err := k.restoreHashes(ctx, &all[i], claims)
		if err != nil {
			return "", err
		}
		if written > 0 {
			return fmt.Sprintf("gave %d NodeClaims of %s %s a hash of Karpenter's own version", written, all[i].GetKind(), all[i].GetName()), nil
		}
		if err := k.forgetHash(ctx, &all[i]); err != nil {
			return "", err
		}
	}
	return "", nil
}

// remembered is an object whose hash was written down.
type remembered struct {
	hashed
	*unstructured.Unstructured
	version, stale string
}

func (k *Kit) remembered(ctx context.Context, run *v1alpha1.KarpenterUpgrade) ([]remembered, error) {
	var out []remembered
	for _, h := range allHashed {
		all, err := live.ListServed(ctx, k.Live, h.kind)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if owner, was := SplitMark(all[i].GetAnnotations()[annotationHash]); owner == run.Name {
				version, stale, _ := strings.Cut(was, "/")
				out = append(out, remembered{h, &all[i], version, stale})
			}
		}
	}
	return out, nil
}

// fresh says that the older release has not stamped the object yet.
func (r *remembered) fresh() bool {
	return r.GetAnnotations()[r.hashed.version] == r.version && r.GetDeletionTimestamp() == nil
}

// restoreHashes mends a page of NodeClaims: those with the hash of the newer release, and the version of the older one's.
func (k *Kit) restoreHashes(ctx context.Context, r *remembered, claims []unstructured.Unstructured) (written int, err error) {
	now := r.GetAnnotations()
	for i := range claims {
		was := claims[i].GetAnnotations()
		if r.claimed(&claims[i]) != r.GetName() || was[r.hash] != r.stale || now[r.hash] == r.stale || was[r.hashed.version] != now[r.hashed.version] {
			continue
		}
		after := claims[i].DeepCopy()
		Annotate(after, r.hash, now[r.hash])
		if err := k.PatchMark(ctx, &claims[i], after); err != nil {
			return written, err
		}
		if written++; written == hashPage {
			break
		}
	}
	return written, nil
}

func (k *Kit) forgetHash(ctx context.Context, r *remembered) error {
	after := r.DeepCopy()
	annotations := after.GetAnnotations()
	delete(annotations, annotationHash)
	after.SetAnnotations(annotations)
	return k.Patch(ctx, r.Unstructured, after)
}

// ForgetHashes takes the marks of RememberHashes back and changes nothing else.
func (k *Kit) ForgetHashes(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	all, err := k.remembered(ctx, run)
	if err != nil {
		return err
	}
	for i := range all {
		if err := k.forgetHash(ctx, &all[i]); err != nil {
			return err
		}
	}
	return nil
}
