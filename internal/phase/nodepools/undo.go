package nodepools

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/mover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// Undo implements engine.Phase: once there is something to move back to, green NodePools get no further node, what runs on their nodes moves back as gently as it came,
// and then they go. A NodePool is deleted only when it has no NodeClaim left: deleting one deletes all its nodes at once.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	own, err := p.own(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if out := p.blueReady(ctx, run, own); out.Kind != engine.KindDone {
		return out
	}
	for _, pool := range own.pools {
		if err := p.stop(ctx, pool); err != nil {
			return engine.FromError(err)
		}
	}
	if len(own.pools) > 0 {
		m := mover.Mover{Kit: p.Kit}
		out := m.Step(ctx, run, mover.Job{
			From: phase.GreenPools(run.Status.Plan), Rank: func(string) int { return 0 }, Since: run.Step(p.Name()).UndoStartedAt.Time, Doing: "moved back",
		})
		if out.Kind != engine.KindDone {
			return out
		}
	}
	for _, pool := range own.pools {
		left, err := p.claims(ctx, pool.GetName())
		if err != nil {
			return engine.FromError(err)
		}
		if left != "" {
			return engine.Wait(look, "WaitingForNodeClaims", "NodePool %s still has NodeClaim %s", pool.GetName(), left)
		}
	}
	return p.deleteAll(ctx, own)
}

// objects are the green objects of a run that exist.
type objects struct{ pools, classes []*unstructured.Unstructured }

func (p *Phase) own(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (objects, error) {
	var out objects
	for _, pool := range run.Status.Plan.Pools {
		o, err := p.mine(ctx, run, phase.NodePoolKind, pool.Green)
		if err != nil {
			return out, err
		}
		if o != nil {
			out.pools = append(out.pools, o)
		}
	}
	for _, class := range run.Status.Plan.NodeClasses {
		o, err := p.mine(ctx, run, phase.NodeClassKind, class.Green)
		if err != nil {
			return out, err
		}
		if o != nil {
			out.classes = append(out.classes, o)
		}
	}
	return out, nil
}

// mine reads an object that the run made; nil when there is none.
func (p *Phase) mine(ctx context.Context, run *v1alpha1.KarpenterUpgrade, kind schema.GroupVersionKind, name string) (*unstructured.Unstructured, error) {
	o, err := p.Get(ctx, kind, name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if o.GetLabels()[v1alpha1.LabelRun] != run.Name {
		return nil, nil
	}
	return o, nil
}

// stop keeps a NodePool from launching. What its limits were stands in an annotation: a rollback may be aborted.
func (p *Phase) stop(ctx context.Context, pool *unstructured.Unstructured) error {
	after := pool.DeepCopy()
	annotations := after.GetAnnotations()
	if _, stopped := annotations[annotationLimits]; !stopped {
		previous, err := limitsOf(pool)
		if err != nil {
			return err
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[annotationLimits] = previous
		after.SetAnnotations(annotations)
	}
	if err := unstructured.SetNestedMap(after.Object, noLimits(pool), "spec", "limits"); err != nil {
		return fmt.Errorf("NodePool %s: %w", pool.GetName(), err)
	}
	return p.Patch(ctx, pool, after)
}

// limitsOf writes down what a NodePool's limits are; empty for none.
func limitsOf(pool *unstructured.Unstructured) (string, error) {
	limits, there, err := unstructured.NestedMap(pool.Object, "spec", "limits")
	if err != nil {
		return "", fmt.Errorf("NodePool %s: reading spec.limits: %w", pool.GetName(), err)
	}
	if !there {
		return "", nil
	}
	data, err := json.Marshal(limits)
	if err != nil {
		return "", fmt.Errorf("NodePool %s: writing down spec.limits: %w", pool.GetName(), err)
	}
	return string(data), nil
}

// claims names a NodeClaim of a NodePool; empty when it has none.
func (p *Phase) claims(ctx context.Context, pool string) (string, error) {
	found, err := live.ListAll(ctx, p.Live, phase.NodeClaimKind, client.MatchingLabels{karpv1.NodePoolLabelKey: pool})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].GetName(), nil
}

// deleteAll deletes the green NodePools and then, when they are gone, the EC2NodeClasses.
func (p *Phase) deleteAll(ctx context.Context, own objects) engine.Outcome {
	for _, group := range [][]*unstructured.Unstructured{own.pools, own.classes} {
		for _, o := range group {
			uid := o.GetUID()
			if err := p.Live.Delete(ctx, o, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
				return engine.FromError(fmt.Errorf("deleting %s %s: %w", o.GetKind(), o.GetName(), err))
			}
		}
		if len(group) > 0 {
			return engine.Wait(look, "Deleting", "%s %s is being deleted", group[0].GetKind(), group[0].GetName())
		}
	}
	return engine.Done("no green NodePool or EC2NodeClass is left")
}
