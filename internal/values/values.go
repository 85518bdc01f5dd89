// Package values decides which Helm values the new release gets. It is pure.
package values

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/runtime"
)

// Carry takes over the values of the release being upgraded, without its image: a pinned tag or digest would run the old
// binary under the new version's name (the chart prefers the digest). The image's repository stays, for mirrors.
func Carry(blue map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(orEmpty(blue))
	controller, ok := out["controller"].(map[string]any)
	if !ok {
		return out
	}
	switch image := controller["image"].(type) {
	case map[string]any:
		delete(image, "tag")
		delete(image, "digest")
	case string: // charts up to 0.25 took the whole image as one string
		delete(controller, "image")
	}
	return out
}

// Merge lays patch, a JSON merge patch (RFC 7386), over base. Neither is changed.
func Merge(base map[string]any, patch []byte) (map[string]any, error) {
	if len(patch) == 0 {
		return runtime.DeepCopyJSON(orEmpty(base)), nil
	}
	doc, err := json.Marshal(orEmpty(base))
	if err != nil {
		return nil, fmt.Errorf("writing the values: %w", err)
	}
	merged, err := jsonpatch.MergePatch(doc, patch)
	if err != nil {
		return nil, fmt.Errorf("merging the values: %w", err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(merged, &out); err != nil {
		return nil, fmt.Errorf("merging the values: they are no mapping: %w", err)
	}
	return out, nil
}

// Standby makes the values of the second release: it runs as the first one's ServiceAccount, whose IAM trust then holds, and
// its PodDisruptionBudget, which the chart does not name after the release, gets a name of its own.
func Standby(base map[string]any, release, serviceAccount string, replicas int32) map[string]any {
	out := runtime.DeepCopyJSON(orEmpty(base))
	child(out, "serviceAccount")["create"] = false
	child(out, "serviceAccount")["name"] = serviceAccount
	child(out, "podDisruptionBudget")["name"] = release
	out["replicas"] = int64(replicas)
	delete(out, "fullnameOverride") // it would give both releases the same names
	delete(out, "nameOverride")     // the Deployment is found by the chart's own name
	return out
}

// ServiceAccount says, of the values of a release of Karpenter's chart, whether it makes its ServiceAccount (the chart's default), and
// with which annotations.
func ServiceAccount(given map[string]any) (made bool, annotations map[string]string) {
	account, _ := given["serviceAccount"].(map[string]any)
	annotations = map[string]string{}
	add := func(from any) {
		all, _ := from.(map[string]any)
		for key, value := range all {
			if text, ok := value.(string); ok {
				annotations[key] = text
			}
		}
	}
	add(given["additionalAnnotations"])
	add(account["annotations"])
	create, said := account["create"].(bool)
	return create || !said, annotations
}

// Unknown lists the keys of values that the chart's defaults do not know, sorted: Helm ignores them without a word. What
// stands below a default that is empty is free to choose, and a key under which nothing stands, as null leaves it, is none.
func Unknown(given, defaults map[string]any) []string {
	return unknown("", given, defaults)
}

func unknown(prefix string, given, defaults map[string]any) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		path := prefix + key
		def, known := defaults[key]
		givenMap, ok := given[key].(map[string]any)
		if !known {
			if given[key] != nil && (!ok || len(givenMap) > 0) {
				out = append(out, path)
			}
			continue
		}
		defMap, defOK := def.(map[string]any)
		if ok && defOK && len(defMap) > 0 && !freeForm[path] {
			out = append(out, unknown(path+".", givenMap, defMap)...)
		}
	}
	return out
}

// freeForm are keys of Karpenter's chart that hold Kubernetes types, of which the defaults show an example only.
var freeForm = map[string]bool{
	"affinity": true, "nodeSelector": true, "strategy": true, "podSecurityContext": true, "podDisruptionBudget": true,
	"controller.resources": true, "controller.securityContext": true,
}

func child(m map[string]any, key string) map[string]any {
	if c, ok := m[key].(map[string]any); ok {
		return c
	}
	c := map[string]any{}
	m[key] = c
	return c
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
