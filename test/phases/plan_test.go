package phases

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// plan is the plan for one NodePool, general, and its EC2NodeClass default.
func plan() *v1alpha1.Plan {
	return &v1alpha1.Plan{
		Hash: "0123456789ab", Namespace: karpenterNS, Release: blueRelease, GreenRelease: greenRelease, Deployment: blueRelease,
		ServiceAccount: blueRelease, ClusterName: "sandbox", RollbackFloor: v1alpha1.PhaseCleanup,
		Hops:        []v1alpha1.Hop{{Version: greenVersion, Strategy: v1alpha1.StrategyBlueGreen}},
		Pools:       []v1alpha1.PoolPlan{{Blue: "general", Green: "general-green", NodeClass: "default-green", Weight: 100}},
		NodeClasses: []v1alpha1.NodeClassPlan{{Blue: "default", Green: "default-green", CanaryPool: "general-green"}},
	}
}
