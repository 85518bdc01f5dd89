package drain

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// PinnedTo says that a pod can only run on nodes of certain NodePools, all of which are in.
func PinnedTo(p *corev1.Pod, in func(pool string) bool) bool {
	pools, pinned := snapshot.PinnedTo(&p.Spec)
	return pinned && len(pools) > 0 && !slices.ContainsFunc(pools, func(pool string) bool { return !in(pool) })
}
