package convert

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const provisionerHead = "apiVersion: karpenter.sh/v1alpha5\nkind: Provisioner\nmetadata: {name: p}\nspec:\n"

// What the webhook of the old version would have put in.
const filledIn = `{key: kubernetes.io/os, operator: In, values: [linux]}, {key: kubernetes.io/arch, operator: In, values: [amd64]},
  {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}`
const filledInTypes = `{key: karpenter.k8s.aws/instance-category, operator: In, values: [c, m, r]}, {key: karpenter.k8s.aws/instance-generation, operator: Gt, values: ["2"]}`

const never3 = "disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never, expireAfter: Never}"
const refT = "nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: t}"

func TestProvisionerToV1beta1(t *testing.T) {
	const rest = "template: {metadata: {}, spec: {requirements: [" + filledIn + ", " + filledInTypes + "], " + refT + "}}"
	for name, tc := range map[string]struct {
		spec, want string
		settings   Settings
		losses     []string
	}{
		"nothing is what it means": {"{providerRef: {name: t}}", "{" + never3 + ", " + rest + "}", Settings{}, []string{}},
		"everything that stays": {`
labels: {team: a}
annotations: {note: b}
weight: 7
limits: {resources: {cpu: 1000, memory: 1000Gi}}
taints: [{key: a, effect: NoSchedule}]
startupTaints: [{key: s, value: v, effect: NoExecute}]
providerRef: {apiVersion: karpenter.k8s.aws/v1alpha1, kind: AWSNodeTemplate, name: t}`, `
` + never3 + `
weight: 7
limits: {cpu: 1k, memory: 1000Gi}
template:
  metadata: {labels: {team: a}, annotations: {note: b}}
  spec:
    taints: [{key: a, effect: NoSchedule}]
    startupTaints: [{key: s, value: v, effect: NoExecute}]
    requirements: [` + filledIn + ", " + filledInTypes + `]
    ` + refT, Settings{}, []string{}},
		"consolidation": {"{consolidation: {enabled: true}, providerRef: {name: t}}",
			"{disruption: {consolidationPolicy: WhenUnderutilized, expireAfter: Never}, " + rest + "}", Settings{}, []string{}},
		"no consolidation": {"{consolidation: {enabled: false}, providerRef: {name: t}}", "{" + never3 + ", " + rest + "}", Settings{}, []string{}},
		"TTLs": {"{ttlSecondsAfterEmpty: 30, ttlSecondsUntilExpired: 2592000, providerRef: {name: t}}",
			"{disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: 30s, expireAfter: 2592000s}, " + rest + "}", Settings{}, []string{}},
		"a TTL of nothing": {"{ttlSecondsAfterEmpty: 0, providerRef: {name: t}}",
			"{disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: 0s, expireAfter: Never}, " + rest + "}", Settings{}, []string{}},
		"requirements that say it all": {`
providerRef: {name: t}
requirements:
- {key: beta.kubernetes.io/os, operator: In, values: [windows]}
- {key: beta.kubernetes.io/arch, operator: Exists}
- {key: karpenter.sh/capacity-type, operator: In, values: [spot]}
- {key: node.kubernetes.io/instance-type, operator: In, values: [m5.large]}`, `
` + never3 + `
template:
  metadata: {}
  spec:
    ` + refT + `
    requirements:
    - {key: beta.kubernetes.io/os, operator: In, values: [windows]}
    - {key: beta.kubernetes.io/arch, operator: Exists}
    - {key: karpenter.sh/capacity-type, operator: In, values: [spot]}
    - {key: node.kubernetes.io/instance-type, operator: In, values: [m5.large]}`, Settings{}, []string{}},
		"a requirement that is gone": {"{providerRef: {name: t}, requirements: [{key: karpenter.k8s.aws/instance-pods, operator: Gt, values: ['20']}]}",
			"{" + never3 + ", " + rest + "}", Settings{}, []string{"Warning spec.requirements"}},
		"kubelet": {"{providerRef: {name: t}, kubeletConfiguration: {maxPods: 20, containerRuntime: containerd, clusterDNS: [10.0.0.10]}}",
			"{" + never3 + ", template: {metadata: {}, spec: {requirements: [" + filledIn + ", " + filledInTypes + "], " + refT + ", kubelet: {maxPods: 20, clusterDNS: [10.0.0.10]}}}}",
			Settings{NoENILimitedPodDensity: true}, []string{"Info spec.kubeletConfiguration.containerRuntime"}},
		"dockerd": {"{providerRef: {name: t}, kubeletConfiguration: {containerRuntime: dockerd}}",
			"{" + never3 + ", template: {metadata: {}, spec: {requirements: [" + filledIn + ", " + filledInTypes + "], " + refT + ", kubelet: {}}}}",
			Settings{}, []string{"Warning spec.kubeletConfiguration.containerRuntime"}},
		"a pod density that was global": {"{providerRef: {name: t}}",
			"{" + never3 + ", template: {metadata: {}, spec: {requirements: [" + filledIn + ", " + filledInTypes + "], " + refT + ", kubelet: {maxPods: 110}}}}",
			Settings{NoENILimitedPodDensity: true}, []string{"Info spec.kubeletConfiguration.maxPods"}},
		"annotations with new names": {"{providerRef: {name: t}, annotations: {karpenter.sh/do-not-consolidate: 'true'}}",
			"{" + never3 + ", template: {metadata: {annotations: {karpenter.sh/do-not-disrupt: 'true'}}, spec: {requirements: [" + filledIn + ", " + filledInTypes + "], " + refT + "}}}",
			Settings{}, []string{"Warning spec.annotations"}},
		"a provider of another kind": {"{providerRef: {kind: Other, name: t}}", "{" + never3 + ", " + rest + "}", Settings{}, []string{"Blocker spec.providerRef"}},
		"what is not known": {"{providerRef: {name: t, extra: 1}, surprise: 2, kubeletConfiguration: {extra: 3}, consolidation: {extra: 4}, limits: {extra: 5}}",
			"{" + never3 + ", template: {metadata: {}, spec: {requirements: [" + filledIn + ", " + filledInTypes + "], " + refT + ", kubelet: {}}}}", Settings{},
			[]string{"Warning spec.consolidation.extra", "Warning spec.kubeletConfiguration.extra", "Warning spec.limits.extra", "Warning spec.providerRef.extra", "Warning spec.surprise"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := object(t, provisionerHead+indented(tc.spec))
			given := in.DeepCopy()
			pool, class, losses, err := ProvisionerToV1beta1(in, tc.settings)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(in).To(Equal(given), "the input is not changed")
			g.Expect(class).To(BeNil())
			g.Expect(pool.GroupVersionKind()).To(Equal(nodePoolV1beta1))
			g.Expect(pool.Object["spec"]).To(BeComparableTo(mapping(t, "\n"+indented(tc.want)+"\n")))
			g.Expect(brief(losses)).To(Equal(tc.losses))
			expectComplete(t, losses)
		})
	}
}

func TestProvisionerWithItsProviderInline(t *testing.T) {
	g := NewWithT(t)
	pool, class, losses, err := ProvisionerToV1beta1(object(t, provisionerHead+`
  provider:
    apiVersion: extensions.karpenter.sh/v1alpha1
    kind: AWS
    amiFamily: Bottlerocket
    instanceProfile: i
    subnetSelector: {Name: a}
    securityGroupSelector: {aws-ids: sg-1}
    extra: 1
`), Settings{})
	g.Expect(err).NotTo(HaveOccurred())
	ref, _, err := unstructured.NestedMap(pool.Object, "spec", "template", "spec", "nodeClassRef")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ref).To(Equal(map[string]any{"apiVersion": "karpenter.k8s.aws/v1beta1", "kind": "EC2NodeClass", "name": "p"}))
	g.Expect(class.GetName()).To(Equal("p"))
	g.Expect(class.GroupVersionKind()).To(Equal(nodeClassV1beta1))
	g.Expect(class.Object["spec"]).To(And(HaveKeyWithValue("amiFamily", "Bottlerocket"), HaveKeyWithValue("instanceProfile", "i"),
		HaveKeyWithValue("securityGroupSelectorTerms", []any{map[string]any{"id": "sg-1"}})))
	g.Expect(brief(losses)).To(Equal([]string{"Warning spec.provider.extra"}))
}

func TestProvisionerWithoutAnyProvider(t *testing.T) {
	g := NewWithT(t)
	_, class, losses, err := ProvisionerToV1beta1(object(t, provisionerHead+"  {}"), Settings{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(class).To(BeNil())
	g.Expect(brief(losses)).To(Equal([]string{"Blocker spec.providerRef"}))
}

func TestNewKindsKeepWhatIsTheUsers(t *testing.T) {
	g := NewWithT(t)
	pool, _, losses, err := ProvisionerToV1beta1(object(t, `
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
metadata:
  name: p
  uid: u
  resourceVersion: "3"
  generation: 2
  creationTimestamp: "2023-01-01T00:00:00Z"
  labels: {a: b}
  annotations: {c: d, karpenter.sh/provisioner-hash: "1", kubectl.kubernetes.io/last-applied-configuration: "{}"}
  finalizers: [example.com/f]
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: o, uid: x}]
spec: {providerRef: {name: t}}
status: {resources: {cpu: "1"}}
`), Settings{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pool.Object["metadata"]).To(BeComparableTo(mapping(t, `{name: p, labels: {a: b}, annotations: {c: d}, finalizers: [example.com/f],
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: o, uid: x}]}`)))
	g.Expect(pool.Object).NotTo(HaveKey("status"))
	g.Expect(brief(losses)).To(Equal([]string{"Info metadata.ownerReferences"}))
}

// From v1alpha5 to v1 in two steps.
func TestProvisionerToV1(t *testing.T) {
	g := NewWithT(t)
	beta, _, _, err := ProvisionerToV1beta1(object(t, provisionerHead+"  {consolidation: {enabled: true}, kubeletConfiguration: {maxPods: 20}, providerRef: {name: t}}"), Settings{})
	g.Expect(err).NotTo(HaveOccurred())
	v1, _, err := NodePoolToV1(beta)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(v1.Object["spec"]).To(BeComparableTo(mapping(t, `
disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 0s}
template: {metadata: {}, spec: {expireAfter: Never, nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: t}, requirements: [`+filledIn+", "+filledInTypes+`]}}
`)))
	g.Expect(v1.GetAnnotations()).To(HaveKeyWithValue(AnnotationKubelet, `{"maxPods":20}`))
}
