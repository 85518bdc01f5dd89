package phases

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/migrate"
)

// draining are the nodes that are being emptied, by name.
func (w *world) draining() []string {
	w.t.Helper()
	var out []string
	for name, annotations := range w.annotations() {
		if _, ok := annotations[v1alpha1.AnnotationDrainingSince]; ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// keep puts a pod on a node that stays until its user deletes it.
func (w *world) keep(nodes ...string) {
	w.t.Helper()
	for _, n := range nodes {
		w.bare(shopNS, "on-"+n, n)
	}
}

// free deletes that pod.
func (w *world) free(node string) {
	w.t.Helper()
	w.ok(w.api.Delete(w.ctx(), get(w, &corev1.Pod{}, shopNS, "on-"+node)))
}

// order lets Migrate empty nodes, which it may do one at a time, and says in which order it did.
func (w *world) order(p *migrate.Phase) []string {
	w.t.Helper()
	var out []string
	w.Eventually(func() engine.Kind {
		result := w.step(p.Run)
		for _, n := range w.draining() {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		w.terminate()
		return result.Kind
	}).WithTimeout(patience).WithPolling(glance).Should(Equal(engine.KindDone))
	return out
}

func TestNodesMoveNodePoolByNodePool(t *testing.T) {
	for name, tc := range map[string]struct {
		pools []string
		want  []string
	}{
		"as the plan says":           {nil, []string{"m1", "m2", "g1", "x1"}},
		"as the spec says":           {[]string{"x", "general"}, []string{"x1", "g1", "m1", "m2"}},
		"what the spec names before": {[]string{"x"}, []string{"x1", "m1", "m2", "g1"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := migrateWorld(t, func(m *v1alpha1.Migration) {
				if tc.pools != nil {
					m.Order = &v1alpha1.MigrationOrder{Nodes: &v1alpha1.NodeOrder{Pools: tc.pools}}
				}
			})
			w.run.Status.Plan.Pools = []v1alpha1.PoolPlan{
				{Blue: "memory", Green: "memory-green"}, {Blue: "general", Green: "general-green"}, {Blue: "x", Green: "x-green"},
			}
			w.save()
			for _, node := range []string{"x1", "m1", "m2", "g1"} {
				w.node(node, map[byte]string{'m': "memory", 'g': "general", 'x': "x"}[node[0]])
			}
			w.Expect(w.order(p)).To(Equal(tc.want))
		})
	}
}

func TestTheNodeOfAControllerMovesLast(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	w.node("z", "general")
	w.startPod("karpenter-green-0", map[string]string{"app.kubernetes.io/name": "karpenter"}, true, func(p *corev1.Pod) {
		p.Spec.NodeName, p.Spec.TerminationGracePeriodSeconds = "a", ptr.To[int64](0)
	})
	w.keep("z")
	web := w.workload(shopNS, "web", "z", "green-1")
	w.allow(web.budget("web", 1), 0)
	w.begun(p)
	for range 3 {
		w.step(p.Run)
	}
	w.Expect(w.draining()).To(Equal([]string{"z"}))
	w.ok(w.api.Delete(w.ctx(), &web.living()[0]))
	w.Eventually(func() []string {
		w.step(p.Run)
		return w.draining()
	}).WithTimeout(patience).WithPolling(glance).Should(Equal([]string{"a", "z"}), "last among those that are not blocked")
	w.free("z")
	w.Eventually(func() []string {
		w.step(p.Run)
		w.terminate()
		return w.draining()
	}).WithTimeout(patience).WithPolling(glance).Should(Equal([]string{"a"}))
}

func TestTheNodeOfAControllerDoesNotKeepANamespaceFromItsTurn(t *testing.T) {
	w, p := migrateWorld(t, func(m *v1alpha1.Migration) {
		m.Order = &v1alpha1.MigrationOrder{Namespaces: []string{payNS, shopNS}}
		m.BarePods = v1alpha1.BarePodEvict
	})
	w.node("a", "general")
	w.node("b", "general")
	w.startPod("karpenter-green-0", map[string]string{"app.kubernetes.io/name": "karpenter"}, true, func(p *corev1.Pod) {
		p.Spec.NodeName, p.Spec.TerminationGracePeriodSeconds = "a", ptr.To[int64](0)
	})
	w.bare(payNS, "pay", "a")
	w.keep("b")
	w.drive(p.Run, w.terminate)
}

func TestAtMostSoManyNodesAreEmptiedAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		limit intstr.IntOrString
		want  int
	}{
		"a number":                   {intstr.FromInt(2), 2},
		"a percentage, rounded up":   {intstr.FromString("25%"), 2},
		"a percentage of few is one": {intstr.FromString("1%"), 1},
		"more than there are":        {intstr.FromInt(50), 5},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := migrateWorld(t, func(m *v1alpha1.Migration) { m.MaxUnavailable = ptr.To(tc.limit) })
			for _, n := range []string{"a", "b", "c", "d", "e"} {
				w.node(n, "general")
				w.workload(shopNS, "on-"+n, n, "green-1").budget("on-"+n, 1)
				w.bare(payNS, "slow-"+n, n, func(p *corev1.Pod) { p.Labels = map[string]string{"app": "on-" + n} })
			}
			w.run.Spec.Migration.BarePods = v1alpha1.BarePodEvict
			w.begun(p)
			w.Expect(w.draining()).To(HaveLen(tc.want))
		})
	}
}

func TestNamespacesMoveOneAfterTheOther(t *testing.T) {
	w, p := migrateWorld(t, func(m *v1alpha1.Migration) {
		m.Order = &v1alpha1.MigrationOrder{Namespaces: []string{payNS, shopNS}}
		m.BarePods = v1alpha1.BarePodEvict
	})
	w.node("a", "general")
	w.node("b", "general")
	w.keep("a", "b")
	pay := w.workload(payNS, "pay", "b", "green-1")
	pdb := pay.budget("pay", 1)
	w.allow(pdb, 0)
	w.begun(p)
	w.Expect(w.draining()).To(Equal([]string{"a", "b"}), "all nodes are emptied at once, of one namespace")
	for range 3 {
		w.step(p.Run)
	}
	w.Expect(w.podsIn(shopNS, "on-a")).To(HaveLen(1), "shop waits until pay has left the blue nodes")
	w.allow(pdb, 1)
	w.drive(p.Run, w.terminate)
	w.Expect(w.podsIn(shopNS, "on-a")).To(BeEmpty())
}

func TestDoNotDisruptIsTimedFromTheTurnOfANamespace(t *testing.T) {
	w, p := migrateWorld(t, func(m *v1alpha1.Migration) {
		m.Order = &v1alpha1.MigrationOrder{Namespaces: []string{payNS, shopNS}}
		m.DoNotDisruptTimeout = &metav1.Duration{Duration: time.Hour}
	})
	w.node("a", "general")
	pay := w.bare(payNS, "pay", "a")
	web := w.workload(shopNS, "web", "green-1", "green-1")
	web.start("a", func(p *corev1.Pod) { p.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"} })
	w.begun(p)
	w.pass(2 * time.Hour)
	w.step(p.Run)
	w.Expect(w.run.Status.NamespaceTurn.Namespace).To(Equal(payNS))

	w.ok(w.api.Delete(w.ctx(), pay))
	w.step(p.Run)
	w.Expect(w.run.Status.NamespaceTurn.Namespace).To(Equal(shopNS))
	w.pass(59 * time.Minute)
	w.step(p.Run)
	w.Expect(web.nodesOf()).To(ContainElement("a"), "the hour began with the turn of shop")
	w.pass(2 * time.Minute)
	w.drive(p.Run, w.terminate)
	w.Expect(web.nodesOf()).To(HaveEach("green-1"))
	w.Expect(w.run.Status.NamespaceTurn).To(BeNil())
}
