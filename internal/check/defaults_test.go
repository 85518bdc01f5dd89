package check

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func intstrOf(text string) intstr.IntOrString { return intstr.FromString(text) }

// beforeV1 has the cluster at the last release before 1.0.
func beforeV1(s *snapshot.Snapshot) { s.Installations[0].Version, s.Kubernetes = "0.37.8", "v1.30.0" }

var defaultsCases = map[string]nodeCase{
	"AMIs of one's own that join without the taint": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			beforeV1(s)
			set(&s.NodeClasses[0], "Custom", "spec", "amiFamily")
		},
		codes: []string{"NodeDefaultsChange", "PointOfNoReturn"}, objects: []string{"EC2NodeClass/default"}, why: []string{"karpenter.sh/unregistered:NoExecute"}, fix: "--register-with-taints",
	},
	"AMIs of one's own that join with it": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			beforeV1(s)
			set(&s.NodeClasses[0], "Custom", "spec", "amiFamily")
			set(&s.NodeClasses[0], "--register-with-taints=karpenter.sh/unregistered:NoExecute", "spec", "userData")
		},
		codes: []string{"PointOfNoReturn"},
	},
	"a NodeConfig of one's own": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			beforeV1(s)
			set(&s.NodeClasses[0], []any{map[string]any{"alias": "al2023@v20261101"}}, "spec", "amiSelectorTerms")
			set(&s.NodeClasses[0], "kind: NodeConfig", "spec", "userData")
		},
		codes: []string{"NodeDefaultsChange", "PointOfNoReturn"}, objects: []string{"EC2NodeClass/default"}, why: []string{"wins over it"},
	},
	"past 1.0": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		set(&s.NodeClasses[0], "Custom", "spec", "amiFamily")
	}},
}

func TestDefaults(t *testing.T) { testNodes(t, defaultsCases) }
