package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
)

func poolsWorld(t *testing.T, change ...func(*v1alpha1.KarpenterUpgradeSpec)) (*world, *nodepools.Phase) {
	t.Helper()
	w := newWorld(t, greenVersion)
	w.blue()
	w.begin(plan(), change...)
	return w, &nodepools.Phase{Kit: w.kit}
}

func TestGreenPoolsAreCopiesThatNobodyElseOwns(t *testing.T) {
	w, p := poolsWorld(t)
	pool, class := w.nodePool("general"), w.nodeClass("default")
	out := w.drive(p.Run, w.ready)
	w.Expect(out.Message).To(Equal("Ready: EC2NodeClass/default-green, NodePool/general-green"))

	greenClass := w.nodeClass("default-green")
	w.Expect(greenClass.Object["spec"]).To(Equal(class.Object["spec"]))
	w.Expect(greenClass.GetLabels()).To(Equal(map[string]string{"team": "platform", v1alpha1.LabelRun: "up"}))
	w.Expect(greenClass.GetAnnotations()).To(Equal(map[string]string{"cost-center": "42"}))

	greenPool := w.nodePool("general-green")
	ours := [][]string{{"weight"}, {"disruption", "budgets"}, {"template", "spec", "nodeClassRef", "name"}}
	w.Expect(without(greenPool, ours...)).To(Equal(without(pool, ours...)))
	w.Expect(specOf(greenPool, "weight")).To(Equal(int64(100)), "above all blue ones")
	w.Expect(specOf(greenPool, "disruption", "budgets")).To(Equal([]any{map[string]any{"nodes": "0"}}), "nothing is disrupted while the run goes on")
	w.Expect(specOf(greenPool, "template", "spec", "nodeClassRef", "name")).To(Equal("default-green"))
	w.Expect(greenPool.GetLabels()).To(Equal(map[string]string{"team": "platform", v1alpha1.LabelRun: "up"}))
	w.Expect(greenPool.GetAnnotations()).To(And(HaveLen(3), HaveKeyWithValue("cost-center", "42"), HaveKeyWithValue(v1alpha1.AnnotationWeight, "10")))

	w.Expect(w.nodePool("general")).To(Equal(pool), "blue is not touched")
	w.Expect(w.nodeClass("default")).To(Equal(class))
	w.Expect(w.all(phase.NodePoolKind)).To(HaveLen(2))
}

func raw(json string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(json)} }

func TestOverridesOfGreenPools(t *testing.T) {
	w, p := poolsWorld(t, func(s *v1alpha1.KarpenterUpgradeSpec) {
		s.NodePools = &v1alpha1.NodePools{
			NodeClassOverrides: []v1alpha1.Override{{Name: "default", Patch: raw(
				`{"amiFamily": "AL2023", "amiSelectorTerms": [{"alias": "al2023@latest"}], "userData": null, "kubelet": {"maxPods": 58}}`)}},
			Overrides: []v1alpha1.Override{{Name: "general", Patch: raw(
				`{"limits": {"memory": null, "cpu": 64}, "template": {"spec": {"expireAfter": "Never", "terminationGracePeriod": null, "taints": null}},
				  "disruption": {"budgets": [{"nodes": "5"}]}, "weight": null}`)}},
		}
	})
	w.drive(p.Run, w.ready)
	class := w.nodeClass("default-green")
	w.Expect(specOf(class, "amiFamily")).To(Equal("AL2023"))
	w.Expect(specOf(class, "amiSelectorTerms")).To(Equal([]any{map[string]any{"alias": "al2023@latest"}}))
	w.Expect(specOf(class, "userData")).To(BeNil())
	w.Expect(specOf(class, "kubelet")).To(Equal(map[string]any{"maxPods": int64(58)}))
	w.Expect(specOf(class, "blockDeviceMappings")).To(HaveLen(1), "what the patch does not name stays")

	pool := w.nodePool("general-green")
	w.Expect(specOf(pool, "limits")).To(Equal(map[string]any{"cpu": int64(64)}))
	w.Expect(specOf(pool, "template", "spec", "expireAfter")).To(Equal("Never"))
	w.Expect(specOf(pool, "template", "spec", "terminationGracePeriod")).To(BeNil())
	w.Expect(specOf(pool, "template", "spec", "taints")).To(BeNil())
	w.Expect(specOf(pool, "weight")).To(Equal(int64(100)))

	w.drive(p.Release)
	w.Expect(specOf(w.nodePool("general-green"), "disruption", "budgets")).To(Equal([]any{map[string]any{"nodes": "5"}}), "as overridden")
	w.Expect(specOf(w.nodePool("general-green"), "weight")).To(BeNil())
}

func TestAnOverrideThatTheAPIRefusesFailsThePhase(t *testing.T) {
	w, p := poolsWorld(t, func(s *v1alpha1.KarpenterUpgradeSpec) {
		s.NodePools = &v1alpha1.NodePools{NodeClassOverrides: []v1alpha1.Override{{Name: "default", Patch: raw(`{"amiFamily": "Windows95"}`)}}}
	})
	out := w.step(p.Run)
	w.Expect(out.Kind).To(Equal(engine.KindFail))
	w.Expect(out.Message).To(And(ContainSubstring("EC2NodeClass default-green"), ContainSubstring("Windows95")))
}

func TestGreenPoolsWaitUntilTheControllerFindsThemReady(t *testing.T) {
	w, p := poolsWorld(t)
	w.Expect(w.step(p.Run).Message).To(Equal("EC2NodeClass default-green was created"))
	w.Expect(w.step(p.Run)).To(And(HaveField("Reason", "WaitingForNodeClass"), HaveField("Message", "EC2NodeClass default-green is not Ready yet: Karpenter has not looked at it yet")))
	w.condition(phase.NodeClassKind, "default-green", "Ready", "False", "SubnetsNotFound")
	w.Expect(w.step(p.Run).Message).To(Equal("EC2NodeClass default-green is not Ready yet: SubnetsNotFound"))
	w.Expect(w.gone(phase.Object(phase.NodePoolKind, ""), "", "general-green")).To(BeTrue(), "a NodePool comes after its EC2NodeClass")

	w.condition(phase.NodeClassKind, "default-green", "Ready", "True", "")
	w.Expect(w.step(p.Run).Message).To(Equal("NodePool general-green was created"))
	w.condition(phase.NodePoolKind, "general-green", "Ready", "True", "")
	change(w, w.nodePool("general-green"), func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, "1h", "spec", "template", "spec", "expireAfter")
	})
	w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForNodePool"), "what was Ready speaks of an older generation")
	w.condition(phase.NodePoolKind, "general-green", "Ready", "True", "")
	w.Expect(w.step(p.Run).Kind).To(Equal(engine.KindDone))
}

func TestAGreenNameThatIsTakenIsRefused(t *testing.T) {
	for name, doc := range map[string]string{"EC2NodeClass": blueNodeClass, "NodePool": blueNodePool} {
		t.Run(name, func(t *testing.T) {
			w, p := poolsWorld(t)
			doc := w.object(doc)
			doc.SetName(doc.GetName() + "-green")
			w.ok(w.api.Create(w.ctx(), doc))
			before := doc.GetResourceVersion()
			w.Expect(w.driveTo(engine.KindFail, p.Run, w.readyButFor(doc.GetName())).Message).To(
				ContainSubstring(name + " " + doc.GetName() + " exists and was not made by this run: set spec.nodePools.suffix"))
			w.drive(p.Undo)
			w.Expect(get(w, doc, "", doc.GetName()).GetResourceVersion()).To(Equal(before), "it is neither changed nor deleted")
		})
	}
}

func TestAStaticPoolHasNoWeight(t *testing.T) {
	w, p := poolsWorld(t)
	w.create(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: static}
spec:
  replicas: 3
  template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}, requirements: []}}
`)
	w.run.Status.Plan.Pools = []v1alpha1.PoolPlan{{Blue: "static", Green: "static-green", NodeClass: "default-green"}}
	w.save()
	w.drive(p.Run, w.ready)
	green := w.nodePool("static-green")
	w.Expect(specOf(green, "replicas")).To(Equal(int64(3)))
	w.Expect(specOf(green, "weight")).To(BeNil())
}
