package check

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

var budgetCases = map[string]nodeCase{
	"a budget that allows one": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Budgets = []snapshot.Budget{budgetOf("shop", "web", 3, 2)}
	}},
	"one that never does, over many pods that no surge may move": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Budgets = []snapshot.Budget{budgetOf("shop", "web", 3, 3)}
			s.Workloads[0].Surges = false
		},
		codes: []string{"BudgetNeverAllows"}, objects: []string{"PodDisruptionBudget/shop/web"},
		why: []string{"3 pods on 3 nodes (node-1, node-2, node-3)", "web (minAvailable: 3) wants 3 of 3 pods healthy"}, fix: "maxUnavailable",
	},
	"one that never does, over a Deployment that surges": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Budgets = []snapshot.Budget{budgetOf("shop", "web", 3, 3)}
		},
		codes: []string{"SingletonRestart"}, objects: []string{"Deployment/shop/web"}, why: []string{"3 pods on 3 nodes"},
	},
	"one that never does, in another namespace": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Budgets = []snapshot.Budget{budgetOf("elsewhere", "web", 3, 3)}
	}},
	"one whose pods are none": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Budgets = []snapshot.Budget{budgetOf("shop", "web", 0, 1)}
	}},
	"one that the disruption controller cannot work out": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			b := budgetOf("shop", "web", 3, 2)
			b.Allowed, b.Failed, b.MinAvailable, b.MaxUnavailable = 0, "jobs.batch does not implement the scale subresource", "", "10%"
			s.Budgets = []snapshot.Budget{b}
			s.Workloads[0].Surges = false
		},
		codes: []string{"BudgetNeverAllows"}, objects: []string{"PodDisruptionBudget/shop/web"},
		why: []string{"web (maxUnavailable: 10%) cannot be worked out: jobs.batch does not implement the scale subresource"},
	},
	"one that waits for pods to be healthy": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			b := budgetOf("shop", "web", 3, 2)
			b.Healthy, b.Allowed = 2, 0
			s.Budgets = []snapshot.Budget{b}
		},
		codes: []string{"BudgetExhausted"}, objects: []string{"PodDisruptionBudget/shop/web"}, why: []string{"3 pods on 3 nodes"},
	},
	"two budgets": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			all := budgetOf("shop", "all", 3, 1)
			all.Selector = &metav1.LabelSelector{}
			s.Budgets = []snapshot.Budget{budgetOf("shop", "web", 3, 2), all}
		},
		codes: []string{"TwoBudgets"}, objects: []string{"Deployment/shop/web", "PodDisruptionBudget/shop/all", "PodDisruptionBudget/shop/web"},
		why: []string{"3 pods on 3 nodes", "Eviction API refuses"}, fix: "delete one of the two",
	},
	"a budget without a selector is over nothing": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		b := budgetOf("shop", "web", 3, 3)
		b.Selector = nil
		s.Budgets = []snapshot.Budget{b}
	}},
}

func TestBudgets(t *testing.T) { testNodes(t, budgetCases) }
