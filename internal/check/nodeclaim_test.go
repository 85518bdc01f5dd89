package check

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func keepNodes(spec *v1alpha1.KarpenterUpgradeSpec) {
	spec.Strategy, spec.Nodes = v1alpha1.StrategyInPlace, v1alpha1.NodesKeep
}

// launching is a NodeClaim of some age that has not become a node, with this condition.
func launching(s *snapshot.Snapshot, age time.Duration, condition string, c snapshot.Condition) {
	n := claim(s, "general-x", "")
	n.Created = s.TakenAt.Add(-age)
	n.Conditions = map[string]snapshot.Condition{condition: c}
	if condition == snapshot.ConditionRegistered {
		n.Conditions[snapshot.ConditionLaunched] = snapshot.Condition{Status: "True"}
	}
	s.NodeClaims = append(s.NodeClaims, n)
}

var claimCases = map[string]nodeCase{
	"drift, where nodes are replaced": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.NodeClaims[1].Conditions["Drifted"] = snapshot.Condition{Status: "True"}
		},
		codes: []string{"NodesDrifted"}, objects: []string{"NodeClaim/general-2"}, why: []string{"1 of 3 nodes have drifted", "general: 1"},
	},
	"drift, where nodes stay": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			s.NodeClaims[1].Conditions["Drifted"] = snapshot.Condition{Status: "True"}
			keepNodes(spec)
		},
		codes: []string{"DriftWillRoll"}, objects: []string{"NodeClaim/general-2"}, fix: "spec.disruption.budgets",
	},
	"a hash of an older template": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			s.NodePools[0].SetAnnotations(map[string]string{"karpenter.sh/nodepool-hash": "2", "karpenter.sh/nodepool-hash-version": "v3"})
			s.NodeClaims[0].PoolHash = snapshot.Hash{Value: "1", Version: "v3"}
			s.NodeClaims[1].PoolHash = snapshot.Hash{Value: "2", Version: "v3"}
			s.NodeClaims[2].PoolHash = snapshot.Hash{Value: "1", Version: "v2"}
			keepNodes(spec)
		},
		codes: []string{"DriftWillRoll"}, objects: []string{"NodeClaim/general-1"},
	},
	"a NodeClaim that does not go": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.NodeClaims[0].Deleted, s.Nodes[0].Deleted = s.TakenAt.Add(-time.Hour), s.TakenAt.Add(-time.Hour)
		},
		codes: []string{"TerminatingStuck"}, objects: []string{"NodeClaim/general-1"}, why: []string{"the first since 2026-11-20T11:00:00Z", "karpenter.sh/termination"}, fix: "volumeattachments",
	},
	"a node whose NodeClaim is gone": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Nodes = append(s.Nodes, snapshot.Node{Name: "node-9", NodePool: "general", Deleted: s.TakenAt.Add(-9 * time.Minute), Finalizers: []string{"example.com/x"}})
		},
		codes: []string{"TerminatingStuck"}, objects: []string{"Node/node-9"}, why: []string{"example.com/x"},
	},
	"a NodeClaim that has just begun to go": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.NodeClaims[0].Deleted = s.TakenAt.Add(-5 * time.Minute)
	}},
	"a NodeClaim that has time to go": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.NodeClaims[0].Deleted, s.NodeClaims[0].TerminationGracePeriod = s.TakenAt.Add(-time.Hour), 2*time.Hour
	}},
	"a NodePool that is being deleted": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			old := s.NodePools[0].DeepCopy()
			old.SetName("old")
			old.SetDeletionTimestamp(ptr.To(metav1.NewTime(s.TakenAt)))
			s.NodePools = append(s.NodePools, *old)
			s.Nodes = append(s.Nodes, snapshot.Node{Name: "node-9", NodePool: "old"})
		},
		codes: []string{"NodePoolTerminating"}, objects: []string{"NodePool/old"}, why: []string{"all 1 nodes"},
	},
	"no capacity": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			launching(s, time.Minute, "Launched", snapshot.Condition{Status: "False", Reason: "InsufficientInstanceCapacity", Message: "no p5.48xlarge"})
		},
		codes: []string{"LaunchFailing"}, objects: []string{"NodeClaim/general-x"}, why: []string{"general: 1", "InsufficientInstanceCapacity: no p5.48xlarge"},
	},
	"a node that does not join": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			launching(s, 10*time.Minute, "Registered", snapshot.Condition{Status: "Unknown", Reason: "NodeNotFound"})
		},
		codes: []string{"LaunchFailing"}, objects: []string{"NodeClaim/general-x"}, why: []string{"general-x of 2026-11-20T11:50:00Z is launched and its node has not joined: NodeNotFound"},
	},
	"a node that is joining": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		launching(s, time.Minute, "Registered", snapshot.Condition{Status: "Unknown", Reason: "NodeNotFound"})
	}},
	"nodes that did not join": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			set(&s.NodePools[0], []any{map[string]any{"type": "NodeRegistrationHealthy", "status": "False", "message": "2 of 4 failed"}}, "status", "conditions")
		},
		codes: []string{"NodeRegistrationUnhealthy"}, objects: []string{"NodePool/general"}, why: []string{"2 of 4 failed"},
	},
}

func TestNodeClaims(t *testing.T) { testNodes(t, claimCases) }

var expiryCases = map[string]nodeCase{
	"one that expires soon": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.NodeClaims[0].ExpireAfter = 5 * time.Hour
		},
		codes: []string{"NodeClaimsExpire"}, objects: []string{"NodeClaim/general-1"},
		why: []string{"0 have expired, and 1 will within 24 hours (general: 1), the next at 2026-11-20T16:00:00Z"}, fix: "kubectl delete nodeclaim",
	},
	"all at once": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			for i := range s.NodeClaims {
				s.NodeClaims[i].ExpireAfter = time.Duration(5*60+20*i) * time.Minute
			}
		},
		codes: []string{"MassExpiry", "NodeClaimsExpire"}, objects: []string{"NodePool/general"}, why: []string{"3 of its 3 nodes expire within the hour from 2026-11-20T16:00:00Z"},
	},
	"one after the other": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			for i := range s.NodeClaims {
				s.NodeClaims[i].ExpireAfter = time.Duration(5+i) * 2 * time.Hour
			}
		},
		codes: []string{"NodeClaimsExpire"}, objects: []string{"NodeClaim/general-1", "NodeClaim/general-2", "NodeClaim/general-3"},
	},
	"one that never does": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.NodeClaims[0].ExpireAfter = 0 }},
	"one that is going": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.NodeClaims[0].ExpireAfter, s.NodeClaims[0].Deleted = time.Minute, s.TakenAt
	}},
	"where the nodes stay": {change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		s.NodeClaims[0].ExpireAfter = time.Minute
		keepNodes(spec)
	}, codes: []string{"NodeClaimsExpire"}, objects: []string{"NodeClaim/general-1"}, why: []string{"1 have expired"}},
	"of a NodePool that is out": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.NodeClaims[0].NodePool, s.NodeClaims[0].ExpireAfter = "gone", 720*time.Hour
	}},
}

func TestExpiry(t *testing.T) { testNodes(t, expiryCases) }

func TestWhatHasExpiredGoesWhenExpiryBecomesForceful(t *testing.T) {
	g := NewWithT(t)
	s, spec := populated(t)
	s.Installations[0].Version, s.Kubernetes = "0.37.8", "v1.30.0"
	for i := range s.NodeClaims {
		s.NodeClaims[i].ExpireAfter = time.Minute
	}
	for _, f := range run(t, s, spec) {
		if f.Code == "MassExpiry" {
			g.Expect(f.Why).To(ContainSubstring("3 of its 3 nodes expire as soon as Karpenter 1.0 starts"))
			g.Expect(f.Fix).To(ContainSubstring(`"expireAfter":"Never"`))
			return
		}
	}
	t.Fatal("it is not found")
}

var limitCases = map[string]nodeCase{
	"limits with room": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { limited(s, "16", "12") }},
	"limits without room for one node more": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { limited(s, "15", "12") },
		codes:  []string{"LimitsTooLow"}, objects: []string{"NodePool/general"}, why: []string{"cpu: 12 used, the limit is 15, and the run needs 16", "one node of up to 4"}, fix: "raise spec.limits",
	},
	"limits that green has higher": {change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		limited(s, "12", "12")
		overrideGeneral(spec, `{"limits": {"cpu": "100"}}`)
	}},
	"in place, where as many are emptied at once as the spec says": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			limited(s, "16", "12")
			spec.Strategy = v1alpha1.StrategyInPlace
			spec.Migration.MaxUnavailable = ptr.To(intstrOf("50%"))
		},
		codes: []string{"LimitsTooLow"}, objects: []string{"NodePool/general"}, why: []string{"the run needs 20 (what is used, and the 2 nodes that are emptied at the same time of up to 4)"},
	},
	"a number of nodes": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			set(&s.NodePools[0], map[string]any{"nodes": "3"}, "spec", "limits")
		},
		codes: []string{"LimitsTooLow"}, objects: []string{"NodePool/general"}, why: []string{"nodes: 3 used, the limit is 3, and the run needs 4"},
	},
}

func TestLimits(t *testing.T) { testNodes(t, limitCases) }

// limited gives the NodePool general a limit of CPUs, and says how many are used.
func limited(s *snapshot.Snapshot, limit, used string) {
	set(&s.NodePools[0], map[string]any{"cpu": limit}, "spec", "limits")
	set(&s.NodePools[0], map[string]any{"cpu": used}, "status", "resources")
}
