package marks

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// templates are where objects hold the metadata and the specs of objects that are made from them.
var templates = [][]string{nil, {"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}}

// Find returns the marks on an object and in its templates. An object of which only the metadata are known has no taints.
func Find(o *unstructured.Unstructured) []report.Mark {
	name := o.GetKind() + "/" + o.GetName()
	if o.GetNamespace() != "" {
		name = o.GetKind() + "/" + o.GetNamespace() + "/" + o.GetName()
	}
	var out []report.Mark
	for _, path := range templates {
		for _, f := range findAt(o.Object, path) {
			where := strings.Join(append(append([]string{}, path...), f.where), ".")
			out = append(out, report.Mark{Object: name, Where: where, Key: f.key})
		}
	}
	return out
}

type found struct{ where, key string }

func findAt(content map[string]any, path []string) []found {
	if len(path) > 0 {
		nested, ok, err := unstructured.NestedMap(content, path...)
		if !ok || err != nil {
			return nil
		}
		content = nested
	}
	var out []found
	add := func(where, key string) {
		if strings.HasPrefix(key, v1alpha1.MarkPrefix) {
			out = append(out, found{where, key})
		}
	}
	for where, field := range map[string]string{"label": "labels", "annotation": "annotations"} {
		keys, _, _ := unstructured.NestedMap(content, "metadata", field)
		for key := range keys {
			add(where, key)
		}
	}
	finalizers, _, _ := unstructured.NestedStringSlice(content, "metadata", "finalizers")
	for _, f := range finalizers {
		add("finalizer", f)
	}
	for where, field := range map[string]string{"taint": "taints", "startup taint": "startupTaints"} {
		taints, _, _ := unstructured.NestedSlice(content, "spec", field)
		for _, t := range taints {
			taint, _ := t.(map[string]any)
			key, _, _ := unstructured.NestedString(taint, "key")
			add(where, key)
		}
	}
	return out
}
