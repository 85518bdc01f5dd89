package phase

import (
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// tracked are keys, and prefixes of keys, by which others know an object as theirs: a copy that carried them would be pruned
// by Argo CD, Flux or Helm, or taken by Karpenter for an object that it has hashed.
var tracked = []string{
	"argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "meta.helm.sh/", "helm.sh/",
	"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "kubectl.kubernetes.io/last-applied-configuration",
	"objectset.rio.cattle.io/", "karpenter.sh/nodepool-hash", "karpenter.k8s.aws/ec2nodeclass-hash", "karpenter.sh/stored-version-migrated",
	"compatibility.karpenter.sh/", "compatibility.karpenter.k8s.aws/", v1alpha1.MarkPrefix,
}

// Untracked are the labels or annotations of an object that a copy of it may carry.
func Untracked(in map[string]string) map[string]string {
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

// NormalizedValue turns numbers that were decoded as floats back into whole ones, where they are: unstructured content may hold
// int64 and float64 only, and the API server wants whole numbers where its schema has integers.
func NormalizedValue(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k := range t {
			t[k] = NormalizedValue(t[k])
		}
		return t
	case []any:
		for i := range t {
			t[i] = NormalizedValue(t[i])
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

// Normalized is NormalizedValue of a mapping.
func Normalized(m map[string]any) map[string]any {
	for k := range m {
		m[k] = NormalizedValue(m[k])
	}
	return m
}
