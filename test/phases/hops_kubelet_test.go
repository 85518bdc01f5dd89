package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/hops"
)

// kubeletWorld is a cluster of 1.0.8 with two NodePools that share an EC2NodeClass, one of them with kubelet settings.
func kubeletWorld(t *testing.T) (*world, *hops.Phase) {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.installBlue(true, nil)
	w.create(`
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: shared}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: r
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{tags: {a: b}}]
`)
	for name, annotations := range map[string]string{"big": `{compatibility.karpenter.sh/v1beta1-kubelet-conversion: '{"maxPods":58}'}`, "plain": "{}"} {
		w.create(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: ` + name + `, annotations: ` + annotations + `}
spec:
  template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: shared}, requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]}}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
`)
	}
	p := plan()
	w.begin(p)
	w.run.Status.From = blueVersion
	return w, &hops.Phase{Kit: w.kit}
}

func (w *world) nodeClassOf(pool string) (name string, kubelet any, annotated bool) {
	w.t.Helper()
	o := w.nodePool(pool)
	name, _, err := unstructured.NestedString(o.Object, "spec", "template", "spec", "nodeClassRef", "name")
	w.ok(err)
	class := get(w, phase.Object(phase.NodeClassKind, name), "", name)
	kubelet, _, err = unstructured.NestedFieldCopy(class.Object, "spec", "kubelet")
	w.ok(err)
	_, annotated = o.GetAnnotations()[convert.AnnotationKubelet]
	return name, kubelet, annotated
}

func TestKubeletSettingsMoveBeforeAVersionComesThatDoesNotReadThem(t *testing.T) {
	w, p := kubeletWorld(t)
	w.drive(p.Run)
	bigClass, big, annotated := w.nodeClassOf("big")
	w.Expect(annotated).To(BeFalse())
	w.Expect(big).To(Equal(map[string]any{"maxPods": int64(58)}))
	plainClass, plain, _ := w.nodeClassOf("plain")
	w.Expect(plain).To(BeNil(), "its nodes keep the defaults")
	w.Expect(plainClass).NotTo(Equal(bigClass))
	w.Expect([]string{plainClass, bigClass}).To(ContainElement("shared"))

	w.drive(p.Undo)
	for name, kubelet := range map[string]bool{"big": true, "plain": false} {
		class, settings, annotated := w.nodeClassOf(name)
		w.Expect(class).To(Equal("shared"))
		w.Expect(settings).To(BeNil())
		w.Expect(annotated).To(Equal(kubelet))
		w.Expect(w.nodePool(name).GetAnnotations()).NotTo(HaveKey(HavePrefix(v1alpha1.MarkPrefix)))
	}
	w.Expect(w.nodePool("big").GetAnnotations()[convert.AnnotationKubelet]).To(MatchJSON(`{"maxPods":58}`))
}

func TestAfterARunKubeletSettingsStayWhereTheyAreNow(t *testing.T) {
	w, p := kubeletWorld(t)
	w.drive(p.Run)
	w.drive(p.Release)
	for _, name := range []string{"big", "plain"} {
		w.Expect(w.nodePool(name).GetAnnotations()).NotTo(HaveKey(HavePrefix(v1alpha1.MarkPrefix)))
		class, _, _ := w.nodeClassOf(name)
		w.Expect(get(w, phase.Object(phase.NodeClassKind, class), "", class).GetAnnotations()).NotTo(HaveKey(HavePrefix(v1alpha1.MarkPrefix)))
	}
	_, big, _ := w.nodeClassOf("big")
	w.Expect(big).To(Equal(map[string]any{"maxPods": int64(58)}))
}

func TestKubeletSettingsDoNotMoveIntoSomebodyElsesObject(t *testing.T) {
	w, p := kubeletWorld(t)
	w.create(`
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: shared-plain}
spec: {amiSelectorTerms: [{alias: al2023@latest}], role: r, subnetSelectorTerms: [{tags: {a: b}}], securityGroupSelectorTerms: [{tags: {a: b}}]}
`)
	w.drive(p.Run)
	w.Expect(engine.KindDone).To(Equal(p.Run(w.ctx(), w.run).Kind))
	_, plain, _ := w.nodeClassOf("plain")
	w.Expect(plain).To(BeNil())
	theirs := get(w, phase.Object(phase.NodeClassKind, "shared-plain"), "", "shared-plain")
	w.Expect(theirs.GetAnnotations()).NotTo(HaveKey(HavePrefix(v1alpha1.MarkPrefix)))
}
