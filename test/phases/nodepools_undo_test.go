package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

func TestUndoOfNodePoolsRemovesThemWhenTheirNodesAreGone(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	w.node("green-1", "general-green")
	w.node("blue-1", "general")
	w.claim("launching", "general-green") // no Node yet
	pool, class := w.nodePool("general"), w.nodeClass("default")

	seen := map[string]bool{}
	w.driveTo(engine.KindWait, p.Undo, w.terminate)
	w.Eventually(func() string {
		out := w.step(p.Undo)
		w.terminate()
		seen[out.Reason] = true
		return out.Reason
	}).WithTimeout(patience).WithPolling(glance).Should(Equal("WaitingForNodeClaims"))
	w.Expect(specOf(w.nodePool("general-green"), "limits")).To(HaveKeyWithValue("cpu", "0"), "it launches nothing more")
	w.Expect(w.gone(phase.Object(phase.NodeClaimKind, ""), "", "green-1")).To(BeTrue())
	out := w.step(p.Undo)
	w.Expect(out.Message).To(Equal("NodePool general-green still has NodeClaim launching"))
	w.Expect(w.nodePool("general-green").GetDeletionTimestamp()).To(BeNil())

	w.ok(w.api.Delete(w.ctx(), get(w, phase.Object(phase.NodeClaimKind, ""), "", "launching")))
	w.drive(p.Undo)
	w.Expect(w.all(phase.NodePoolKind)).To(ConsistOf(*pool), "only the green ones are gone")
	w.Expect(w.all(phase.NodeClassKind)).To(ConsistOf(*class))
	w.Expect(w.readNode("blue-1").Spec.Unschedulable).To(BeFalse())
	w.Expect(w.readNode("blue-1").Annotations).To(BeEmpty())
	w.Expect(seen).NotTo(HaveKey("Deleting"), "before the last NodeClaim was gone nothing was deleted")
}

func TestUndoOfNodePoolsDeletesNodeClassesAfterTheirPools(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	pool := w.nodePool("general-green")
	pool.SetFinalizers([]string{"karpenter.sh/test"})
	w.ok(w.api.Update(w.ctx(), pool))
	for range 3 {
		w.Expect(w.step(p.Undo).Message).To(Equal("NodePool general-green is being deleted"))
	}
	w.nodeClass("default-green") // is there
	pool = w.nodePool("general-green")
	pool.SetFinalizers(nil)
	w.ok(w.api.Update(w.ctx(), pool))
	w.drive(p.Undo)
	w.Expect(w.gone(phase.Object(phase.NodeClassKind, ""), "", "default-green")).To(BeTrue())
}

func TestUndoOfNodePoolsBeforeAnythingWasMade(t *testing.T) {
	w, p := poolsWorld(t)
	w.Expect(w.step(p.Undo).Kind).To(Equal(engine.KindDone))
	w.Expect(w.all(phase.NodePoolKind)).To(HaveLen(1))
}

func TestUndoStopsAStaticPoolByItsNodes(t *testing.T) {
	w, p := poolsWorld(t)
	w.create(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: static-green, labels: {karpenter-upgrade.dev/run: up}}
spec:
  replicas: 3
  template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}, requirements: []}}
`)
	w.run.Status.Plan.Pools = []v1alpha1.PoolPlan{{Blue: "general", Green: "static-green", NodeClass: "default-green"}}
	w.claim("static-1", "static-green")
	w.Expect(w.step(p.Undo).Reason).To(Equal("WaitingForNodeClaims"))
	w.Expect(specOf(w.nodePool("static-green"), "limits")).To(Equal(map[string]any{"nodes": "0"}))
}

func TestAnAbortInTheMiddleOfUndoGivesGreenPoolsTheirLimitsBack(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	w.claim("green-1", "general-green")
	for range 2 {
		w.Expect(w.step(p.Undo).Reason).To(Equal("WaitingForNodeClaims"))
	}
	w.drive(p.Release)
	green := w.nodePool("general-green")
	w.Expect(specOf(green, "limits")).To(Equal(specOf(w.nodePool("general"), "limits")))
	w.Expect(green.GetAnnotations()).To(Equal(map[string]string{"cost-center": "42"}))
}

func TestAnAbortInTheMiddleOfUndoLeavesNoLimitsWhereThereWereNone(t *testing.T) {
	w, p := poolsWorld(t, func(s *v1alpha1.KarpenterUpgradeSpec) {
		s.NodePools = &v1alpha1.NodePools{Overrides: []v1alpha1.Override{{Name: "general", Patch: raw(`{"limits": null}`)}}}
	})
	w.drive(p.Run, w.ready)
	w.claim("green-1", "general-green")
	w.Expect(w.step(p.Undo).Reason).To(Equal("WaitingForNodeClaims"))
	w.drive(p.Release)
	w.Expect(specOf(w.nodePool("general-green"), "limits")).To(BeNil())
}

func TestAnAbortInTheMiddleOfUndoGivesGreenNodesBack(t *testing.T) {
	w, p := poolsWorld(t)
	w.drive(p.Run, w.ready)
	w.node("green-1", "general-green")
	w.node("green-2", "general-green", func(n *corev1.Node) { n.Spec.Unschedulable = true }) // by its user
	bare := &corev1.Pod{}
	bare.Namespace, bare.Name = shopNS, "bare"
	bare.Spec = corev1.PodSpec{NodeName: "green-1", Containers: []corev1.Container{{Name: "a", Image: "a"}}}
	w.ok(w.api.Create(w.ctx(), bare)) // keeps its node
	for range 4 {
		w.Expect(w.step(p.Undo).Kind).To(Equal(engine.KindWait))
	}
	w.Expect(w.readNode("green-1").Spec.Unschedulable).To(BeTrue())
	w.Expect(w.readNode("green-1").Annotations).To(And(HaveKey(v1alpha1.AnnotationCordonedBy), HaveKey(v1alpha1.AnnotationDrainingSince)))
	w.Expect(w.run.Status.Blockers).NotTo(BeEmpty())

	w.drive(p.Release)
	w.Expect(w.readNode("green-1").Spec.Unschedulable).To(BeFalse())
	w.Expect(w.readNode("green-1").Annotations).To(BeEmpty())
	w.Expect(w.readNode("green-2").Spec.Unschedulable).To(BeTrue(), "as it was")
	w.Expect(w.run.Status.Blockers).To(BeEmpty())
}
