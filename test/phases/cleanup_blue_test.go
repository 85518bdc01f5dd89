package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/cleanup"
)

// upgradedWorld is a cluster whose Cleanup has come so far that only the original release is left, at the target, and leads.
func upgradedWorld(t *testing.T, change ...func(*v1alpha1.KarpenterUpgradeSpec)) (*world, *cleanup.Phase) {
	t.Helper()
	w, pools := poolsWorld(t, change...)
	w.install(blueRelease, "karpenter", greenVersion, map[string]any{"settings": map[string]any{"clusterName": "sandbox"}})
	w.play()
	w.drive(pools.Run, w.ready)
	return w, &cleanup.Phase{Kit: w.kit}
}

func (w *world) hasPool(name string) bool {
	w.t.Helper()
	return !w.gone(phase.Object(phase.NodePoolKind, ""), "", name)
}

func (w *world) hasClass(name string) bool {
	w.t.Helper()
	return !w.gone(phase.Object(phase.NodeClassKind, ""), "", name)
}

func TestABlueNodePoolGoesOnlyWithoutNodeClaims(t *testing.T) {
	w, p := upgradedWorld(t)
	w.node("late", "general")
	w.node("green-1", "general-green")
	for range 3 {
		out := w.step(p.Run)
		w.Expect(out.Kind).To(Equal(engine.KindWait))
		w.Expect(out.Message).To(Equal("NodePool general has NodeClaim late again: kubectl delete nodeclaim late"))
	}
	w.pass(6 * time.Minute)
	w.elect()
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonCleanupBlocked)), "a person is to see it")
	w.Expect(out.Message).To(ContainSubstring("kubectl delete nodeclaim late"))
	w.Expect(out.After).To(BeNumerically("<=", time.Second), "it goes on at once when that is done")
	w.Expect(w.nodePool("general").GetDeletionTimestamp()).To(BeNil())
	w.Expect(w.hasClass("default")).To(BeTrue())

	w.ok(w.api.Delete(w.ctx(), w.claimOf("late")))
	w.run.Step(v1alpha1.PhaseCleanup).StartedAt = ptr.To(w.now())
	w.drive(p.Run)
	w.Expect(w.hasPool("general")).To(BeFalse())
	w.Expect(w.hasClass("default")).To(BeFalse())
	w.Expect(w.hasPool("general-green")).To(BeTrue())
	w.Expect(w.hasClass("default-green")).To(BeTrue())
	w.Expect(w.gone(w.claimOf("green-1"), "", "green-1")).To(BeFalse())
	w.Expect(w.marked()).To(BeEmpty())
}

func TestAnEC2NodeClassThatANodePoolRefersToStays(t *testing.T) {
	w, p := upgradedWorld(t)
	theirs := w.object(blueNodePool)
	theirs.SetName("gpu") // excluded from the run, with the same EC2NodeClass
	w.ok(w.api.Create(w.ctx(), theirs))
	w.drive(p.Run)
	w.Expect(w.hasPool("general")).To(BeFalse())
	w.Expect(w.hasPool("gpu")).To(BeTrue())
	w.Expect(w.nodeClass("default").GetDeletionTimestamp()).To(BeNil())
}

func TestCleanupWaitsUntilANodePoolIsReallyGone(t *testing.T) {
	w, p := upgradedWorld(t)
	change(w, w.nodePool("general"), func(o *unstructured.Unstructured) { o.SetFinalizers([]string{"karpenter.sh/termination"}) })
	for range 3 {
		w.Expect(w.step(p.Run).Message).To(Equal("NodePool general is being deleted"))
	}
	w.Expect(w.hasClass("default")).To(BeTrue(), "the NodePool still refers to it")
	change(w, w.nodePool("general"), func(o *unstructured.Unstructured) { o.SetFinalizers(nil) })
	w.drive(p.Run)
	w.Expect(w.hasClass("default")).To(BeFalse())
}

func TestKeepBlueKeepsNodePoolsAndEC2NodeClasses(t *testing.T) {
	w, p := upgradedWorld(t, func(s *v1alpha1.KarpenterUpgradeSpec) { s.NodePools = &v1alpha1.NodePools{KeepBlue: true} })
	w.claim("late", "general")
	pool, class := w.nodePool("general"), w.nodeClass("default")
	w.drive(p.Run)
	w.Expect(w.nodePool("general")).To(Equal(pool))
	w.Expect(w.nodeClass("default")).To(Equal(class))
	w.Expect(specOf(w.nodePool("general-green"), "weight")).To(Equal(int64(100)), "above blue, which would take new nodes otherwise")
	w.Expect(specOf(w.nodePool("general-green"), "disruption")).To(Equal(specOf(pool, "disruption")))
	w.Expect(w.marked()).To(BeEmpty())
}

func TestABlueReleaseWhoseValuesSayNoReplicasIsStartedAllTheSame(t *testing.T) {
	w, p := upgradedWorld(t)
	w.run.Status.BlueReplicas = ptr.To[int32](3)
	change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) {
		d.Spec.Replicas = ptr.To[int32](0)
		d.Labels[v1alpha1.LabelStoppedBy] = phase.StopMark("up", 3)
	})
	w.play()
	w.drive(p.Run, w.play)
	w.Expect(w.replicas(blueRelease)).To(Equal(3), "as many as there were")
	w.Expect(w.marked()).To(BeEmpty())
}

func TestAnUpgradeOfTheReleaseThatWasCutOffIsTakenUpAgain(t *testing.T) {
	w, p := upgradedWorld(t)
	w.cutOff(blueRelease, helmrelease.StatusPendingUpgrade)
	for range 2 {
		w.Expect(w.step(p.Run).Message).To(Equal("release karpenter/karpenter is being upgraded to 1.14.1"), "whoever works on it may still be there")
	}
	w.Expect(w.helmRelease(blueRelease).Status).To(Equal("pending-upgrade"))
	w.pass(10 * time.Minute)
	w.Expect(w.step(p.Run).Kind).To(Equal(engine.KindBlocked), "so long an upgrade is worth a look")
	w.run.Step(v1alpha1.PhaseCleanup).StartedAt = ptr.To(w.now())
	w.elect()
	w.drive(p.Run, w.play)
	w.Expect(w.helmRelease(blueRelease)).To(And(HaveField("Status", "deployed"), HaveField("Version", greenVersion)))
}

func TestAGreenReleaseOfSomebodyElseBlocksCleanup(t *testing.T) {
	w, p := upgradedWorld(t)
	w.install(greenRelease, "karpenter", greenVersion, map[string]any{
		"settings": map[string]any{"clusterName": "sandbox"}, "podDisruptionBudget": map[string]any{"name": greenRelease},
	})
	w.play()
	for range 2 {
		out := w.step(p.Run)
		w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonCleanupBlocked)), "nothing fails from here on")
		w.Expect(out.Message).To(Equal("release karpenter/karpenter-green was not made by this run: helm uninstall -n karpenter karpenter-green"))
	}
	w.Expect(w.helmRelease(greenRelease).Status).To(Equal("deployed"))
	w.Expect(w.hasPool("general")).To(BeTrue())

	w.ok(shared.helm.Uninstall(w.ctx(), karpenterNS, greenRelease))
	w.killGreen()
	w.play()
	w.drive(p.Run)
}

func TestAMarkThatCannotBeReadBlocksCleanup(t *testing.T) {
	w, p := upgradedWorld(t)
	mark := w.nodePool("general-green").GetAnnotations()[v1alpha1.AnnotationBudgets]
	spoil := func(value string) {
		change(w, w.nodePool("general-green"), func(o *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(o.Object, value, "metadata", "annotations", v1alpha1.AnnotationBudgets)
		})
	}
	spoil("[{")
	out := w.driveTo(engine.KindBlocked, p.Run)
	w.Expect(out.Reason).To(Equal(v1alpha1.ReasonCleanupBlocked))
	w.Expect(out.Message).To(ContainSubstring("NodePool general-green: its annotation karpenter-upgrade.dev/disruption is damaged"))

	spoil(mark)
	w.drive(p.Run)
	w.Expect(w.marked()).To(BeEmpty())
}

func TestThereIsNoWayBackFromCleanup(t *testing.T) {
	w, p := upgradedWorld(t)
	before := w.versions()
	w.Expect(p.Undo(w.ctx(), w.run)).To(And(HaveField("Kind", engine.KindFail), HaveField("Reason", "RollbackFloorPassed")))
	w.Expect(w.versions()).To(Equal(before))
}
