package snapshot

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Workload is a Deployment, a StatefulSet, a DaemonSet or a CronJob that has pods, or may have some.
type Workload struct {
	Kind, Namespace, Name string
	// NodePools whose nodes its pods accept, sorted, whatever other nodes there are; none when they name none.
	NodePools []string
	// Replicas wanted of a Deployment or a StatefulSet.
	Replicas int32
	// Surges says of a Deployment that a restart starts each new pod before it stops an old one (drain.CanSurge).
	Surges bool
	// Demands of its pods; nil when there are none.
	Demands *Demands
}

// Object names it as findings do.
func (w *Workload) Object() string { return w.Kind + "/" + w.Namespace + "/" + w.Name }

// labelNodePool is the label by which Karpenter's nodes name their NodePool.
const labelNodePool = "karpenter.sh/nodepool"

// PinnedTo are the NodePools whose nodes a pod accepts, sorted. Pinned is false when its node selector and its required affinity
// do not name them.
func PinnedTo(pod *corev1.PodSpec) (pools []string, pinned bool) {
	return pinnedTo(pod.NodeSelector, RequiredTerms(pod))
}

// RequiredTerms are the terms of a pod's required node affinity, one of which has to hold.
func RequiredTerms(pod *corev1.PodSpec) []corev1.NodeSelectorTerm {
	if pod.Affinity == nil || pod.Affinity.NodeAffinity == nil || pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}

func pinnedTo(selector map[string]string, terms []corev1.NodeSelectorTerm) (pools []string, pinned bool) {
	if pool, ok := selector[labelNodePool]; ok {
		return []string{pool}, true
	}
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
