package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/migrate"
)

// migrateWorld has a green node, and no blue ones yet.
func migrateWorld(t *testing.T, change ...func(*v1alpha1.Migration)) (*world, *migrate.Phase) {
	t.Helper()
	w := newWorld(t, greenVersion)
	w.node("green-1", "general-green")
	w.begin(plan(), func(s *v1alpha1.KarpenterUpgradeSpec) {
		s.Migration.MaxUnavailable = ptr.To(intstr.FromInt(1))
		for _, c := range change {
			c(&s.Migration)
		}
	})
	return w, &migrate.Phase{Kit: w.kit}
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

// begun takes Migrate on until nodes are being emptied.
func (w *world) begun(p *migrate.Phase) engine.Outcome {
	w.t.Helper()
	var out engine.Outcome
	w.Eventually(func() int32 {
		out = w.step(p.Run)
		return w.run.Status.Nodes.InProgress
	}).WithTimeout(patience).WithPolling(glance).Should(BeNumerically(">", 0), "%s: %s", out.Reason, out.Message)
	return out
}

func TestMigrateCordonsWhatIsNotCordonedAndUndoUncordonsOnlyThat(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general", annotated("note", "mine"))
	w.node("users", "general", cordoned)
	w.node("other-pool", "gpu")
	w.node("other-run", "gpu", cordoned, annotated(v1alpha1.AnnotationCordonedBy, "another-run"))
	for _, n := range []string{"a", "users"} {
		w.bare(shopNS, "pod-on-"+n, n)
	}
	before := w.annotations()

	w.begun(p)
	w.Expect(w.readNode("a").Spec.Unschedulable).To(BeTrue())
	w.Expect(w.readNode("a").Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationCordonedBy, "up"))
	w.Expect(w.readNode("users").Spec.Unschedulable).To(BeTrue())
	w.Expect(w.readNode("users").Annotations).NotTo(HaveKey(v1alpha1.AnnotationCordonedBy))
	for _, n := range []string{"other-pool", "green-1"} {
		w.Expect(w.readNode(n).Spec.Unschedulable).To(BeFalse(), n)
	}

	for name, undo := range map[string]stepFunc{"Undo": p.Undo, "Release": p.Release} {
		w.drive(undo)
		w.Expect(w.annotations()).To(Equal(before), name)
		w.Expect(w.readNode("a").Spec.Unschedulable).To(BeFalse(), name)
		w.Expect(w.readNode("users").Spec.Unschedulable).To(BeTrue(), name)
		w.Expect(w.readNode("other-run").Spec.Unschedulable).To(BeTrue(), name)
		w.Expect(w.run.Status.Blockers).To(BeEmpty(), name)
		w.Expect(w.run.Status.Nodes.InProgress).To(BeZero(), name)
	}
}

func TestANodeThatItsUserCordonedIsEmptiedToo(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("users", "general", cordoned) // and has no annotation at all
	w.drive(p.Run, w.terminate)
	w.Expect(w.gone(&corev1.Node{}, "", "users")).To(BeTrue())
}

func TestNodesThatJoinBluePoolsLaterAreCordonedAndCounted(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	w.bare(shopNS, "keeps-a", "a")
	w.begun(p)
	w.Expect(w.run.Status.Nodes.Total).To(Equal(int32(1)))
	w.node("late", "general")
	w.Expect(w.step(p.Run).Reason).To(Equal("Cordoning"))
	w.Expect(w.readNode("late").Spec.Unschedulable).To(BeTrue())
	w.Expect(w.run.Status.Nodes.Total).To(Equal(int32(2)))
}

func TestMigrateWithoutNodesIsDone(t *testing.T) {
	w, p := migrateWorld(t)
	w.Expect(w.step(p.Run).Message).To(Equal("0 of 0 nodes replaced"))
	w.Expect(w.readNode("green-1").Spec.Unschedulable).To(BeFalse())
}
