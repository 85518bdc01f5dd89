// Package canary proves, before any workload moves, that the new controller can launch a node with each green EC2NodeClass and
// that a pod runs on it. An Available Deployment of Karpenter proves nothing of the kind.
//
// Each canary is a NodePool of its own, with a taint that keeps others away, and a Deployment of one pod that tolerates it.
package canary

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

const look = time.Second

// Phase is the phase Canary.
type Phase struct{ *phase.Kit }

var (
	_ engine.Phase     = (*Phase)(nil)
	_ engine.Deadliner = (*Phase)(nil)
	_ engine.Releaser  = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseCanary }

// Deadline implements engine.Deadliner. All canaries are made when the phase begins, so it counts from their creation; it does not
// count for their removal.
func (*Phase) Deadline(run *v1alpha1.KarpenterUpgrade) time.Duration {
	if run.Status.Canary != nil && run.Status.Canary.ProvedAt != nil {
		return 0
	}
	return run.Spec.Canary.Timeout.Duration
}

// Run implements engine.Phase.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if len(run.Status.Plan.NodeClasses) == 0 {
		return engine.Skip("there is no NodePool to replace")
	}
	if run.Status.Canary != nil && run.Status.Canary.ProvedAt != nil {
		left, err := p.remove(ctx, run)
		if err != nil {
			return engine.FromError(err)
		}
		if left != "" {
			return engine.Wait(look, "Removing", "proved; %s is being removed", left)
		}
		return engine.Done("pods ran on nodes launched by %s: %s", run.Spec.Target.Version, strings.Join(run.Status.Canary.Nodes, ", "))
	}
	return p.prove(ctx, run)
}

// name of the i-th canary's objects.
func name(run *v1alpha1.KarpenterUpgrade, i int) string {
	return fmt.Sprintf("%s-canary-%d", run.Name, i)
}

// Undo implements engine.Phase.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return p.Release(ctx, run)
}

// Release implements engine.Releaser.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	left, err := p.remove(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if left != "" {
		return engine.Wait(look, "Removing", "%s is being removed", left)
	}
	return engine.Done("no canary is left")
}

// remove deletes the canaries, and names something that is left of them; empty when nothing is.
func (p *Phase) remove(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (left string, err error) {
	for i := range run.Status.Plan.NodeClasses {
		canary := name(run, i)
		if _, err := p.delete(ctx, run, &appsv1.Deployment{}, client.ObjectKey{Namespace: p.Namespace, Name: canary}); err != nil {
			return "", fmt.Errorf("deleting Deployment %s/%s: %w", p.Namespace, canary, err)
		}
		theirs, err := p.delete(ctx, run, phase.Object(phase.NodePoolKind, canary), client.ObjectKey{Name: canary})
		if err != nil {
			return "", fmt.Errorf("deleting NodePool %s: %w", canary, err)
		}
		if theirs {
			continue
		}
		claims, err := live.ListAll(ctx, p.Live, phase.NodeClaimKind, client.MatchingLabels{karpv1.NodePoolLabelKey: canary})
		if err != nil {
			return "", err
		}
		if len(claims) > 0 {
			left = "NodeClaim " + claims[0].GetName()
		}
	}
	return left, nil
}

// delete deletes an object of a canary, and says whether there is one of the name that is not the run's: it stays.
func (p *Phase) delete(ctx context.Context, run *v1alpha1.KarpenterUpgrade, o client.Object, key client.ObjectKey) (theirs bool, err error) {
	if err := p.Live.Get(ctx, key, o); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if !metav1.IsControlledBy(o, run) {
		return true, nil
	}
	uid := o.GetUID()
	err = p.Live.Delete(ctx, o, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	return false, client.IgnoreNotFound(err)
}

// nodePool is a canary's NodePool: the requirements of a green one, and a taint that keeps all but the canary away.
func nodePool(green *unstructured.Unstructured, name string, run *v1alpha1.KarpenterUpgrade) (*unstructured.Unstructured, error) {
	template, _, err := unstructured.NestedMap(green.Object, "spec", "template")
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: reading its template: %w", green.GetName(), err)
	}
	out := phase.Object(phase.NodePoolKind, name)
	out.SetLabels(map[string]string{v1alpha1.LabelRun: run.Name})
	out.SetOwnerReferences([]metav1.OwnerReference{ownerOf(run)})
	out.Object["spec"] = map[string]any{
		"template":   template,
		"disruption": map[string]any{"consolidationPolicy": "WhenEmpty", "consolidateAfter": "Never", "budgets": []any{map[string]any{"nodes": "0"}}},
	}
	taints, _, err := unstructured.NestedSlice(out.Object, "spec", "template", "spec", "taints")
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: reading its taints: %w", green.GetName(), err)
	}
	taints = append(taints, map[string]any{"key": taintCanary, "value": run.Name, "effect": string(corev1.TaintEffectNoSchedule)})
	if err := unstructured.SetNestedSlice(out.Object, taints, "spec", "template", "spec", "taints"); err != nil {
		return nil, fmt.Errorf("NodePool %s: %w", name, err)
	}
	labels, _, err := unstructured.NestedStringMap(out.Object, "spec", "template", "metadata", "labels")
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: reading its labels: %w", green.GetName(), err)
	}
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelRun] = run.Name
	if err := unstructured.SetNestedStringMap(out.Object, labels, "spec", "template", "metadata", "labels"); err != nil {
		return nil, fmt.Errorf("NodePool %s: %w", name, err)
	}
	return out, nil
}

func ownerOf(run *v1alpha1.KarpenterUpgrade) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "KarpenterUpgrade", Name: run.Name, UID: run.UID, Controller: ptr.To(true)}
}
