package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
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

func TestANodeThatDoesNotTerminateIsReportedAndHoldsUpNoOther(t *testing.T) {
	w, p := migrateWorld(t)
	n := w.node("a", "general", func(n *corev1.Node) { n.Finalizers = []string{"example.com/volumes"} })
	w.ok(w.api.Delete(w.ctx(), n))
	w.node("z", "general")
	w.startPod("karpenter-green-0", map[string]string{"app.kubernetes.io/name": "karpenter"}, true, func(p *corev1.Pod) {
		p.Spec.NodeName, p.Spec.TerminationGracePeriodSeconds = "z", ptr.To[int64](0)
	})
	for range 3 {
		w.step(p.Run)
	}
	w.Expect(w.run.Status.Blockers).To(BeEmpty(), "an instance takes its time")
	w.pass(10 * time.Minute)
	w.Eventually(func() []string {
		w.step(p.Run)
		return w.draining()
	}).WithTimeout(patience).WithPolling(glance).Should(ContainElement("z"), "it goes last, but not after a node that does not go")
	w.Expect(w.step(p.Run).Reason).To(Equal(v1alpha1.ReasonNodesBlocked))
	w.Expect(w.run.Status.Blockers).To(ContainElement(And(
		HaveField("Node", "a"), HaveField("Reason", drain.ReasonTerminating), HaveField("Message", ContainSubstring("finalizers: example.com/volumes")))))
}

func TestMigrateEndsWhenNoNodeClaimOfABluePoolIsLeft(t *testing.T) {
	w, p := migrateWorld(t)
	w.claim("launching", "general")
	w.claim("registered", "general")
	w.claim("gpu-1", "gpu")
	w.condition(phase.NodeClaimKind, "registered", "Registered", "True", "")
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "WaitingForNodeClaims")), out.Message)
	w.Expect(w.gone(w.claimOf("launching"), "", "launching")).To(BeTrue(), "its node would come after the end")
	w.Expect(w.gone(w.claimOf("registered"), "", "registered")).To(BeFalse(), "pods may be on its node")
	w.Expect(w.step(p.Run).Message).To(ContainSubstring("NodeClaim registered has registered, and its node is awaited"))
	w.ok(w.api.Delete(w.ctx(), get(w, w.claimOf("registered"), "", "registered")))
	w.drive(p.Run)
	w.Expect(w.gone(w.claimOf("gpu-1"), "", "gpu-1")).To(BeFalse())
}
