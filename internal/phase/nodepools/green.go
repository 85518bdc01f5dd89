package nodepools

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// copyOf is a copy of an object under another name, with a merge patch laid over its spec, as a run makes it.
func copyOf(blue *unstructured.Unstructured, name, run string, patch []byte) (*unstructured.Unstructured, error) {
	spec, _, err := unstructured.NestedMap(blue.Object, "spec")
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading its spec: %w", blue.GetKind(), blue.GetName(), err)
	}
	spec, err = values.Merge(spec, patch)
	if err != nil {
		return nil, fmt.Errorf("%s %s: laying spec.nodePools over it: %w", blue.GetKind(), blue.GetName(), err)
	}
	out := &unstructured.Unstructured{Object: map[string]any{"spec": phase.NormalizedValue(spec)}}
	out.SetGroupVersionKind(blue.GroupVersionKind())
	out.SetName(name)
	labels := phase.Untracked(blue.GetLabels())
	labels[v1alpha1.LabelRun] = run
	out.SetLabels(labels)
	out.SetAnnotations(phase.Untracked(blue.GetAnnotations()))
	return out, nil
}

// annotationLimits is what spec.limits of a green NodePool was before a rollback stopped it (JSON); empty for none.
const annotationLimits = v1alpha1.MarkPrefix + "limits"

// noBudget are disruption budgets that let Karpenter disrupt nothing of its own accord.
func noBudget() []any { return []any{map[string]any{"nodes": "0"}} }

// noLimits are limits that keep a NodePool from launching: Karpenter filters every instance type by what a NodePool's limits
// leave (sigs.k8s.io/karpenter pkg/controllers/provisioning/scheduling: filterByRemainingResources), and limits cause no drift.
func noLimits(pool *unstructured.Unstructured) map[string]any {
	if _, static, _ := unstructured.NestedFieldNoCopy(pool.Object, "spec", "replicas"); static {
		return map[string]any{"nodes": "0"}
	}
	return map[string]any{"cpu": "0"}
}

// greenPool is the copy of a NodePool: it refers to the green EC2NodeClass, weighs more than every blue one, and, while the run
// goes on, disrupts no node of its own accord. What it is to be after the run stands in its annotations.
func greenPool(blue *unstructured.Unstructured, plan v1alpha1.PoolPlan, run string, patch []byte) (*unstructured.Unstructured, error) {
	out, err := copyOf(blue, plan.Green, run, patch)
	if err != nil {
		return nil, err
	}
	disruption, _, err := unstructured.NestedMap(out.Object, "spec", "disruption")
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: reading spec.disruption: %w", blue.GetName(), err)
	}
	budgets, err := json.Marshal(disruption["budgets"])
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: reading spec.disruption: %w", blue.GetName(), err)
	}
	annotations := out.GetAnnotations()
	annotations[v1alpha1.AnnotationBudgets] = string(budgets)
	if weight := snapshot.Weight(out); weight > 0 {
		annotations[v1alpha1.AnnotationWeight] = strconv.FormatInt(weight, 10)
	} else {
		annotations[v1alpha1.AnnotationWeight] = ""
	}
	out.SetAnnotations(annotations)

	set := func(value any, fields ...string) {
		if err == nil {
			err = unstructured.SetNestedField(out.Object, value, fields...)
		}
	}
	set(plan.NodeClass, "spec", "template", "spec", "nodeClassRef", "name")
	set(noBudget(), "spec", "disruption", "budgets")
	if plan.Weight > 0 {
		set(int64(plan.Weight), "spec", "weight")
	}
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: %w", blue.GetName(), err)
	}
	return out, nil
}

// keepKubelet copies the kubelet settings of a v1beta1 NodePool where the target reads them: 1.0 keeps them in an annotation, and
// for later targets they were moved to the EC2NodeClass before.
func keepKubelet(target string, blue, green *unstructured.Unstructured) {
	settings, there := blue.GetAnnotations()[convert.AnnotationKubelet]
	if !there || green == nil || !plan.ServesBeta(target) {
		return
	}
	annotations := green.GetAnnotations()
	annotations[convert.AnnotationKubelet] = settings
	green.SetAnnotations(annotations)
}

// released is a green NodePool as it is to be after the run, without the run's marks; false when it has none. What somebody has
// changed since the run set it is his. Where blue is kept, green keeps the weight above it: of two that weigh the same, blue would
// take new nodes again.
func released(pool *unstructured.Unstructured, plan v1alpha1.PoolPlan, keepsBlue bool) (*unstructured.Unstructured, bool, error) {
	annotations := pool.GetAnnotations()
	if _, labelled := pool.GetLabels()[v1alpha1.LabelRun]; !labelled && annotations[v1alpha1.AnnotationBudgets] == "" {
		return nil, false, nil
	}
	out := unmarked(pool)
	for _, given := range []struct {
		mark   string
		ours   any
		fields []string
	}{
		{v1alpha1.AnnotationBudgets, noBudget(), []string{"spec", "disruption", "budgets"}},
		{v1alpha1.AnnotationWeight, int64(plan.Weight), []string{"spec", "weight"}},
		{annotationLimits, noLimits(pool), []string{"spec", "limits"}},
	} {
		previous, ok := annotations[given.mark]
		now, _, err := unstructured.NestedFieldNoCopy(pool.Object, given.fields...)
		if err != nil {
			return nil, false, fmt.Errorf("NodePool %s: %w", pool.GetName(), err)
		}
		if !ok || !reflect.DeepEqual(now, given.ours) || (keepsBlue && given.mark == v1alpha1.AnnotationWeight) {
			continue
		}
		if err := restore(out, previous, given.fields...); err != nil {
			return nil, false, fmt.Errorf("NodePool %s: its annotation %s is damaged: %w", pool.GetName(), given.mark, err)
		}
	}
	return out, true, nil
}

// restore sets a field to what it was (JSON), or removes it where it was not there.
func restore(o *unstructured.Unstructured, previous string, fields ...string) error {
	var was any
	if previous != "" {
		if err := json.Unmarshal([]byte(previous), &was); err != nil {
			return err
		}
	}
	if was == nil {
		unstructured.RemoveNestedField(o.Object, fields...)
		return nil
	}
	return unstructured.SetNestedField(o.Object, phase.NormalizedValue(was), fields...)
}

// unmarked is an object without the marks of any run.
func unmarked(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	out.SetLabels(withoutMarks(o.GetLabels()))
	out.SetAnnotations(withoutMarks(o.GetAnnotations()))
	return out
}

func withoutMarks(in map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		if !strings.HasPrefix(k, v1alpha1.MarkPrefix) {
			out[k] = v
		}
	}
	return out
}
