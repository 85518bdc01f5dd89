package convert

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const betaPoolHead = `
apiVersion: karpenter.sh/v1beta1
kind: NodePool
metadata: {name: p}
spec:
`

func TestNodePoolToV1(t *testing.T) {
	const ref = "nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: c}"
	const refV1 = "nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: c}"
	const refAnnotation = `{"kind":"EC2NodeClass","name":"c","apiVersion":"karpenter.k8s.aws/v1beta1"}`
	for name, tc := range map[string]struct {
		spec, want string
		annotation map[string]string // beside the reference's
		losses     []string
	}{
		"everything that stays": {`
weight: 10
limits: {cpu: 1000, memory: 2048Gi, nvidia.com/gpu: "0"}
disruption:
  consolidationPolicy: WhenEmpty
  consolidateAfter: 30s
  expireAfter: Never
  budgets: [{nodes: "10%"}, {nodes: "0", schedule: "0 9 * * 1-5", duration: 90m}]
template:
  metadata: {labels: {team: a}, annotations: {note: b}}
  spec:
    ` + ref + `
    taints: [{key: a, value: b, effect: NoSchedule}]
    startupTaints: [{key: s, effect: NoExecute}]
    requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [spot], minValues: 1}, {key: x, operator: Exists}]`, `
weight: 10
limits: {cpu: 1k, memory: 2Ti, nvidia.com/gpu: "0"}
disruption:
  consolidationPolicy: WhenEmpty
  consolidateAfter: 30s
  budgets: [{nodes: "10%"}, {nodes: "0", schedule: "0 9 * * 1-5", duration: 1h30m0s}]
template:
  metadata: {labels: {team: a}, annotations: {note: b}}
  spec:
    expireAfter: Never
    ` + refV1 + `
    taints: [{key: a, value: b, effect: NoSchedule}]
    startupTaints: [{key: s, effect: NoExecute}]
    requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [spot], minValues: 1}, {key: x, operator: Exists}]`,
			nil, []string{}},
		"WhenUnderutilized, and its expiry is forceful from now on": {`
disruption: {consolidationPolicy: WhenUnderutilized, expireAfter: 720h}
template: {spec: {requirements: [], ` + ref + `}}`, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {requirements: [], expireAfter: 720h, ` + refV1 + `}}`,
			nil, []string{"Warning spec.disruption.expireAfter"}},
		"WhenUnderutilized with Never, which says nothing": {`
disruption: {consolidationPolicy: WhenUnderutilized, consolidateAfter: Never, expireAfter: Never}
template: {spec: {requirements: [], ` + ref + `}}`, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {requirements: [], expireAfter: Never, ` + refV1 + `}}`, nil, []string{}},
		"WhenEmpty without consolidateAfter": {`
disruption: {consolidationPolicy: WhenEmpty, expireAfter: Never}
template: {spec: {requirements: [], ` + ref + `}}`, `
disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
template: {metadata: {}, spec: {requirements: [], expireAfter: Never, ` + refV1 + `}}`, nil, []string{}},
		"a manifest means what v1beta1 makes of it": {`
template: {spec: {` + ref + `}}`, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {requirements: [], expireAfter: 720h, ` + refV1 + `}}`,
			nil, []string{"Warning spec.disruption.expireAfter"}},
		"no budgets, which v1 takes for the default": {`
disruption: {expireAfter: Never, budgets: []}
template: {spec: {requirements: [], ` + ref + `}}`, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {requirements: [], expireAfter: Never, ` + refV1 + `}}`, nil, []string{"Warning spec.disruption.budgets"}},
		"kubelet": {`
disruption: {expireAfter: Never}
template:
  spec:
    ` + ref + `
    requirements: []
    kubelet:
      maxPods: 40
      evictionSoft: {memory.available: 5%}
      evictionSoftGracePeriod: {memory.available: 90s}
      clusterDNS: [10.0.0.10]
      cpuCFSQuota: false`, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {requirements: [], expireAfter: Never, ` + refV1 + `}}`,
			map[string]string{AnnotationKubelet: `{"clusterDNS":["10.0.0.10"],"maxPods":40,"evictionSoft":{"memory.available":"5%"},` +
				`"evictionSoftGracePeriod":{"memory.available":"1m30s"},"cpuCFSQuota":false}`},
			[]string{"Warning spec.template.spec.kubelet"}},
		"what v1 does not have": {`
disruption: {expireAfter: Never, surprise: 1}
template:
  spec:
    ` + ref + `
    requirements: [{key: a, operator: Exists, surprise: 2}]
    resources: {requests: {cpu: 1}}
    kubelet: {maxPods: 1, surprise: 3}
surprise: 4`, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {requirements: [{key: a, operator: Exists}], expireAfter: Never, ` + refV1 + `}}`,
			map[string]string{AnnotationKubelet: `{"maxPods":1}`},
			[]string{"Warning spec.disruption.surprise", "Warning spec.surprise", "Warning spec.template.spec.kubelet",
				"Warning spec.template.spec.kubelet.surprise", "Warning spec.template.spec.requirements[0].surprise", "Warning spec.template.spec.resources"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			beta := object(t, betaPoolHead+indented(tc.spec))
			given := beta.DeepCopy()
			got, losses, err := NodePoolToV1(beta)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(beta).To(Equal(given), "the input is not changed")
			g.Expect(got.GetAPIVersion()).To(Equal("karpenter.sh/v1"))
			g.Expect(got.Object["spec"]).To(BeComparableTo(mapping(t, "\n"+indented(tc.want)+"\n")))
			annotations := map[string]string{AnnotationNodeClassRef: refAnnotation}
			for k, v := range tc.annotation {
				annotations[k] = v
			}
			g.Expect(got.GetAnnotations()).To(Equal(annotations))
			g.Expect(brief(losses)).To(Equal(tc.losses))
			expectComplete(t, losses)
		})
	}
}

func TestNodeClassRefsToV1(t *testing.T) {
	for name, tc := range map[string]struct{ ref, want, annotation string }{
		"name only":     {"{name: c}", "{group: karpenter.k8s.aws, kind: EC2NodeClass, name: c}", `{"name":"c"}`},
		"without kind":  {"{apiVersion: karpenter.k8s.aws/v1beta1, name: c}", "{group: karpenter.k8s.aws, kind: EC2NodeClass, name: c}", `{"name":"c","apiVersion":"karpenter.k8s.aws/v1beta1"}`},
		"another kind":  {"{apiVersion: example.com/v1, kind: Other, name: c}", "{group: example.com, kind: Other, name: c}", `{"kind":"Other","name":"c","apiVersion":"example.com/v1"}`},
		"no group":      {"{apiVersion: v1, kind: Other, name: c}", "{group: v1, kind: Other, name: c}", `{"kind":"Other","name":"c","apiVersion":"v1"}`},
		"escaped names": {"{kind: 'a<b>&', name: c}", "{group: karpenter.k8s.aws, kind: 'a<b>&', name: c}", `{"kind":"a\u003cb\u003e\u0026","name":"c"}`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, _, err := NodePoolToV1(object(t, betaPoolHead+"  template: {spec: {requirements: [], nodeClassRef: "+tc.ref+"}}"))
			g.Expect(err).NotTo(HaveOccurred())
			ref, _, err := unstructured.NestedMap(got.Object, "spec", "template", "spec", "nodeClassRef")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(ref).To(Equal(mapping(t, tc.want)))
			g.Expect(got.GetAnnotations()).To(HaveKeyWithValue(AnnotationNodeClassRef, tc.annotation))
		})
	}
}

func TestNodePoolToV1KeepsMetadataAndStatus(t *testing.T) {
	g := NewWithT(t)
	beta := object(t, `
apiVersion: karpenter.sh/v1beta1
kind: NodePool
metadata:
  name: p
  uid: u
  resourceVersion: "7"
  labels: {a: b}
  annotations: {c: d, `+AnnotationKubelet+`: stale}
  finalizers: [f]
spec: {template: {spec: {requirements: [], nodeClassRef: {name: c}}}}
status: {resources: {cpu: "4"}}
`)
	got, _, err := NodePoolToV1(beta)
	g.Expect(err).NotTo(HaveOccurred())
	want := beta.DeepCopy()
	want.SetAnnotations(map[string]string{"c": "d", AnnotationNodeClassRef: `{"name":"c"}`})
	g.Expect(got.Object["metadata"]).To(BeComparableTo(want.Object["metadata"]))
	g.Expect(got.Object["status"]).To(Equal(beta.Object["status"]))
}

func TestNodePoolToV1Refuses(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"another version":   {"{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: p}}", "NodePool/p: it is of apiVersion karpenter.sh/v1"},
		"another kind":      {"{apiVersion: karpenter.sh/v1beta1, kind: NodeClaim, metadata: {name: p}}", "kind NodePool is wanted"},
		"no class":          {betaPoolHead + "  template: {spec: {}}", "NodePool/p: spec.template.spec.nodeClassRef: it names no EC2NodeClass"},
		"a wrong type":      {betaPoolHead + "  template: [1]", "NodePool/p: spec.template: it is []interface {} and not a mapping"},
		"a wrong duration":  {betaPoolHead + "  {disruption: {expireAfter: soon}, template: {spec: {nodeClassRef: {name: c}}}}", `spec.disruption.expireAfter: time: invalid duration "soon"`},
		"a wrong quantity":  {betaPoolHead + "  {limits: {cpu: much}, template: {spec: {nodeClassRef: {name: c}}}}", `spec.limits.cpu: "much" is not a quantity`},
		"wrong kubelet":     {betaPoolHead + "  {template: {spec: {kubelet: {maxPods: many}, nodeClassRef: {name: c}}}}", "spec.template.spec.kubelet: reading the kubelet settings"},
		"an item of a list": {betaPoolHead + "  {template: {spec: {taints: [x], nodeClassRef: {name: c}}}}", "spec.template.spec.taints[0]: it is string and not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := NodePoolToV1(object(t, tc.doc))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
			NewWithT(t).Expect(got).To(BeNil())
		})
	}
}
