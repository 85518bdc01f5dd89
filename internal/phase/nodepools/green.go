package nodepools

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// tracked are keys, and prefixes of keys, by which others know an object as theirs: a copy that carried them would be pruned
// by Argo CD, Flux or Helm, or taken by Karpenter for an object that it has hashed.
var tracked = []string{
	"argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "meta.helm.sh/", "helm.sh/",
	"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "kubectl.kubernetes.io/last-applied-configuration",
	"objectset.rio.cattle.io/", "karpenter.sh/nodepool-hash", "karpenter.k8s.aws/ec2nodeclass-hash", "karpenter.sh/stored-version-migrated",
	"compatibility.karpenter.sh/", "compatibility.karpenter.k8s.aws/", v1alpha1.MarkPrefix,
}

func untracked(in map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		mine := true
		for _, t := range tracked {
			if strings.HasPrefix(k, t) {
				mine = false
			}
		}
		if mine {
			out[k] = v
		}
	}
	return out
}

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
	out := &unstructured.Unstructured{Object: map[string]any{"spec": normalized(spec)}}
	out.SetGroupVersionKind(blue.GroupVersionKind())
	out.SetName(name)
	labels := untracked(blue.GetLabels())
	labels[v1alpha1.LabelRun] = run
	out.SetLabels(labels)
	out.SetAnnotations(untracked(blue.GetAnnotations()))
	return out, nil
}

// normalized turns numbers that were decoded as floats back into whole ones, where they are: unstructured content may hold
// int64 and float64 only, and the API server wants whole numbers where its schema has integers.
func normalized(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k := range t {
			t[k] = normalized(t[k])
		}
		return t
	case []any:
		for i := range t {
			t[i] = normalized(t[i])
		}
		return t
	case float64:
		if whole := int64(t); float64(whole) == t {
			return whole
		}
		return t
	default:
		return v
	}
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
	set([]any{map[string]any{"nodes": "0"}}, "spec", "disruption", "budgets")
	if plan.Weight > 0 {
		set(int64(plan.Weight), "spec", "weight")
	}
	if err != nil {
		return nil, fmt.Errorf("NodePool %s: %w", blue.GetName(), err)
	}
	return out, nil
}

// released is a green NodePool as it is to be after the run, without the run's marks; false when it has none.
func released(pool *unstructured.Unstructured) (*unstructured.Unstructured, bool, error) {
	annotations := pool.GetAnnotations()
	budgets, ok := annotations[v1alpha1.AnnotationBudgets]
	_, labelled := pool.GetLabels()[v1alpha1.LabelRun]
	if !ok && !labelled {
		return nil, false, nil
	}
	out := unmarked(pool)
	if !ok {
		return out, true, nil
	}
	var was any
	if err := json.Unmarshal([]byte(budgets), &was); err != nil {
		return nil, false, fmt.Errorf("NodePool %s: its annotation %s is damaged: %w", pool.GetName(), v1alpha1.AnnotationBudgets, err)
	}
	if was == nil {
		unstructured.RemoveNestedField(out.Object, "spec", "disruption", "budgets")
	} else if err := unstructured.SetNestedField(out.Object, normalized(was), "spec", "disruption", "budgets"); err != nil {
		return nil, false, fmt.Errorf("NodePool %s: %w", pool.GetName(), err)
	}
	weight, err := strconv.ParseInt(annotations[v1alpha1.AnnotationWeight], 10, 64)
	if err != nil {
		unstructured.RemoveNestedField(out.Object, "spec", "weight")
	} else if err := unstructured.SetNestedField(out.Object, weight, "spec", "weight"); err != nil {
		return nil, false, fmt.Errorf("NodePool %s: %w", pool.GetName(), err)
	}
	return out, true, nil
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
