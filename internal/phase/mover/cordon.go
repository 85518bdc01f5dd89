package mover

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// cordon makes nodes unschedulable that are not, so that what leaves one does not land on the next. It says how many it wrote,
// and which it was refused.
func (m *Mover) cordon(ctx context.Context, run *v1alpha1.KarpenterUpgrade, nodes []*corev1.Node) (written int, refused map[string]blockage, err error) {
	var todo []*corev1.Node
	for _, n := range nodes {
		if !n.Spec.Unschedulable && n.DeletionTimestamp == nil {
			todo = append(todo, n)
		}
	}
	todo = turn(todo, m.Clock.Now())
	errs := make([]error, len(todo))
	tried := each(ctx, len(todo), func(ctx context.Context, i int) {
		after := todo[i].DeepCopy()
		after.Spec.Unschedulable = true
		if after.Annotations == nil {
			after.Annotations = map[string]string{}
		}
		after.Annotations[v1alpha1.AnnotationCordonedBy] = phase.Mark(run.Name, "")
		errs[i] = m.PatchMark(ctx, todo[i], after)
	})
	refused = map[string]blockage{}
	for i, n := range todo {
		switch r := judge(ctx, errs[i], "patch"); {
		case !tried[i]:
		case errs[i] == nil:
			written++
		case r != nil:
			refused[n.Name] = blockage{reason: reasonCordonRefused, message: "cordoning it is refused, so it is not emptied: " + r.why}
		default:
			err = errors.Join(err, errs[i])
		}
	}
	return written, refused, err
}

// Uncordon takes back the marks of a run on nodes: those that it cordoned are schedulable again, and only those. It is done
// when there was nothing left to take back.
func (m *Mover) Uncordon(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (done bool, err error) {
	var all corev1.NodeList
	if err := m.Client.List(ctx, &all); err != nil {
		return false, fmt.Errorf("listing nodes: %w", err)
	}
	written := 0
	for i := range all.Items {
		after := all.Items[i].DeepCopy()
		if !uncordon(after, run.Name) {
			continue
		}
		if err := m.PatchMark(ctx, &all.Items[i], after); err != nil {
			return false, err
		}
		if written++; written == batch {
			break
		}
	}
	return written == 0, nil
}

// uncordon takes back a run's marks on a node and says whether there were any.
func uncordon(n *corev1.Node, run string) bool {
	changed := false
	if owner, _ := phase.SplitMark(n.Annotations[v1alpha1.AnnotationCordonedBy]); owner == run {
		n.Spec.Unschedulable = false
		delete(n.Annotations, v1alpha1.AnnotationCordonedBy)
		changed = true
	}
	if owner, _ := phase.SplitMark(n.Annotations[v1alpha1.AnnotationDrainingSince]); owner == run {
		delete(n.Annotations, v1alpha1.AnnotationDrainingSince)
		changed = true
	}
	return changed
}
