package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

func TestReleaseMakesGreenPoolsWhatTheyAreToBe(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	w.drive(p.Release)

	green, blue := w.nodePool("general-green"), w.nodePool("general")
	class := []string{"template", "spec", "nodeClassRef", "name"}
	w.Expect(without(green, class)).To(Equal(without(blue, class)), "budgets and weight are blue's again")
	w.Expect(green.GetLabels()).To(Equal(map[string]string{"team": "platform"}))
	w.Expect(green.GetAnnotations()).To(Equal(map[string]string{"cost-center": "42"}))
	w.Expect(w.nodeClass("default-green").GetLabels()).To(Equal(map[string]string{"team": "platform"}))

	before := []string{green.GetResourceVersion(), w.nodeClass("default-green").GetResourceVersion()}
	w.drive(p.Release)
	w.Expect([]string{w.nodePool("general-green").GetResourceVersion(), w.nodeClass("default-green").GetResourceVersion()}).To(Equal(before))
}

func TestReleaseOfAPoolThatHadNeitherWeightNorBudgets(t *testing.T) {
	w := newWorld(t, greenVersion)
	w.create(blueNodeClass)
	pool := w.object(blueNodePool)
	unstructured.RemoveNestedField(pool.Object, "spec", "weight")
	unstructured.RemoveNestedField(pool.Object, "spec", "disruption")
	w.ok(w.api.Create(w.ctx(), pool))
	p := w.nodePools()
	w.drive(p.Run, w.ready)
	w.Expect(specOf(w.nodePool("general-green"), "weight")).To(Equal(int64(100)))
	w.drive(p.Release)
	green := w.nodePool("general-green")
	w.Expect(specOf(green, "weight")).To(BeNil())
	w.Expect(specOf(green, "disruption")).To(Equal(specOf(w.nodePool("general"), "disruption")), "as the API defaults it")
}

func TestWhatUsersChangeOnAGreenPoolStays(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	change(w, w.nodePool("general-green"), func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedSlice(o.Object, []any{map[string]any{"nodes": "3"}}, "spec", "disruption", "budgets")
		_ = unstructured.SetNestedField(o.Object, int64(77), "spec", "weight")
	})
	w.drive(p.Release)
	green := w.nodePool("general-green")
	w.Expect(specOf(green, "disruption", "budgets")).To(Equal([]any{map[string]any{"nodes": "3"}}))
	w.Expect(specOf(green, "weight")).To(Equal(int64(77)))
	w.Expect(green.GetAnnotations()).To(Equal(map[string]string{"cost-center": "42"}), "the marks go")
}

func TestReleaseWithoutGreenPoolsIsDone(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Release)
	w.Expect(w.all(phase.NodePoolKind)).To(HaveLen(1))
}

func TestADamagedMarkIsNamed(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	change(w, w.nodePool("general-green"), func(o *unstructured.Unstructured) {
		o.SetAnnotations(map[string]string{v1alpha1.AnnotationBudgets: "[{"})
	})
	out := w.step(p.Release)
	w.Expect(out.Kind).To(Equal(engine.KindFail))
	w.Expect(out.Message).To(ContainSubstring("NodePool general-green: its annotation karpenter-upgrade.dev/disruption is damaged"))
}
