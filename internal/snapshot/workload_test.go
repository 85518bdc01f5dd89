package snapshot

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

func TestPinnedTo(t *testing.T) {
	in := func(key string, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
	}
	terms := func(terms ...[]corev1.NodeSelectorRequirement) corev1.PodSpec {
		required := &corev1.NodeSelector{}
		for _, e := range terms {
			required.NodeSelectorTerms = append(required.NodeSelectorTerms, corev1.NodeSelectorTerm{MatchExpressions: e})
		}
		return corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}}}
	}
	type all = []corev1.NodeSelectorRequirement
	for name, tc := range map[string]struct {
		pod    corev1.PodSpec
		pools  []string
		pinned bool
	}{
		"nothing":               {},
		"another label":         {pod: corev1.PodSpec{NodeSelector: map[string]string{"tier": "web"}}},
		"node selector":         {pod: corev1.PodSpec{NodeSelector: map[string]string{labelNodePool: "general"}}, pools: []string{"general"}, pinned: true},
		"affinity":              {pod: terms(all{in("zone", "a"), in(labelNodePool, "spot", "general")}), pools: []string{"general", "spot"}, pinned: true},
		"two that both hold":    {pod: terms(all{in(labelNodePool, "a", "b"), in(labelNodePool, "b", "c")}), pools: []string{"b"}, pinned: true},
		"one term or the other": {pod: terms(all{in(labelNodePool, "b")}, all{in(labelNodePool, "a")}), pools: []string{"a", "b"}, pinned: true},
		"or any other node":     {pod: terms(all{in(labelNodePool, "b")}, all{in("zone", "a")})},
		"any but one":           {pod: terms(all{{Key: labelNodePool, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"a"}}})},
		"only a preference":     {pod: corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pools, pinned := PinnedTo(&tc.pod)
			g.Expect(pinned).To(Equal(tc.pinned))
			g.Expect(pools).To(Equal(tc.pools))
		})
	}
}
