package hops

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// Marks of kubelet settings that were moved from NodePools to EC2NodeClasses.
const (
	// annotationKubelet is, on a NodePool, the annotation that was taken from it; on an EC2NodeClass, its spec.kubelet before (JSON).
	annotationKubelet = v1alpha1.MarkPrefix + "kubelet"
	// annotationNodeClass is the EC2NodeClass that a NodePool referred to before.
	annotationNodeClass = v1alpha1.MarkPrefix + "node-class"
	// annotationCopyOf is, on an EC2NodeClass that the run made, the one that it was split from.
	annotationCopyOf = v1alpha1.MarkPrefix + "copy-of"
)

var (
	kubeletField   = []string{"spec", "kubelet"}
	nodeClassField = []string{"spec", "template", "spec", "nodeClassRef", "name"}
)

// moved are the kinds that have such marks.
var moved = []schema.GroupVersionKind{phase.NodePoolKind, phase.NodeClassKind}

// kubelet moves kubelet settings of v1beta1 NodePools to the EC2NodeClasses, before a version comes that ignores them where they
// are: 1.0 keeps them in an annotation of the NodePool (sigs.k8s.io/karpenter v1.0 pkg/apis/v1/nodepool_conversion.go), 1.1 and later
// do not read it. Nodes drift by that; they are frozen.
func (p *Phase) kubelet(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, status *v1alpha1.HopStatus) (string, error) {
	if !plan.LeavesBeta(status.From, status.Version) {
		return "", nil
	}
	pools, classes, err := p.both(ctx)
	if err != nil {
		return "", err
	}
	moves, err := moves(pools, classes, run.Name)
	if err != nil {
		return "", fault.NewTerminal(err)
	}
	// In this order no NodePool has other settings than before at any time: 1.0 reads the annotation before spec.kubelet.
	for _, stage := range []func(context.Context, string, convert.KubeletMove, objects) (string, error){p.split, p.refer, p.fill, p.strip} {
		for _, move := range moves {
			waits, err := stage(ctx, run.Name, move, objects{pools, classes})
			if err != nil || waits != "" {
				return waits, err
			}
		}
	}
	return "", nil
}

// objects are those that kubelet settings move between.
type objects struct{ pools, classes []unstructured.Unstructured }

// both are all NodePools and EC2NodeClasses: when the last hop has been taken back, there is no v1 any more.
func (p *Phase) both(ctx context.Context) (pools, classes []unstructured.Unstructured, err error) {
	if pools, err = live.ListServed(ctx, p.Live, phase.NodePoolKind); err != nil {
		return nil, nil, err
	}
	classes, err = live.ListServed(ctx, p.Live, phase.NodeClassKind)
	return pools, classes, err
}

func named(all []unstructured.Unstructured, name string) *unstructured.Unstructured {
	for i := range all {
		if all[i].GetName() == name {
			return &all[i]
		}
	}
	return nil
}

// moves are all moves of the run, those that are done too: they are decided on what the objects were before the first one.
func moves(pools, classes []unstructured.Unstructured, run string) ([]convert.KubeletMove, error) {
	var were [][]unstructured.Unstructured
	for _, all := range [][]unstructured.Unstructured{pools, classes} {
		var before []unstructured.Unstructured
		for i := range all {
			if _, made := mark(&all[i], annotationCopyOf, run); made {
				continue
			}
			o := all[i].DeepCopy()
			if err := unmove(o, run); err != nil {
				return nil, err
			}
			before = append(before, *o)
		}
		were = append(were, before)
	}
	out, _, err := convert.MoveKubelet(were[0], were[1])
	return out, err
}

// mark reads a mark of the run.
func mark(o *unstructured.Unstructured, annotation, run string) (previous string, there bool) {
	value, there := o.GetAnnotations()[annotation]
	owner, previous := phase.SplitMark(value)
	return previous, there && owner == run
}

// split makes a copy of an EC2NodeClass for NodePools with other kubelet settings.
func (p *Phase) split(ctx context.Context, run string, move convert.KubeletMove, all objects) (string, error) {
	if move.CopyOf == "" {
		return "", nil
	}
	if class := named(all.classes, move.NodeClass); class != nil {
		if _, ours := mark(class, annotationCopyOf, run); !ours {
			return "", fault.NewTerminal(fmt.Errorf("EC2NodeClass %s exists and was not made by this run, so kubelet settings of NodePool %s cannot move there: rename it", move.NodeClass, move.NodePool))
		}
		return "", nil
	}
	original := named(all.classes, move.CopyOf)
	if original == nil {
		return "", fault.NewTerminal(fmt.Errorf("NodePool %s refers to EC2NodeClass %s, which does not exist", move.NodePool, move.CopyOf))
	}
	made := phase.Object(phase.NodeClassKind, move.NodeClass)
	made.Object["spec"] = original.DeepCopy().Object["spec"]
	made.SetLabels(phase.Untracked(original.GetLabels()))
	annotations := phase.Untracked(original.GetAnnotations())
	annotations[annotationCopyOf] = phase.Mark(run, original.GetName())
	made.SetAnnotations(annotations)
	if err := set(made, move.Kubelet, kubeletField...); err != nil {
		return "", fault.NewTerminal(err)
	}
	if err := p.Live.Create(ctx, made); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("creating EC2NodeClass %s: %w", move.NodeClass, err)
	}
	return fmt.Sprintf("EC2NodeClass %s was made of %s, for the kubelet settings of NodePool %s", move.NodeClass, move.CopyOf, move.NodePool), nil
}

// refer points a NodePool at the EC2NodeClass with its settings.
func (p *Phase) refer(ctx context.Context, run string, move convert.KubeletMove, all objects) (string, error) {
	pool := named(all.pools, move.NodePool)
	if _, done := mark(pool, annotationNodeClass, run); done || !move.Refer {
		return "", nil
	}
	was, _, err := unstructured.NestedString(pool.Object, nodeClassField...)
	if err != nil {
		return "", fault.NewTerminal(fmt.Errorf("NodePool %s: %w", pool.GetName(), err))
	}
	after := pool.DeepCopy()
	phase.Annotate(after, annotationNodeClass, phase.Mark(run, was))
	if err := unstructured.SetNestedField(after.Object, move.NodeClass, nodeClassField...); err != nil {
		return "", fault.NewTerminal(fmt.Errorf("NodePool %s: %w", pool.GetName(), err))
	}
	return fmt.Sprintf("NodePool %s refers to EC2NodeClass %s for its kubelet settings", move.NodePool, move.NodeClass), p.PatchMark(ctx, pool, after)
}

// fill writes kubelet settings into the EC2NodeClass whose NodePools all have them.
func (p *Phase) fill(ctx context.Context, run string, move convert.KubeletMove, all objects) (string, error) {
	class := named(all.classes, move.NodeClass)
	if class == nil || move.CopyOf != "" {
		return "", nil // made a moment ago, with its settings
	}
	now, _, err := unstructured.NestedMap(class.Object, kubeletField...)
	if err != nil {
		return "", fault.NewTerminal(fmt.Errorf("EC2NodeClass %s: %w", class.GetName(), err))
	}
	if _, done := mark(class, annotationKubelet, run); done || reflect.DeepEqual(now, phase.Normalized(move.Kubelet)) {
		return "", nil
	}
	previous := ""
	if len(now) > 0 {
		doc, err := json.Marshal(now)
		if err != nil {
			return "", fault.NewTerminal(err)
		}
		previous = string(doc)
	}
	after := class.DeepCopy()
	phase.Annotate(after, annotationKubelet, phase.Mark(run, previous))
	if err := set(after, move.Kubelet, kubeletField...); err != nil {
		return "", fault.NewTerminal(err)
	}
	return fmt.Sprintf("kubelet settings of NodePool %s move to EC2NodeClass %s", move.NodePool, move.NodeClass), p.PatchMark(ctx, class, after)
}

// strip removes the settings from where they were.
func (p *Phase) strip(ctx context.Context, run string, move convert.KubeletMove, all objects) (string, error) {
	pool := named(all.pools, move.NodePool)
	if _, done := mark(pool, annotationKubelet, run); done || !move.Annotated {
		return "", nil
	}
	after := pool.DeepCopy()
	phase.Annotate(after, annotationKubelet, phase.Mark(run, pool.GetAnnotations()[convert.AnnotationKubelet]))
	annotations := after.GetAnnotations()
	delete(annotations, convert.AnnotationKubelet)
	after.SetAnnotations(annotations)
	return fmt.Sprintf("the annotation %s is removed from NodePool %s", convert.AnnotationKubelet, move.NodePool), p.PatchMark(ctx, pool, after)
}

func set(o *unstructured.Unstructured, value map[string]any, fields ...string) error {
	if len(value) == 0 {
		unstructured.RemoveNestedField(o.Object, fields...)
		return nil
	}
	if err := unstructured.SetNestedMap(o.Object, value, fields...); err != nil {
		return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

// unmove makes an object what it was before its kubelet settings moved.
func unmove(o *unstructured.Unstructured, run string) error {
	annotations := maps.Clone(o.GetAnnotations())
	if annotations == nil {
		return nil // no mark either
	}
	if was, there := mark(o, annotationNodeClass, run); there {
		delete(annotations, annotationNodeClass)
		if err := unstructured.SetNestedField(o.Object, was, nodeClassField...); err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	if was, there := mark(o, annotationKubelet, run); there {
		delete(annotations, annotationKubelet)
		if o.GetKind() == phase.NodePoolKind.Kind {
			annotations[convert.AnnotationKubelet] = was
		} else if err := restoreKubelet(o, was); err != nil {
			return fmt.Errorf("EC2NodeClass %s: its annotation %s is damaged: %w", o.GetName(), annotationKubelet, err)
		}
	}
	o.SetAnnotations(annotations)
	return nil
}

func restoreKubelet(class *unstructured.Unstructured, was string) error {
	var previous map[string]any
	if was != "" {
		if err := json.Unmarshal([]byte(was), &previous); err != nil {
			return err
		}
	}
	return set(class, phase.Normalized(previous), kubeletField...)
}

// kubeletBack takes the moves back: NodePools first, then the EC2NodeClasses that nothing refers to any more.
func (p *Phase) kubeletBack(ctx context.Context, run *v1alpha1.KarpenterUpgrade, _ *v1alpha1.Hop, _ *v1alpha1.HopStatus) (string, error) {
	pools, classes, err := p.both(ctx)
	if err != nil {
		return "", err
	}
	for _, all := range [][]unstructured.Unstructured{pools, classes} {
		for i := range all {
			waits, err := p.moveBack(ctx, &all[i], run.Name)
			if err != nil || waits != "" {
				return waits, err
			}
		}
	}
	return "", nil
}

func (p *Phase) moveBack(ctx context.Context, o *unstructured.Unstructured, run string) (string, error) {
	said := fmt.Sprintf("%s %s becomes what it was", o.GetKind(), o.GetName())
	if _, made := mark(o, annotationCopyOf, run); made {
		if o.GetDeletionTimestamp() != nil {
			return "", nil // it goes when its last NodeClaim does
		}
		uid := o.GetUID()
		err := p.Live.Delete(ctx, o, client.Preconditions{UID: &uid})
		if client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("deleting EC2NodeClass %s: %w", o.GetName(), err)
		}
		return said, nil
	}
	if !marked(o, run) {
		return "", nil
	}
	after := o.DeepCopy()
	if err := unmove(after, run); err != nil {
		return "", fault.NewTerminal(err)
	}
	return said, p.PatchMark(ctx, o, after)
}

func marked(o *unstructured.Unstructured, run string) bool {
	for _, a := range []string{annotationKubelet, annotationNodeClass, annotationCopyOf} {
		if _, there := mark(o, a, run); there {
			return true
		}
	}
	return false
}

// forgetKubelet removes the marks of the moves and leaves the settings where they are now.
func (p *Phase) forgetKubelet(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (left string, err error) {
	for _, kind := range moved {
		all, err := live.ListServed(ctx, p.Live, kind)
		if err != nil {
			return "", err
		}
		for i := range all {
			o := &all[i]
			if !marked(o, run.Name) {
				continue
			}
			after := o.DeepCopy()
			annotations := after.GetAnnotations()
			for _, a := range []string{annotationKubelet, annotationNodeClass, annotationCopyOf} {
				delete(annotations, a)
			}
			after.SetAnnotations(annotations)
			return fmt.Sprintf("removing the marks from %s %s", strings.ToLower(kind.Kind), o.GetName()), p.PatchMark(ctx, o, after)
		}
	}
	return "", nil
}
