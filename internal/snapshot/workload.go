package snapshot

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Workload is a Deployment or a StatefulSet whose pods may run on nodes of some NodePools only, whatever other nodes there are.
type Workload struct {
	Kind, Namespace, Name string
	// NodePools whose nodes its pods accept, sorted.
	NodePools []string
}

// labelNodePool is the label by which Karpenter's nodes name their NodePool.
const labelNodePool = "karpenter.sh/nodepool"

// PinnedTo are the NodePools whose nodes a pod accepts, sorted. Pinned is false when its node selector and its required affinity
// do not name them.
func PinnedTo(pod *corev1.PodSpec) (pools []string, pinned bool) {
	if pool, ok := pod.NodeSelector[labelNodePool]; ok {
		return []string{pool}, true
	}
	if pod.Affinity == nil || pod.Affinity.NodeAffinity == nil || pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil, false
	}
	terms := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for i := range terms { // one of which has to hold
		named, ok := poolsOf(&terms[i])
		if !ok {
			return nil, false
		}
		pools = append(pools, named...)
	}
	slices.Sort(pools)
	return slices.Compact(pools), len(terms) > 0
}

// poolsOf are the NodePools that a term names; all its expressions have to hold.
func poolsOf(term *corev1.NodeSelectorTerm) (pools []string, named bool) {
	for _, e := range term.MatchExpressions {
		if e.Key != labelNodePool || e.Operator != corev1.NodeSelectorOpIn {
			continue
		}
		if named {
			pools = slices.DeleteFunc(pools, func(p string) bool { return !slices.Contains(e.Values, p) })
			continue
		}
		pools, named = slices.Clone(e.Values), true
	}
	return pools, named
}
