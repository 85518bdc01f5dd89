package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestANodeClaimGoesOnlyWhenTheAPIServerSaysThatTheNodeIsEmpty(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	keeper := w.bare(shopNS, "keeper", "a")
	w.begun(p)
	w.ok(w.api.Delete(w.ctx(), keeper))
	var late *corev1.Pod
	w.kit.Client = &afterList[*corev1.PodList]{Client: w.kit.Client, then: func() { late = w.bare(shopNS, "late", "a") }}
	w.step(p.Run)
	w.Expect(w.gone(w.claimOf("a"), "", "a")).To(BeFalse(), "the cache has not seen the pod; the API server has")
	w.ok(w.api.Delete(w.ctx(), late))
	w.drive(p.Run, w.terminate)
	w.Expect(w.gone(w.claimOf("a"), "", "a")).To(BeTrue())
}

func TestANodeClaimThatCameAfterTheNodeIsNotDeleted(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	w.ok(w.api.Delete(w.ctx(), get(w, w.claimOf("a"), "", "a")))
	young := w.claim("a", "general")
	w.Eventually(func() string { return w.step(p.Run).Message }).WithTimeout(patience).WithPolling(glance).Should(
		HaveSuffix("node a: it is empty, and its NodeClaim is gone: another one has its name, so Karpenter does not remove it: kubectl delete node a"))
	w.Expect(get(w, w.claimOf("a"), "", "a").GetUID()).To(Equal(young.GetUID()))
}

func TestANodeWithoutANodeClaimIsReportedAndHoldsUpNoOther(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general", func(n *corev1.Node) { n.OwnerReferences = nil })
	w.node("b", "general")
	w.Eventually(func() bool {
		w.step(p.Run)
		w.terminate()
		return w.gone(&corev1.Node{}, "", "b")
	}).WithTimeout(patience).WithPolling(glance).Should(BeTrue())
	w.Expect(w.gone(&corev1.Node{}, "", "a")).To(BeFalse())
	out := w.step(p.Run)
	w.Expect(out.Reason).To(Equal(v1alpha1.ReasonNodesBlocked))
	w.Expect(out.Message).To(HaveSuffix("1 blocked: node a: it is empty and has no NodeClaim, so Karpenter does not remove it: kubectl delete node a"))
	w.Expect(w.run.Status.Blockers).To(ConsistOf(And(HaveField("Node", "a"), HaveField("Pod", ""), HaveField("Reason", "NodeClaimMissing"))))
}

func TestMigrateLeavesGreenNodesAndOtherPoolsAlone(t *testing.T) {
	w, p := migrateWorld(t)
	for _, n := range []string{"a", "b", "c"} {
		w.node(n, "general")
	}
	w.node("gpu-1", "gpu")
	out := w.drive(p.Run, w.terminate)
	w.Expect(out.Message).To(Equal("3 of 3 nodes replaced"))
	w.Expect(w.run.Status.Nodes).To(Equal(v1alpha1.NodeCounts{Total: 3, Done: 3}))
	for _, n := range []string{"green-1", "gpu-1"} {
		w.Expect(w.gone(w.claimOf(n), "", n)).To(BeFalse(), n)
		w.Expect(w.readNode(n).Annotations).To(BeEmpty(), n)
	}
}
