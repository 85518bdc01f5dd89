package check

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func daemonSet(s *snapshot.Snapshot, d *snapshot.Demands) {
	s.Workloads = append(s.Workloads, snapshot.Workload{Kind: "DaemonSet", Namespace: "logs", Name: "agent", Demands: d})
}

func tolerating(all ...corev1.Toleration) *snapshot.Demands {
	return &snapshot.Demands{Tolerations: all}
}

var (
	oldTaint = corev1.Toleration{Key: "karpenter.sh/disruption", Operator: corev1.TolerationOpExists}
	newTaint = corev1.Toleration{Key: "karpenter.sh/disrupted", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
	noOld    = corev1.NodeSelectorRequirement{Key: "karpenter.sh/provisioner-name", Operator: corev1.NodeSelectorOpDoesNotExist}
	noNew    = corev1.NodeSelectorRequirement{Key: "karpenter.sh/nodepool", Operator: corev1.NodeSelectorOpDoesNotExist}
)

var renamedCases = map[string]nodeCase{
	"a DaemonSet that tolerates the old taint": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { daemonSet(s, tolerating(oldTaint)) },
		codes:  []string{"RenamedTaintTolerated"}, objects: []string{"DaemonSet/logs/agent"},
		why: []string{"karpenter.sh/disruption=disrupting:NoSchedule is karpenter.sh/disrupted:NoSchedule since 1.0"}, fix: "tolerate both",
	},
	"one that tolerates both": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		daemonSet(s, tolerating(oldTaint, newTaint))
	}},
	"one that tolerates all": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		daemonSet(s, tolerating(oldTaint, corev1.Toleration{Operator: corev1.TolerationOpExists}))
	}},
	"one that tolerates another value of the old one": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		daemonSet(s, tolerating(corev1.Toleration{Key: oldTaint.Key, Operator: corev1.TolerationOpEqual, Value: "other"}))
	}},
	"one that tolerates cordons, which Karpenter gave up long ago": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		daemonSet(s, tolerating(corev1.Toleration{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists}))
	}},
	"one that demands the old label": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			daemonSet(s, &snapshot.Demands{NodeSelector: map[string]string{noOld.Key: "default"}})
		},
		codes: []string{"RenamedLabelDemanded"}, objects: []string{"DaemonSet/logs/agent"}, why: []string{"karpenter.sh/provisioner-name is karpenter.sh/nodepool since 0.32"},
	},
	"one that avoids the old label alone": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { daemonSet(s, demandsTerm(noOld)) },
		codes:  []string{"RenamedLabelDemanded"}, objects: []string{"DaemonSet/logs/agent"},
	},
	"one that avoids both labels": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { daemonSet(s, demandsTerm(noOld, noNew)) }},
	"pods of somebody's own controller": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			ofOperator(s, "pg-1", "pg-2")
			for i := range s.Pods {
				if s.Pods[i].Namespace == "pay" {
					s.Pods[i].Demands = tolerating(oldTaint)
				}
			}
		},
		codes: []string{"RenamedTaintTolerated"}, objects: []string{"Cluster/pay/pg"},
	},
}

func TestRenamed(t *testing.T) { testNodes(t, renamedCases) }

func TestANameIsInUseUntilTheTarget(t *testing.T) {
	g := NewWithT(t)
	s, spec := populated(t)
	s.Installations[0].Version, s.Kubernetes, spec.Target.Version = "0.35.12", "v1.29.1", "0.37.8"
	daemonSet(s, tolerating(oldTaint))
	g.Expect(codes(run(t, s, spec))).NotTo(ContainElement("RenamedTaintTolerated"))
	spec.Target.Version = "1.0.14"
	g.Expect(codes(run(t, s, spec))).To(ContainElement("RenamedTaintTolerated"))
}
