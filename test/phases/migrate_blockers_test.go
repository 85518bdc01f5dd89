package phases

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

func TestABlockerSaysSinceWhen(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	w.keep("a")
	w.begun(p)
	w.step(p.Run)
	since := w.run.Status.Blockers[0].Since
	w.pass(time.Hour)
	w.step(p.Run)
	w.Expect(w.run.Status.Blockers).To(ConsistOf(HaveField("Since.Time", BeTemporally("==", since.Time))))
	w.Expect(w.run.Status.Nodes.Blocked).To(Equal(int32(1)))
	w.free("a")
	w.drive(p.Run, w.terminate)
	w.Expect(w.run.Status.Blockers).To(BeEmpty())
	w.Expect(w.run.Status.Nodes.Blocked).To(BeZero())
}

func TestABudgetThatAllowsNothingForLongIsReported(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "a", "green-1")
	w.allow(web.budget("web", 1), 0)
	w.begun(p)
	out := w.step(p.Run)
	w.Expect(out.Reason).To(Equal("Moving"))
	w.Expect(w.run.Status.Blockers).To(BeEmpty(), "budgets are used up all the time")
	w.pass(3 * time.Minute)
	out = w.step(p.Run)
	w.Expect(out.Reason).To(Equal(v1alpha1.ReasonNodesBlocked))
	w.Expect(w.run.Status.Blockers).To(ConsistOf(And(
		HaveField("Reason", drain.ReasonBudget), HaveField("Message", ContainSubstring("PodDisruptionBudget shop/web allows no disruption now")))))
}

func TestABlockedNodeLetsTheNextBegin(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	w.keep("a")
	w.begun(p)
	w.node("b", "general")
	w.node("c", "general")
	w.Eventually(func() bool {
		w.step(p.Run)
		w.terminate()
		return w.gone(&corev1.Node{}, "", "b") && w.gone(&corev1.Node{}, "", "c")
	}).WithTimeout(patience).WithPolling(glance).Should(BeTrue())
	w.Expect(w.gone(&corev1.Node{}, "", "a")).To(BeFalse())
}

func TestStatusHoldsTheFirstBlockersAndCountsAll(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	for i := range v1alpha1.MaxBlockers + 5 {
		w.bare(shopNS, fmt.Sprintf("debug-%d", i), "a")
	}
	w.begun(p)
	w.step(p.Run)
	w.Expect(w.run.Status.Blockers).To(HaveLen(v1alpha1.MaxBlockers))
	w.Expect(w.run.Status.BlockersTotal).To(Equal(int32(v1alpha1.MaxBlockers + 5)))
	w.Expect(w.run.Status.Nodes.Blocked).To(Equal(int32(1)), "nodes, not pods")
}

func TestNoFurtherNodeBeginsWhilePodsFindNoNode(t *testing.T) {
	w, p := migrateWorld(t, func(m *v1alpha1.Migration) { m.MaxUnavailable = ptr.To(intstr.FromInt(1)) })
	web := w.workload(shopNS, "web", "green-1", "green-1")
	w.run.Step(v1alpha1.PhaseMigrate).StartedAt = ptr.To(web.deployment.CreationTimestamp) // it was there before
	w.node("a", "general")
	w.begun(p)
	pending := web.start("")
	w.node("b", "general")
	w.pass(3*time.Minute + 30*time.Second) // pods are older than the operator's clock says by what the test took so far
	var out string
	w.Eventually(func() string {
		out = w.step(p.Run).Message
		w.terminate()
		return out
	}).WithTimeout(patience).WithPolling(glance).Should(ContainSubstring("no further node begins: pod shop/web-1-2 has been waiting for a node for 3m"))
	for range 3 {
		w.step(p.Run)
	}
	w.Expect(w.draining()).NotTo(ContainElement("b"))
	w.Expect(w.run.Status.Blockers).To(ContainElement(And(
		HaveField("Node", ""), HaveField("Pod", "shop/web-1-2"), HaveField("Reason", "PodPending"))))
	w.pass(3 * time.Minute)
	w.Expect(w.step(p.Run).Reason).To(Equal(v1alpha1.ReasonNodesBlocked), "it does not end by itself, and a person is told")
	w.ok(w.api.Delete(w.ctx(), pending))
	w.drive(p.Run, w.terminate)
	w.Expect(w.gone(&corev1.Node{}, "", "b")).To(BeTrue())
	w.Expect(w.run.Status.Blockers).To(BeEmpty())
}

func TestPodsThatTheRunIsNotToBlameForKeepNoNodeFromBeginning(t *testing.T) {
	w, p := migrateWorld(t)
	old := w.workload(shopNS, "old", "green-1", "green-1")
	w.run.Step(v1alpha1.PhaseMigrate).StartedAt = ptr.To(old.deployment.CreationTimestamp)
	old.start("", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"karpenter.sh/nodepool": "gpu"} })
	none := w.bare(shopNS, "impossible", "")
	none.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	w.ok(w.api.Status().Update(w.ctx(), none))
	w.node("a", "general")
	w.pass(10 * time.Minute)
	w.drive(p.Run, w.terminate)
	w.Expect(w.gone(&corev1.Node{}, "", "a")).To(BeTrue())
}

func TestANodeThatOnlyWaitsKeepsItsPlace(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "a", "green-1")
	pdb := web.budget("web", 1)
	w.allow(pdb, 0)
	w.begun(p)
	w.node("b", "general")
	w.driveTo(engine.KindWait, p.Run)
	w.pass(10 * time.Minute)
	var out engine.Outcome
	for range 3 {
		out = w.step(p.Run)
	}
	w.Expect(w.draining()).To(Equal([]string{"a"}), "maxUnavailable is 1")
	w.Expect(out.Reason).To(Equal(v1alpha1.ReasonNodesBlocked), "nothing goes on by itself, and a person is told")
	w.allow(pdb, 1)
	w.drive(p.Run, func() { web.heal("green-1") }, w.terminate)
}
