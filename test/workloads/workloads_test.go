package workloads

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// of returns the objects of a kind. Fields that the kind does not have are an error.
func of[T any](g *WithT, kind string) []T {
	objects, err := Objects(V1)
	g.Expect(err).NotTo(HaveOccurred())
	var out []T
	for _, o := range objects {
		if o.GetKind() == kind {
			var typed T
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &typed, true)).To(Succeed(), o.GetName())
			out = append(out, typed)
		}
	}
	return out
}

func TestThereAreSomeEightyPodsInFourNamespaces(t *testing.T) {
	g := NewWithT(t)
	pods, namespaces := 0, map[string]bool{}
	count := func(o metav1.ObjectMeta, replicas *int32) {
		pods += int(ptr.Deref(replicas, 1))
		namespaces[o.Namespace] = true
	}
	for _, d := range of[appsv1.Deployment](g, "Deployment") {
		count(d.ObjectMeta, d.Spec.Replicas)
	}
	for _, s := range of[appsv1.StatefulSet](g, "StatefulSet") {
		count(s.ObjectMeta, s.Spec.Replicas)
	}
	for _, j := range of[batchv1.Job](g, "Job") {
		count(j.ObjectMeta, j.Spec.Parallelism)
	}
	g.Expect(of[appsv1.DaemonSet](g, "DaemonSet")).To(HaveLen(1))
	g.Expect(pods).To(BeNumerically("~", 80, 6))
	g.Expect(namespaces).To(HaveLen(4))
	for _, ns := range Namespaces() {
		g.Expect(namespaces).To(HaveKey(ns))
	}
}

// TestEveryBudgetIsAboutOneWorkload: the Eviction API refuses pods that are under two.
func TestEveryBudgetIsAboutOneWorkload(t *testing.T) {
	g := NewWithT(t)
	under := map[string]int{}
	forms := map[string]bool{}
	for _, b := range of[policyv1.PodDisruptionBudget](g, "PodDisruptionBudget") {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		g.Expect(err).NotTo(HaveOccurred())
		matched := 0
		for name, template := range templates(g) {
			if name.Namespace == b.Namespace && selector.Matches(labels.Set(template.Labels)) {
				under[name.String()]++
				matched++
			}
		}
		g.Expect(matched).To(Equal(1), b.Name)
		if b.Spec.MinAvailable != nil {
			forms["minAvailable "+map[bool]string{true: "number", false: "percent"}[b.Spec.MinAvailable.Type == 0]] = true
		}
		if b.Spec.MaxUnavailable != nil {
			forms["maxUnavailable "+map[bool]string{true: "number", false: "percent"}[b.Spec.MaxUnavailable.Type == 0]] = true
			if b.Spec.MaxUnavailable.String() == "0" {
				forms["never"] = true
			}
		}
	}
	g.Expect(under).To(HaveEach(1))
	g.Expect(forms).To(And(HaveKey("minAvailable number"), HaveKey("minAvailable percent"), HaveKey("maxUnavailable number"), HaveKey("maxUnavailable percent"), HaveKey("never")))
}

type named struct{ Namespace, Name string }

func (n named) String() string { return n.Namespace + "/" + n.Name }

func templates(g *WithT) map[named]corev1.PodTemplateSpec {
	out := map[named]corev1.PodTemplateSpec{}
	for _, d := range of[appsv1.Deployment](g, "Deployment") {
		out[named{d.Namespace, d.Name}] = d.Spec.Template
	}
	for _, s := range of[appsv1.StatefulSet](g, "StatefulSet") {
		out[named{s.Namespace, s.Name}] = s.Spec.Template
	}
	for _, j := range of[batchv1.Job](g, "Job") {
		out[named{j.Namespace, j.Name}] = j.Spec.Template
	}
	return out
}

// TestNoPodAsksForANodePoolByName: it could never move to another one.
func TestNoPodAsksForANodePoolByName(t *testing.T) {
	g := NewWithT(t)
	protected := 0
	for name, template := range templates(g) {
		g.Expect(template.Spec.NodeSelector).NotTo(HaveKey("karpenter.sh/nodepool"), name.String())
		if template.Annotations["karpenter.sh/do-not-disrupt"] == "true" {
			protected++
		}
	}
	g.Expect(protected).To(Equal(1))
}

func TestNodePoolsLaunchSmallInstances(t *testing.T) {
	g := NewWithT(t)
	objects, err := Objects(V1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(objects[0].GetKind()).To(Equal("EC2NodeClass"), "what launches nodes comes first")
	kinds := map[string]int{}
	for _, o := range objects {
		kinds[o.GetKind()]++
		if o.GetKind() == "NodePool" {
			requirements, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "requirements")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(requirements).To(ContainElement(map[string]any{"key": "karpenter.k8s.aws/instance-size", "operator": "In", "values": []any{"large"}}))
		}
	}
	g.Expect(kinds).To(And(HaveKeyWithValue("NodePool", 3), HaveKeyWithValue("EC2NodeClass", 2)))
}
