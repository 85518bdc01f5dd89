package live

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func parsed(t *testing.T, doc string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	NewWithT(t).Expect(yaml.Unmarshal([]byte(doc), &u.Object)).To(Succeed())
	return u
}

const claimV1 = `
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata:
  name: general-x
  creationTimestamp: "2026-11-20T12:00:00Z"
  deletionTimestamp: "2026-11-20T13:00:00Z"
  finalizers: [karpenter.sh/termination]
  labels: {karpenter.sh/nodepool: general}
  annotations:
    karpenter.sh/nodepool-hash: "1"
    karpenter.sh/nodepool-hash-version: v3
    karpenter.k8s.aws/ec2nodeclass-hash: "2"
    karpenter.k8s.aws/ec2nodeclass-hash-version: v4
spec:
  nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
  expireAfter: 720h
  terminationGracePeriod: 30m
status:
  nodeName: node-1
  capacity: {cpu: "4", memory: 16Gi}
  conditions:
  - {type: Launched, status: "True", reason: Launched, message: "", lastTransitionTime: "2026-11-20T12:01:00Z"}
  - {type: Registered, status: "Unknown", reason: NodeNotFound, message: Node not registered, lastTransitionTime: "2026-11-20T12:01:00Z"}
  - {type: Ready, status: "False"}
`

func TestANodeClaimAsItIsServed(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 20, hour, minute, 0, 0, time.UTC) }
	want := snapshot.NodeClaim{
		Name: "general-x", NodePool: "general", NodeClass: "default", Node: "node-1", Created: at(12, 0), Deleted: at(13, 0),
		Finalizers: []string{"karpenter.sh/termination"}, ExpireAfter: 720 * time.Hour, TerminationGracePeriod: 30 * time.Minute,
		CPU: 4000, Memory: 16 << 30, PoolHash: snapshot.Hash{Value: "1", Version: "v3"}, ClassHash: snapshot.Hash{Value: "2", Version: "v4"},
		Conditions: map[string]snapshot.Condition{
			"Launched":   {Status: "True", Since: at(12, 1)},
			"Registered": {Status: "Unknown", Reason: "NodeNotFound", Message: "Node not registered", Since: at(12, 1)},
		},
	}
	for name, tc := range map[string]struct {
		change func(*unstructured.Unstructured)
		want   func(*snapshot.NodeClaim)
	}{
		"v1": {func(*unstructured.Unstructured) {}, func(*snapshot.NodeClaim) {}},
		"v1beta1 has the age on its NodePool": {
			func(u *unstructured.Unstructured) {
				u.SetAPIVersion("karpenter.sh/v1beta1")
				unstructured.RemoveNestedField(u.Object, "spec", "expireAfter")
			},
			func(c *snapshot.NodeClaim) { c.ExpireAfter = time.Hour },
		},
		"never": {
			func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["expireAfter"] = "Never" },
			func(c *snapshot.NodeClaim) { c.ExpireAfter = 0 },
		},
		"not launched": {
			func(u *unstructured.Unstructured) { delete(u.Object, "status") },
			func(c *snapshot.NodeClaim) {
				c.Node, c.CPU, c.Memory, c.Conditions = "", 0, 0, map[string]snapshot.Condition{}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			u, expected := parsed(t, claimV1), want
			tc.change(u)
			tc.want(&expected)
			NewWithT(t).Expect(nodeClaim(u, map[string]time.Duration{"general": time.Hour})).To(BeComparableTo(expected))
		})
	}
}

func TestWhatReachesAVolume(t *testing.T) {
	term := func(key string, values ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}}}
	}
	for name, tc := range map[string]struct {
		terms        []corev1.NodeSelectorTerm
		label        string
		zones, hosts []string
	}{
		"everything":           {},
		"the EBS CSI driver's": {terms: []corev1.NodeSelectorTerm{term("topology.ebs.csi.aws.com/zone", "eu-1a")}, zones: []string{"eu-1a"}},
		"one zone or another":  {terms: []corev1.NodeSelectorTerm{term(corev1.LabelTopologyZone, "b"), term(corev1.LabelTopologyZone, "a")}, zones: []string{"a", "b"}},
		"a zone or anything":   {terms: []corev1.NodeSelectorTerm{term(corev1.LabelTopologyZone, "b"), term("tier", "x")}},
		"a disk of a node":     {terms: []corev1.NodeSelectorTerm{term(corev1.LabelHostname, "node-1")}, hosts: []string{"node-1"}},
		"by its labels":        {label: "b__a", zones: []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pv := &corev1.PersistentVolume{
				ObjectMeta: metav1.ObjectMeta{Name: "pv"},
				Spec: corev1.PersistentVolumeSpec{
					ClaimRef:     &corev1.ObjectReference{Namespace: "shop", Name: "data"},
					NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: tc.terms}},
				},
			}
			if tc.label != "" {
				pv.Labels = map[string]string{corev1.LabelTopologyZone: tc.label}
			}
			g.Expect(volume(pv)).To(BeComparableTo(snapshot.Volume{Namespace: "shop", Claim: "data", Name: "pv", Zones: tc.zones, Hosts: tc.hosts}))
		})
	}
}

func TestVolumesThatNobodyMountsAreLeftOut(t *testing.T) {
	g := NewWithT(t)
	pv := func(name, claim string) *corev1.PersistentVolume {
		return &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: "a"}},
			Spec:       corev1.PersistentVolumeSpec{ClaimRef: &corev1.ObjectReference{Namespace: "shop", Name: claim}},
		}
	}
	r, s := reading(pv("one", "data"), pv("two", "unused"))
	s.Pods = []snapshot.Pod{{Namespace: "shop", Claims: []string{"data"}}, {Namespace: "other", Claims: []string{"unused"}}}
	g.Expect(r.volumes(t.Context(), nil, s)).To(Succeed())
	g.Expect(s.Volumes).To(BeComparableTo([]snapshot.Volume{{Namespace: "shop", Claim: "data", Name: "one", Zones: []string{"a"}}}))
}
