package check

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// set changes a field. Where it cannot, the case that wants it fails.
func set(o *unstructured.Unstructured, value any, fields ...string) {
	_ = unstructured.SetNestedField(o.Object, value, fields...)
}

func subnets(zones ...string) []any {
	var out []any
	for _, z := range zones {
		out = append(out, map[string]any{"id": "subnet-" + z, "zone": z})
	}
	return out
}

// mounts gives the pod web-1 a volume in a zone.
func mounts(s *snapshot.Snapshot, zone string) {
	s.Pods[0].Claims = []string{"data"}
	s.Volumes = []snapshot.Volume{{Namespace: "shop", Claim: "data", Name: "pv-1", Zones: []string{zone}}}
}

// override lays a patch over the green copy of the NodePool general.
func overrideGeneral(spec *v1alpha1.KarpenterUpgradeSpec, patch string) {
	spec.NodePools = &v1alpha1.NodePools{Overrides: []v1alpha1.Override{{Name: "general", Patch: &apiextensionsv1.JSON{Raw: []byte(patch)}}}}
}

func demandsTerm(requirements ...corev1.NodeSelectorRequirement) *snapshot.Demands {
	return &snapshot.Demands{Terms: []corev1.NodeSelectorTerm{{MatchExpressions: requirements}}}
}

const zonesBC = `{"template": {"spec": {"requirements": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b", "c"]}]}}}`

var placementCases = map[string]nodeCase{
	"a volume in a zone that has a subnet": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		mounts(s, "a")
		set(&s.NodeClasses[0], subnets("a", "b"), "status", "subnets")
	}},
	"a volume in a zone, and nothing is known of subnets": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { mounts(s, "a") }},
	"a volume in a zone without a subnet": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			mounts(s, "a")
			set(&s.NodeClasses[0], subnets("b", "c"), "status", "subnets")
		},
		codes: []string{"VolumeZoneMissing"}, objects: []string{"PersistentVolumeClaim/shop/data"}, why: []string{"from a only", "1 pod on 1 node (node-1)"}, fix: "topology.kubernetes.io/zone",
	},
	"a volume in a zone that the green copy leaves out": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			mounts(s, "a")
			overrideGeneral(spec, zonesBC)
		},
		codes: []string{"VolumeZoneMissing"}, objects: []string{"PersistentVolumeClaim/shop/data"},
	},
	"a volume in a zone that another NodePool reaches": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			mounts(s, "a")
			other := s.NodePools[0].DeepCopy()
			other.SetName("other")
			s.NodePools = append(s.NodePools, *other)
			overrideGeneral(spec, zonesBC)
		},
		codes: []string{"VolumeZoneElsewhere"}, objects: []string{"PersistentVolumeClaim/shop/data"}, why: []string{"from a only"},
	},
	"a volume on a disk of the node": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			mounts(s, "a")
			s.Volumes[0].Hosts, s.Volumes[0].Zones = []string{"node-1"}, nil
		},
		codes: []string{"VolumeOnNode"}, objects: []string{"PersistentVolumeClaim/shop/data"},
	},
	"a label that somebody put on the nodes": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods[0].Demands = &snapshot.Demands{NodeSelector: map[string]string{"team": "shop", "kubernetes.io/arch": "arm64"}}
		},
		codes: []string{"NodeLabelUnknown"}, objects: []string{"Deployment/shop/web"}, why: []string{"the node label team, which no NodePool promises"}, fix: "spec.template.metadata.labels",
	},
	"a label of the NodePool's template": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Pods[0].Demands = &snapshot.Demands{NodeSelector: map[string]string{"team": "shop"}}
		set(&s.NodePools[0], map[string]any{"team": "shop"}, "spec", "template", "metadata", "labels")
	}},
	"a label of which one term can do without": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Pods[0].Demands = demandsTerm(corev1.NodeSelectorRequirement{Key: "team", Operator: corev1.NodeSelectorOpExists})
		s.Pods[0].Demands.Terms = append(s.Pods[0].Demands.Terms, corev1.NodeSelectorTerm{})
	}},
	"a label that must not be": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Pods[0].Demands = demandsTerm(corev1.NodeSelectorRequirement{Key: "virtual", Operator: corev1.NodeSelectorOpDoesNotExist})
	}},
	"a topology that no node has": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods[0].Demands = &snapshot.Demands{TopologyKeys: []string{"rack"}}
		},
		codes: []string{"NodeLabelUnknown"}, objects: []string{"Deployment/shop/web"}, why: []string{"rack"},
	},
	"a Job's pod that demands a NodePool that goes": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods = append(s.Pods, snapshot.Pod{
				Namespace: "batch", Name: "train-x", Node: "node-1", Owner: snapshot.Owner{Kind: "Job", Name: "train"},
				Demands: &snapshot.Demands{NodeSelector: map[string]string{"karpenter.sh/nodepool": "general"}},
			})
		},
		codes: []string{"PodPinned"}, objects: []string{"Job/batch/train"}, why: []string{"1 pod on 1 node (node-1)"},
	},
	"a Job's pod that takes the green NodePool too": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Pods = append(s.Pods, snapshot.Pod{
			Namespace: "batch", Name: "train-x", Node: "node-1", Owner: snapshot.Owner{Kind: "Job", Name: "train"},
			Demands: demandsTerm(corev1.NodeSelectorRequirement{Key: "karpenter.sh/nodepool", Operator: corev1.NodeSelectorOpIn, Values: []string{"general", "general-v1-14-1"}}),
		})
	}},
	"a DaemonSet and a CronJob that demand a NodePool that goes": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Workloads = append(s.Workloads,
				snapshot.Workload{Kind: "CronJob", Namespace: "batch", Name: "nightly", NodePools: []string{"general"}},
				snapshot.Workload{Kind: "DaemonSet", Namespace: "gpu", Name: "plugin", NodePools: []string{"general"}},
				snapshot.Workload{Kind: "DaemonSet", Namespace: "gpu", Name: "other", NodePools: []string{"general", "general-v1-14-1"}})
		},
		codes: []string{"TemplatePinned"}, objects: []string{"CronJob/batch/nightly", "DaemonSet/gpu/plugin"},
	},
}

func TestPlacement(t *testing.T) { testNodes(t, placementCases) }

func TestAPodIsNamedAfterItsDeploymentWithoutItsReplicaSet(t *testing.T) {
	for name, tc := range map[string]struct {
		owner snapshot.Owner
		hash  string
		want  string
	}{
		"of a Deployment":                        {snapshot.Owner{Kind: "ReplicaSet", Name: "web-5d4f"}, "5d4f", "web"},
		"of a ReplicaSet that nobody made":       {snapshot.Owner{Kind: "ReplicaSet", Name: "web-5d4f"}, "", ""},
		"of something else":                      {snapshot.Owner{Kind: "StatefulSet", Name: "web-5d4f"}, "5d4f", ""},
		"of a ReplicaSet that is called another": {snapshot.Owner{Kind: "ReplicaSet", Name: "5d4f"}, "5d4f", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := snapshot.Pod{Owner: tc.owner, Labels: map[string]string{"pod-template-hash": tc.hash}}
			NewWithT(t).Expect(p.Deployment()).To(Equal(tc.want))
		})
	}
}
