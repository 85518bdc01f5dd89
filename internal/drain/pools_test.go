package drain

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

func TestPinnedTo(t *testing.T) {
	term := func(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: op, Values: values}}}
	}
	requires := func(terms ...corev1.NodeSelectorTerm) corev1.PodSpec {
		return corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms},
		}}}
	}
	const pool = "karpenter.sh/nodepool"
	for name, tc := range map[string]struct {
		spec corev1.PodSpec
		want bool
	}{
		"nothing":              {corev1.PodSpec{}, false},
		"selector":             {corev1.PodSpec{NodeSelector: map[string]string{pool: "blue"}}, true},
		"selector of another":  {corev1.PodSpec{NodeSelector: map[string]string{pool: "gpu"}}, false},
		"other selector":       {corev1.PodSpec{NodeSelector: map[string]string{"zone": "blue"}}, false},
		"affinity":             {requires(term(pool, corev1.NodeSelectorOpIn, "blue")), true},
		"affinity, or green":   {requires(term(pool, corev1.NodeSelectorOpIn, "blue", "green")), false},
		"affinity, other term": {requires(term(pool, corev1.NodeSelectorOpIn, "blue"), term("zone", corev1.NodeSelectorOpIn, "a")), false},
		"affinity, not in":     {requires(term(pool, corev1.NodeSelectorOpNotIn, "blue")), false},
		"preferred only":       {corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(PinnedTo(&corev1.Pod{Spec: tc.spec}, func(pool string) bool { return pool == "blue" })).To(Equal(tc.want))
		})
	}
}
