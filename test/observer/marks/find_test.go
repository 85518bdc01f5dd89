package marks_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/marks"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

func TestFind(t *testing.T) {
	const pool = "NodePool/general"
	for name, test := range map[string]struct {
		object string
		want   []report.Mark
	}{
		"nothing": {
			object: `
metadata:
  labels: {app: web, karpenter-upgrade.dev: x, other.example/karpenter-upgrade.dev: y}
  annotations: {sandbox.karpenter-upgrade.dev/start-delay: 1s}
  ownerReferences: [{apiVersion: karpenter-upgrade.dev/v1alpha1}]
  finalizers: [karpenter.sh/termination]
spec: {taints: [{key: other.example/taint}]}
`,
		},
		"metadata": {
			object: `
metadata:
  labels: {karpenter-upgrade.dev/run: up}
  annotations: {karpenter-upgrade.dev/frozen-by: up}
  finalizers: [karpenter-upgrade.dev/marks]
`,
			want: []report.Mark{
				{Object: pool, Where: "label", Key: "karpenter-upgrade.dev/run"},
				{Object: pool, Where: "annotation", Key: "karpenter-upgrade.dev/frozen-by"},
				{Object: pool, Where: "finalizer", Key: "karpenter-upgrade.dev/marks"},
			},
		},
		"taints": {
			object: `spec: {taints: [{key: karpenter-upgrade.dev/canary}], startupTaints: [{key: karpenter-upgrade.dev/canary}]}`,
			want: []report.Mark{
				{Object: pool, Where: "taint", Key: "karpenter-upgrade.dev/canary"},
				{Object: pool, Where: "startup taint", Key: "karpenter-upgrade.dev/canary"},
			},
		},
		"templates": {
			object: `
spec:
  template: {metadata: {labels: {karpenter-upgrade.dev/run: up}}, spec: {taints: [{key: karpenter-upgrade.dev/canary}]}}
  jobTemplate: {spec: {template: {metadata: {annotations: {karpenter-upgrade.dev/run: up}}}}}
`,
			want: []report.Mark{
				{Object: pool, Where: "spec.template.label", Key: "karpenter-upgrade.dev/run"},
				{Object: pool, Where: "spec.template.taint", Key: "karpenter-upgrade.dev/canary"},
				{Object: pool, Where: "spec.jobTemplate.spec.template.annotation", Key: "karpenter-upgrade.dev/run"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := &unstructured.Unstructured{}
			g.Expect(yaml.Unmarshal([]byte(test.object), &o.Object)).To(Succeed())
			o.SetKind("NodePool")
			o.SetName("general")
			g.Expect(marks.Find(o)).To(ConsistOf(test.want))
		})
	}
}
