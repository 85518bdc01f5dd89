package check

import (
	"testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func ofSet(s *snapshot.Snapshot, replicas int32) {
	s.Workloads = append(s.Workloads, snapshot.Workload{Kind: "StatefulSet", Namespace: "pay", Name: "db", Replicas: replicas})
	s.Pods = append(s.Pods, snapshot.Pod{Namespace: "pay", Name: "db-0", Node: "node-2", Owner: snapshot.Owner{Kind: "StatefulSet", Name: "db"}})
}

func ofOperator(s *snapshot.Snapshot, names ...string) {
	for _, name := range names {
		s.Pods = append(s.Pods, snapshot.Pod{Namespace: "pay", Name: name, Node: "node-3", Owner: snapshot.Owner{Kind: "Cluster", Name: "pg"}})
	}
}

var singletonCases = map[string]nodeCase{
	"a Deployment of one that surges": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { single(s, true) },
		codes:  []string{"SingletonRestart"}, objects: []string{"Deployment/pay/ledger"}, why: []string{"1 pod on 1 node (node-1)"},
	},
	"a Deployment of one that cannot surge": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { single(s, false) },
		codes:  []string{"SingletonDowntime"}, objects: []string{"Deployment/pay/ledger"}, why: []string{"1 pod on 1 node (node-1)"}, fix: "two replicas",
	},
	"a Deployment of one that is to be evicted": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			single(s, true)
			spec.Migration.Singletons = v1alpha1.SingletonEvict
		},
		codes: []string{"SingletonDowntime"}, objects: []string{"Deployment/pay/ledger"},
	},
	"a Deployment of one that is to wait": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			single(s, true)
			spec.Migration.Singletons = v1alpha1.SingletonWait
		},
		codes: []string{"SingletonWaits"}, objects: []string{"Deployment/pay/ledger"}, why: []string{"spec.migration.singletons is Wait"},
	},
	"one that a budget keeps is not down": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			single(s, false)
			s.Budgets = []snapshot.Budget{budgetOf("pay", "ledger", 1, 1)}
		},
		codes: []string{"BudgetNeverAllows"}, objects: []string{"PodDisruptionBudget/pay/ledger"}, why: []string{"1 pod on 1 node (node-1)"},
	},
	"a StatefulSet of one": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { ofSet(s, 1) },
		codes:  []string{"SingletonDowntime"}, objects: []string{"StatefulSet/pay/db"},
	},
	"a StatefulSet of three, of which one pod is here": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { ofSet(s, 3) }},
	"somebody's own controller with one pod": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { ofOperator(s, "pg-1") },
		codes:  []string{"SingletonDowntime"}, objects: []string{"Cluster/pay/pg"},
	},
	"somebody's own controller with two": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { ofOperator(s, "pg-1", "pg-2") }},
}

func TestSingletons(t *testing.T) { testNodes(t, singletonCases) }
