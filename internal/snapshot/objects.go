package snapshot

import (
	"cmp"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Weight is spec.weight of a NodePool; 0 when it has none, which Karpenter treats as less than 1.
func Weight(pool *unstructured.Unstructured) int64 {
	w, _ := number(pool.Object, "spec", "weight")
	return w
}

// NodeClassName is the name of the EC2NodeClass that a NodePool refers to.
func NodeClassName(pool *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(pool.Object, "spec", "template", "spec", "nodeClassRef", "name")
	return name
}

// Selected are the ids that an EC2NodeClass has found, as its status says: of its subnets, or of its securityGroups.
func Selected(class *unstructured.Unstructured, field string) []string {
	all, _, _ := unstructured.NestedSlice(class.Object, "status", field)
	var out []string
	for _, o := range all {
		if found, ok := o.(map[string]any); ok {
			if id, _, _ := unstructured.NestedString(found, "id"); id != "" {
				out = append(out, id)
			}
		}
	}
	return out
}

// ConditionStatus is the status of a condition of an object of Karpenter; empty when it has none, or when it speaks of an
// older generation. The message says why, and is empty only where Karpenter gives neither message nor reason.
func ConditionStatus(obj *unstructured.Unstructured, kind string) (status, message string) {
	condition := conditionOf(obj, kind)
	if condition == nil {
		return "", "Karpenter has not looked at it yet"
	}
	if seen, ok := number(condition, "observedGeneration"); ok && seen != 0 && seen < obj.GetGeneration() {
		return "", "Karpenter has not looked at its last change yet"
	}
	status, _, _ = unstructured.NestedString(condition, "status")
	message, _, _ = unstructured.NestedString(condition, "message")
	reason, _, _ := unstructured.NestedString(condition, "reason")
	return status, cmp.Or(message, reason)
}

// ConditionSince is when a condition of an object of Karpenter became what it is; the zero time where that is not said.
func ConditionSince(obj *unstructured.Unstructured, kind string) time.Time {
	at, _, _ := unstructured.NestedString(conditionOf(obj, kind), "lastTransitionTime")
	since, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return time.Time{}
	}
	return since
}

// conditionOf is a condition of an object of Karpenter; nil when it has none.
func conditionOf(obj *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == kind {
			return condition
		}
	}
	return nil
}

// number reads a whole number, whichever way it was decoded.
func number(obj map[string]any, fields ...string) (int64, bool) {
	v, found, err := unstructured.NestedFieldNoCopy(obj, fields...)
	if err != nil || !found {
		return 0, false
	}
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), true
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	default:
		return 0, false
	}
}
