package drain

import (
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// PinnedTo says that a pod can only run on nodes of certain NodePools, all of which are in: its node selector, or each term of
// its required node affinity, names them. It looks at the label karpenter.sh/nodepool only.
func PinnedTo(p *corev1.Pod, in func(pool string) bool) bool {
	if pool, there := p.Spec.NodeSelector[karpv1.NodePoolLabelKey]; there {
		return in(pool)
	}
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil {
		return false
	}
	required := p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil || len(required.NodeSelectorTerms) == 0 {
		return false
	}
	for _, term := range required.NodeSelectorTerms { // any one of them is enough for the scheduler
		if !termPins(term, in) {
			return false
		}
	}
	return true
}

func termPins(term corev1.NodeSelectorTerm, in func(pool string) bool) bool {
	for _, e := range term.MatchExpressions {
		if e.Key != karpv1.NodePoolLabelKey || e.Operator != corev1.NodeSelectorOpIn {
			continue
		}
		all := true
		for _, pool := range e.Values {
			all = all && in(pool)
		}
		if all {
			return true
		}
	}
	return false
}
