package convert

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/convert/corpus"
)

// random is how many random objects of each kind there are.
const random = 60

// betaObjects are those of the corpus, and those that the old objects are converted into.
func betaObjects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	objects, err := corpus.Written()
	g.Expect(err).NotTo(HaveOccurred())
	more, err := corpus.Random(rand.New(rand.NewPCG(seed, 0)), random)
	g.Expect(err).NotTo(HaveOccurred())
	return slices.Concat(objects, more, fromAlpha(t))
}

// toV1 converts objects to v1, in their order.
func toV1(t *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, o := range objects {
		how := convert.EC2NodeClassToV1
		if o.GetKind() == "NodePool" {
			how = convert.NodePoolToV1
		}
		v1, _, err := how(o)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		out = append(out, v1)
	}
	return out
}

func expectAccepted(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	for _, o := range objects {
		g.Expect(accepted(t.Context(), o)).To(Succeed(), "%s %s/%s: %v", o.GetAPIVersion(), o.GetKind(), o.GetName(), o.Object["spec"])
	}
	t.Logf("%d objects were accepted", len(objects))
}

// The CRDs are those of one version after the other, as a cluster has them; there is no way back.
func TestWhatIsConvertedIsAccepted(t *testing.T) {
	objects, blocked := betaObjects(t), blockedObjects(t)
	t.Run("v1beta1 by "+beta, func(t *testing.T) {
		withCRDs(t, beta)
		expectAccepted(t, objects)
		for _, b := range blocked {
			NewWithT(t).Expect(accepted(t.Context(), b.object)).To(Succeed(), b.name)
		}
	})
	v1 := toV1(t, objects)
	v1 = slices.Concat(v1, al2023(t, v1), kubeletMoved(t, v1))
	for _, version := range []string{both, later} {
		t.Run("v1 by "+version, func(t *testing.T) {
			withCRDs(t, version)
			expectAccepted(t, v1)
			for _, b := range blocked {
				expectRefused(t, b)
			}
		})
	}
}

// blockedObject is one that v1beta1 accepts, v1 refuses with a message, and the conversion reports as a Blocker.
type blockedObject struct {
	name, message string
	object        *unstructured.Unstructured
}

func blockedObjects(t *testing.T) []blockedObject {
	t.Helper()
	var out []blockedObject
	for _, b := range []struct{ name, spec, message string }{
		{"an id beside other fields", "{amiSelectorTerms: [{id: ami-1, owner: self}, {name: x}]}", "'id' is mutually exclusive"},
		{"a tag of v1's", "{tags: {eks:eks-cluster-name: x}}", "restricted tag matching eks:eks-cluster-name"},
		{"a size in bytes", "{blockDeviceMappings: [{deviceName: a, ebs: {volumeSize: 21474836480}}]}", "volumeSize"},
		{"a size with another canonical spelling", "{blockDeviceMappings: [{deviceName: a, ebs: {volumeSize: 18432Gi}}]}", "volumeSize"},
	} {
		o := object(t, "apiVersion: karpenter.k8s.aws/v1beta1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec: "+b.spec)
		spec := o.Object["spec"].(map[string]any)
		spec["amiFamily"], spec["role"] = "AL2023", "r"
		spec["subnetSelectorTerms"] = []any{map[string]any{"id": "subnet-1"}}
		spec["securityGroupSelectorTerms"] = []any{map[string]any{"id": "sg-1"}}
		out = append(out, blockedObject{b.name, b.message, o})
	}
	return out
}

func expectRefused(t *testing.T, b blockedObject) {
	t.Helper()
	g := NewWithT(t)
	v1, losses, err := convert.EC2NodeClassToV1(b.object)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(losses).To(ContainElement(HaveField("Severity", convert.Blocker)), b.name)
	g.Expect(accepted(t.Context(), v1)).To(MatchError(ContainSubstring(b.message)), b.name)
}

// al2023 are the EC2NodeClasses of AL2 as those of AL2023.
func al2023(t *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() != "EC2NodeClass" {
			continue
		}
		changed, _, err := convert.AL2ToAL2023(o)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		if fmt.Sprint(changed.Object["spec"]) != fmt.Sprint(o.Object["spec"]) {
			out = append(out, changed)
		}
	}
	NewWithT(t).Expect(out).NotTo(BeEmpty())
	return out
}

// kubeletMoved are the EC2NodeClasses that NodePools come to have when their kubelet settings are moved.
func kubeletMoved(t *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	var pools, classes []unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == "NodePool" {
			pools = append(pools, *o)
		} else if o.GetName() == "al2023" {
			for _, name := range []string{"default", "other"} {
				c := o.DeepCopy()
				c.SetName(name)
				classes = append(classes, *c)
			}
		}
	}
	moves, _, err := convert.MoveKubelet(pools, classes)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(moves).To(ContainElement(HaveField("CopyOf", "default")))
	var out []*unstructured.Unstructured
	for _, m := range moves {
		c := classes[0].DeepCopy()
		c.SetName(m.NodeClass)
		if len(m.Kubelet) > 0 {
			g.Expect(unstructured.SetNestedMap(c.Object, m.Kubelet, "spec", "kubelet")).To(Succeed())
		}
		out = append(out, c)
	}
	return out
}

func object(t *testing.T, doc string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(doc))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	o := &unstructured.Unstructured{}
	NewWithT(t).Expect(o.UnmarshalJSON(data)).To(Succeed())
	return o
}

// fromAlpha are the objects of v1beta1 that the old ones become.
func fromAlpha(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	settings := convert.Settings{
		DefaultInstanceProfile: "KarpenterNodeInstanceProfile-sandbox", NoENILimitedPodDensity: true,
		Tags: map[string]string{"team": "platform", "kubernetes.io/cluster/sandbox": "owned"},
	}
	var out []*unstructured.Unstructured
	for i, doc := range strings.Split(alpha, "---\n") {
		o := object(t, doc)
		o.SetName(fmt.Sprintf("alpha-%d", i))
		var losses []convert.Loss
		if o.GetKind() == "Provisioner" {
			pool, class, l, err := convert.ProvisionerToV1beta1(o, settings)
			g.Expect(err).NotTo(HaveOccurred())
			out, losses = append(out, pool), l
			if class != nil {
				out = append(out, class)
			}
		} else {
			class, l, err := convert.AWSNodeTemplateToV1beta1(o, settings)
			g.Expect(err).NotTo(HaveOccurred())
			out, losses = append(out, class), l
		}
		g.Expect(losses).NotTo(ContainElement(HaveField("Severity", convert.Blocker)))
	}
	return out
}
