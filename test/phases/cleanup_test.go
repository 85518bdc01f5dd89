package phases

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/cleanup"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/freeze"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
)

// cleanupWorld is a cluster in which green leads and all blue nodes have been replaced, by the phases before Cleanup.
func cleanupWorld(t *testing.T) (*world, *cleanup.Phase) {
	t.Helper()
	w, green := installWorld(t, true, map[string]any{"podLabels": map[string]any{"team": "platform"}}, targetValues(`{"logLevel": "debug"}`))
	w.node("blue-1", "general")
	w.pool("gpu", "karpenter.k8s.aws", "EC2NodeClass")
	w.node("excluded-1", "gpu", annotated(frozen, "false"))
	w.drive((&freeze.Phase{Kit: w.kit}).Run)
	w.drive(green.Run, w.play)
	w.drive((&handover.Phase{Kit: w.kit}).Run, w.play)
	w.drive((&nodepools.Phase{Kit: w.kit}).Run, w.ready)
	w.node("green-1", "general-green")
	w.ok(w.api.Delete(w.ctx(), w.claimOf("blue-1")))
	w.terminate()
	w.Expect(w.marked()).NotTo(BeEmpty())
	w.permitted()
	return w, &cleanup.Phase{Kit: w.kit}
}

func TestCleanupLeavesOneReleaseAtTheTargetAndNothingOfTheRun(t *testing.T) {
	w, p := cleanupWorld(t)
	order := []string{}
	w.drive(p.Run, func() {
		w.expectSomebodyLeads()
		w.killGreen()
		w.play()
		order = w.note(order)
	})
	w.Expect(order).To(Equal([]string{"the release is upgraded", "green is gone", "the blue NodePool is gone", "the blue EC2NodeClass is gone"}))

	blue := w.helmRelease(blueRelease)
	w.Expect(blue).To(And(HaveField("Version", greenVersion), HaveField("Status", "deployed"), HaveField("Revision", 2)), "upgraded once")
	w.Expect(blue.Values).To(And(HaveKeyWithValue("logLevel", "debug"), HaveKey("podLabels"), HaveKey("settings")))
	d := w.deployment(blueRelease)
	w.Expect(d.Spec.Template.Spec.Containers[0].Image).To(ContainSubstring(":" + greenVersion + "@"))
	w.Expect(*d.Spec.Replicas).To(Equal(int32(2)))
	w.Expect(w.holder()).To(HavePrefix("karpenter-1-14-1-"))
	w.Expect(w.gone(&corev1.ServiceAccount{}, karpenterNS, "karpenter")).To(BeFalse(), "green's was the same one")
	w.Expect(w.gone(&policyv1.PodDisruptionBudget{}, karpenterNS, greenRelease)).To(BeTrue())
	var roles rbacv1.ClusterRoleList
	w.ok(w.api.List(w.ctx(), &roles, client.MatchingLabels{"app.kubernetes.io/instance": greenRelease}))
	w.Expect(roles.Items).To(BeEmpty())

	w.Expect(w.marked()).To(BeEmpty())
	w.Expect(w.readNode("excluded-1").Annotations).To(Equal(map[string]string{frozen: "false"}), "as its user had it")
	w.Expect(specOf(w.nodePool("general-green"), "weight")).To(Equal(int64(10)), "what blue's was")
	w.Expect(w.readNode("green-1").Spec.Unschedulable).To(BeFalse())

	before := w.versions()
	w.Expect(w.step(p.Run).Message).To(Equal("release karpenter/karpenter is at 1.14.1, and nothing of the run is left"))
	after := w.versions()
	for _, m := range []map[string]string{before, after} {
		delete(m, "KarpenterUpgrade.karpenter-upgrade.dev /up")
	}
	w.Expect(after).To(Equal(before), "what is done is not done again")
}

// note adds what has come about since it was last looked.
func (w *world) note(order []string) []string {
	w.t.Helper()
	for _, e := range []struct {
		what  string
		holds func() bool
	}{
		{"the release is upgraded", func() bool { return w.helmRelease(blueRelease).Version == greenVersion }},
		{"green is gone", func() bool { return !w.hasRelease(greenRelease) }},
		{"the blue NodePool is gone", func() bool { return w.gone(phase.Object(phase.NodePoolKind, ""), "", "general") }},
		{"the blue EC2NodeClass is gone", func() bool { return w.gone(phase.Object(phase.NodeClassKind, ""), "", "default") }},
	} {
		if !slices.Contains(order, e.what) && e.holds() {
			order = append(order, e.what)
		}
	}
	return order
}

// expectSomebodyLeads says that there are Ready pods of one release at least, and that green goes only when blue is whole.
func (w *world) expectSomebodyLeads() {
	w.t.Helper()
	if w.hasRelease(greenRelease) {
		w.Expect(w.replicas(greenRelease)).To(Equal(2))
		return
	}
	pods := w.pods(blueRelease)
	w.Expect(pods).To(HaveLen(2))
	for i := range pods {
		w.Expect(drain.Ready(&pods[i])).To(BeTrue(), pods[i].Name)
		w.Expect(pods[i].Name).To(ContainSubstring("1-14-1"))
	}
}

func TestGreenLeadsUntilThePodsOfTheUpgradedReleaseAreReady(t *testing.T) {
	w, p := cleanupWorld(t)
	for _, o := range []engine.Outcome{w.step(p.Run), w.step(p.Run)} {
		w.Expect(o).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "CleaningUp")), o.Message)
	}
	d := w.deployment(blueRelease)
	w.setStatus(d, 2, 2)
	w.startPod(podName(d, 0), d.Spec.Template.Labels, true)
	w.startPod(podName(d, 1), d.Spec.Template.Labels, false)
	for range 3 {
		w.Expect(w.step(p.Run).Message).To(Equal("1 of 2 pods of Deployment karpenter/karpenter are Ready; green leads until they are"))
	}
	w.Expect(w.replicas(greenRelease)).To(Equal(2))
	w.Expect(w.holder()).To(HavePrefix("karpenter-green-1-14-1-0_"))

	for _, pod := range w.pods(blueRelease) {
		w.setReady(&pod, true)
	}
	w.Expect(w.step(p.Run).Message).To(Equal("release karpenter/karpenter-green is being removed"))
	w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
	w.Expect(w.step(p.Run).Message).To(Equal("pods of release karpenter/karpenter-green still there: 2"))
	w.Expect(w.holder()).To(HavePrefix("karpenter-green-1-14-1-0_"), "it is not taken from a pod that may still lead")
	w.killGreen()
	w.pass(6 * time.Second)
	w.Expect(w.step(p.Run).Message).To(Equal("waiting for a pod of release karpenter/karpenter to hold the Lease"))
	w.Expect(w.holder()).To(BeEmpty(), "its pod is gone, and nobody renews it: nobody has to wait for it to expire")
	w.Expect(w.gone(phase.Object(phase.NodePoolKind, ""), "", "general")).To(BeFalse(), "nothing is deleted while nobody leads")
	w.play()
	w.drive(p.Run)
}
