package check

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

var podCases = map[string]nodeCase{
	"do not disrupt": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Pods[0].DoNotDisrupt = "true" },
		codes:  []string{"DoNotDisrupt"}, objects: []string{"Pod/shop/web-1"}, why: []string{"1 pod on 1 node (node-1) keep their nodes until they end"}, fix: "karpenter.sh/do-not-disrupt-",
	},
	"do not disrupt for a while": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods[0].DoNotDisrupt, s.Pods[0].Started = "2h", s.TakenAt.Add(-time.Hour)
			spec.Migration.DoNotDisruptTimeout = &metav1.Duration{Duration: 30 * time.Minute}
		},
		codes: []string{"DoNotDisrupt"}, objects: []string{"Pod/shop/web-1"}, why: []string{"for up to 30m0s"},
	},
	"do not disrupt, and the while is over": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Pods[0].DoNotDisrupt, s.Pods[0].Started = "2h", s.TakenAt.Add(-3*time.Hour)
	}},
	"do not disrupt, which the run is told to ignore": {change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		s.Pods[0].DoNotDisrupt = "true"
		spec.Migration.DoNotDisruptTimeout = &metav1.Duration{}
	}},
	"annotations that are dead": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods[1].DeadAnnotations = []string{snapshot.AnnotationDoNotEvict}
			s.Nodes[2].DeadAnnotations = []string{snapshot.AnnotationDoNotConsolidate}
		},
		codes: []string{"DeadAnnotation"}, objects: []string{"Pod/shop/web-2", "Node/node-3"},
		why: []string{"2 of them are annotated karpenter.sh/do-not-consolidate, karpenter.sh/do-not-evict", "since 1.0"}, fix: `karpenter.sh/do-not-disrupt: "true"`,
	},
	"a dead annotation beside the living one": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods[1].DeadAnnotations, s.Pods[1].DoNotDisrupt = []string{snapshot.AnnotationDoNotEvict}, "true"
			spec.Migration.DoNotDisruptTimeout = &metav1.Duration{}
		},
	},
	"a pod without a controller": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { bare(s) },
		codes:  []string{"BarePods"}, objects: []string{"Pod/ops/debug"}, why: []string{"keep their nodes until somebody deletes them"}, fix: "barePods: Evict",
	},
	"a pod without a controller that may be lost": {
		change: func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			bare(s)
			spec.Migration.BarePods = v1alpha1.BarePodEvict
		},
		codes: []string{"BarePods"}, objects: []string{"Pod/ops/debug"}, why: []string{"are evicted and nobody starts them again"},
	},
	"ports of the node": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Pods[0].HostPorts, s.Pods[1].HostPorts = []int32{8080}, []int32{8080}
		},
		codes: []string{"HostPorts"}, objects: []string{"Deployment/shop/web"}, why: []string{"2 pods on 2 nodes (node-1, node-2)"},
	},
	"scratch space": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Pods[0].EmptyDirs = 2 },
		codes:  []string{"LocalStorage"}, objects: []string{"Deployment/shop/web"}, why: []string{"emptyDir volumes goes with their pods: 1 pod"},
	},
	"paths of the node": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Pods[0].HostPaths = 1 },
		codes:  []string{"LocalStorage"}, objects: []string{"Deployment/shop/web"}, why: []string{"(hostPath)"},
	},
	"a pod that is on its way out": {change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { bare(s).Terminating = true }},
}

func TestPods(t *testing.T) { testNodes(t, podCases) }

func TestADeadAnnotationIsAliveUntilTheTarget(t *testing.T) {
	g := NewWithT(t)
	s, spec := populated(t)
	s.Installations[0].Version, s.Kubernetes, spec.Target.Version = "0.35.12", "v1.29.1", "0.37.8"
	for i := range s.CRDs {
		s.CRDs[i] = crd(s.CRDs[i].Name, "v1beta1", "v1")
	}
	s.Pods[0].DeadAnnotations = []string{snapshot.AnnotationDoNotEvict}
	g.Expect(codes(run(t, s, spec))).NotTo(ContainElement("DeadAnnotation"))

	spec.Target.Version = "1.0.14"
	var found *v1alpha1.Finding
	for _, f := range run(t, s, spec) {
		if f.Code == "DeadAnnotation" {
			found = &f
		}
	}
	g.Expect(found).NotTo(BeNil())
	g.Expect(found.Why).To(ContainSubstring("from 1.0 on, which is on the way"))
}

// readCases are about lists that could not be read.
var readCases = map[string]nodeCase{
	"what only checks look at": {
		change: func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Problems = []snapshot.Problem{{What: "poddisruptionbudgets", Error: "forbidden", Optional: true}, {What: "cronjobs", Error: "timeout", Optional: true}}
		},
		codes: []string{"UnreadableOptional"}, objects: []string{"poddisruptionbudgets", "cronjobs"}, why: []string{"poddisruptionbudgets: forbidden", "cronjobs: timeout"},
	},
}

func TestWhatCannotBeRead(t *testing.T) { testNodes(t, readCases) }
