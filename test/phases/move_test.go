package phases

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/cleanup"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
)

func TestGreenIsInstalledInTheOtherNamespaceBehindAFence(t *testing.T) {
	w, p, _ := moveWorld(t)
	out := w.drive(p.Run, func() {
		if within(w, movedNS, func() bool { return w.hasRelease(greenRelease) }) {
			w.Expect(w.fencedBy(movedNS)).To(Equal("up"), "before anything that could lead")
		}
		w.playBoth()
	})
	w.Expect(out.Message).To(Equal("release karpenter-system/karpenter-green stands by at 1.14.1, 2 of 2 pods Ready"))
	w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
	l := within(w, movedNS, w.lease)
	w.Expect(lease.Valid(l, w.clock.Now().Add(300*24*time.Hour))).To(BeTrue())
	w.ok(p.Keep(w.ctx(), w.run))
	w.Expect(within(w, movedNS, w.lease)).To(Equal(l), "what is kept is not written again")

	w.at(movedNS, func() {
		w.Expect(w.deployment(greenRelease).Spec.Template.Spec.ServiceAccountName).To(Equal("karpenter"))
		w.Expect(w.helmRelease(greenRelease).Labels).To(HaveKeyWithValue(v1alpha1.LabelRun, "up"))
	})
	account := w.account()
	w.Expect(account.Labels).To(HaveKeyWithValue(v1alpha1.LabelRun, "up"))
	w.Expect(account.Annotations).To(Equal(map[string]string{
		"eks.amazonaws.com/role-arn": roleARN, "meta.helm.sh/release-name": "karpenter", "meta.helm.sh/release-namespace": movedNS,
	}), "Helm takes it for the release's own at the end")
	w.expectBlue()

	w.drive(p.Undo, w.playBoth)
	w.expectNothingMoved()
	w.expectGreenCRDs()
	w.drive(p.Undo)
	w.expectNothingMoved()
}

func TestNothingIsInstalledWhereSomebodyElseLeads(t *testing.T) {
	w, p, _ := moveWorld(t)
	w.at(movedNS, func() { w.hold("their-karpenter_0b5c6d7e-0000-4000-8000-000000000009") })
	out := w.driveTo(engine.KindFail, p.Run)
	w.Expect(out.Message).To(ContainSubstring("lease karpenter-system/karpenter-leader-election is held by their-karpenter_"))
	w.Expect(within(w, movedNS, func() bool { return w.hasRelease(greenRelease) })).To(BeFalse())
	w.drive(p.Undo)
	w.Expect(within(w, movedNS, w.holder)).To(HavePrefix("their-karpenter_"), "it is not the run's")

	w.pass(20 * time.Second) // and then it is gone
	w.at(karpenterNS, w.elect)
	w.drive(p.Run, w.playBoth)
	w.Expect(w.fencedBy(movedNS)).To(Equal("up"))
}

func TestAFenceOfARunBeforeIsTakenOver(t *testing.T) {
	w, p, _ := moveWorld(t)
	w.at(movedNS, func() { w.hold("karpenter-upgrade-operator/before") })
	w.drive(p.Run, w.playBoth)
	w.Expect(w.fencedBy(movedNS)).To(Equal("up"))
}

func TestTheReleaseMovesAndNeverTwoLead(t *testing.T) {
	w, _, over := standbyWorld(t)
	passed := false
	w.drive(over.Run, func() {
		if w.fencedBy(movedNS) == "" {
			passed = true
			w.Expect(w.fencedBy(karpenterNS)).To(Equal("up"), "blue's is fenced before green's is open")
			w.Expect(w.replicas(blueRelease)).To(BeZero())
		}
		w.playBoth()
	})
	w.Expect(passed).To(BeTrue())
	w.Expect(w.leaders()).To(Equal([]string{movedNS}))
	w.Expect(within(w, movedNS, w.holder)).To(HavePrefix("karpenter-green-1-14-1-0_"))
	w.Expect(w.deployment(blueRelease).Labels).To(HaveKeyWithValue(v1alpha1.LabelStoppedBy, "up.2"))
	w.handoverIs(v1alpha1.StepDone)

	w.t.Log("whoever starts blue again gets a standby")
	w.argo(2)
	w.playBoth()
	w.Expect(w.pods(blueRelease)).To(HaveLen(2))
	w.Expect(w.leaders()).To(Equal([]string{movedNS}))
	w.Expect(over.Keep(w.ctx(), w.run)).To(MatchError(ContainSubstring("is being stopped again")))
	w.playBoth()
	w.ok(over.Keep(w.ctx(), w.run))

	w.node("blue-1", "general")
	w.drive((&nodepools.Phase{Kit: w.kit}).Run, w.ready)
	w.ok(w.api.Delete(w.ctx(), w.claimOf("blue-1")))
	w.terminate()
	p := &cleanup.Phase{Kit: w.kit}
	out := w.drive(p.Run, func() {
		w.playBoth()
		w.Expect(w.leaders()).To(Or(Equal([]string{movedNS}), BeEmpty()))
	})
	w.Expect(out.Message).To(Equal("release karpenter-system/karpenter is at 1.14.1, and nothing of the run is left; release karpenter/karpenter-crd of the CRDs stays where it is"))
	w.expectMoved()

	before := w.versions()
	w.drive(p.Run)
	after := w.versions()
	for _, m := range []map[string]string{before, after} {
		delete(m, "KarpenterUpgrade.karpenter-upgrade.dev /up")
	}
	w.Expect(after).To(Equal(before), "what is done is not done again")
}

// expectMoved says that one release is left, in the other namespace, with the values that it had, and nothing of the run.
func (w *world) expectMoved() {
	w.t.Helper()
	w.Expect(w.leaders()).To(Equal([]string{movedNS}))
	w.at(movedNS, func() {
		w.Expect(w.holder()).To(HavePrefix("karpenter-1-14-1-"))
		w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
		r := w.helmRelease(blueRelease)
		w.Expect(r).To(And(HaveField("Version", greenVersion), HaveField("Status", "deployed")))
		w.Expect(r.Values).To(And(HaveKeyWithValue("logLevel", "debug"), HaveKey("settings")), "those of the release that was there")
		w.Expect(*w.deployment(blueRelease).Spec.Replicas).To(Equal(int32(2)))
	})
	w.Expect(w.account().Labels).To(And(HaveKeyWithValue("app.kubernetes.io/instance", "karpenter"), Not(HaveKey(v1alpha1.LabelRun))), "Helm has taken it over")
	w.Expect(w.account().Annotations).To(HaveKeyWithValue("eks.amazonaws.com/role-arn", roleARN))
	w.Expect(w.hasRelease(blueRelease)).To(BeFalse(), "not even its record")
	w.Expect(w.hasRelease(crdRelease)).To(BeTrue())
	w.Expect(w.gone(&coordinationv1.Lease{}, karpenterNS, lease.Name)).To(BeTrue())
	var roles rbacv1.ClusterRoleList
	w.ok(w.api.List(w.ctx(), &roles, client.MatchingLabels{"app.kubernetes.io/instance": greenRelease}))
	w.Expect(roles.Items).To(BeEmpty())
	w.Expect(w.marked()).To(BeEmpty())
}

func TestAMoveThatWasCutOffWhileBlueWasRemovedIsTakenUpAgain(t *testing.T) {
	w, _, _ := handedWorld(t)
	w.drive((&nodepools.Phase{Kit: w.kit}).Run, w.ready)
	w.cutOff(blueRelease, helmrelease.StatusUninstalling)
	w.ok(w.api.Delete(w.ctx(), get(w, &rbacv1.ClusterRole{}, "", "karpenter"))) // so far it had got
	w.drive((&cleanup.Phase{Kit: w.kit}).Run, w.playBoth)
	w.expectMoved()
}

func TestAMoveThatWasCutOffWhileTheReleaseWasInstalledIsTakenUpAgain(t *testing.T) {
	w, _, _ := handedWorld(t)
	w.drive((&nodepools.Phase{Kit: w.kit}).Run, w.ready)
	p := &cleanup.Phase{Kit: w.kit}
	w.Eventually(func() bool {
		w.step(p.Run)
		w.playBoth()
		return within(w, movedNS, func() bool { return w.hasRelease(blueRelease) })
	}).WithTimeout(patience).WithPolling(glance).Should(BeTrue())
	w.Expect(w.helmRelease(blueRelease).Retired()).To(BeTrue(), "its values are kept until the release is there")
	w.at(movedNS, func() {
		w.cutOff(blueRelease, helmrelease.StatusPendingInstall)
		w.ok(w.api.Delete(w.ctx(), w.deployment(blueRelease)))
	})
	w.pass(4 * time.Minute) // after which whoever worked on it is known to be gone
	w.playBoth()
	w.drive(p.Run, w.playBoth)
	w.expectMoved()
}

func TestAMoveIsTakenBackFromWhereverItIs(t *testing.T) {
	for steps := range 8 {
		t.Run(fmt.Sprint("after so many steps: ", steps), func(t *testing.T) {
			w, install, over := standbyWorld(t)
			for i := range steps {
				over.Run(w.ctx(), w.run.DeepCopy()) // whose status is lost
				if i%2 == 0 {
					w.playBoth()
				}
			}
			w.pass(15 * time.Second)
			w.playBoth()
			w.handoverIs(v1alpha1.StepUndoing)
			w.drive(over.Undo, func() {
				w.ok(install.Keep(w.ctx(), w.run))
				w.playBoth()
			})
			w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
			w.Expect(w.replicas(blueRelease)).To(Equal(2))
			w.Expect(w.fencedBy(karpenterNS)).To(BeEmpty())
			w.handoverIs(v1alpha1.StepUndone)
			w.ok(install.Keep(w.ctx(), w.run))
			w.drive(install.Undo, w.playBoth)
			w.expectNothingMoved()
		})
	}
}

func TestBlueIsReadyBeforeGreenStopsOnTheWayBack(t *testing.T) {
	w, _, over := handedWorld(t)
	w.drive(over.Undo, func() {
		if within(w, movedNS, func() int { return w.replicas(greenRelease) }) == 0 {
			w.Expect(w.pods(blueRelease)).To(HaveLen(2))
		}
		w.playBoth()
	})
	w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
	w.Expect(w.fencedBy(movedNS)).To(Equal("up"), "green does not lead when somebody starts it")
	w.at(movedNS, func() {
		d := w.deployment(greenRelease)
		w.startPod("green-again", d.Spec.Template.Labels, true)
		w.elect()
	})
	w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
}

func TestAFenceThatSomebodyTookAwayIsWrittenAgain(t *testing.T) {
	t.Run("before the handover", func(t *testing.T) {
		w, install, over := standbyWorld(t)
		w.at(movedNS, func() {
			w.Expect(w.lease().Spec.AcquireTime).To(BeNil(), "nobody led before, so nobody has to be waited for")
		})
		w.handoverIs(v1alpha1.StepPending)
		w.steal(movedNS)
		w.Expect(install.Keep(w.ctx(), w.run)).To(MatchError(ContainSubstring("lease karpenter-system/karpenter-leader-election, which keeps release karpenter-system/karpenter-green from leading")))
		w.Expect(w.fencedBy(movedNS)).To(Equal("up"))

		w.t.Log("and where a pod was faster")
		w.steal(movedNS)
		w.at(movedNS, w.elect)
		w.Expect(install.Keep(w.ctx(), w.run)).To(HaveOccurred())
		w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
		w.ok(install.Keep(w.ctx(), w.run))
		w.handoverIs(v1alpha1.StepRunning)
		for range 3 {
			w.pass(4 * time.Second)
			w.playBoth()
			w.Expect(w.step(over.Run).Reason).To(Equal("WaitingForFence"), "it may act for some seconds more")
			w.Expect(w.replicas(blueRelease)).To(Equal(2), "blue leads on")
		}
		w.pass(4 * time.Second)
		w.playBoth()
		w.drive(over.Run, w.playBoth)
		w.Expect(w.leaders()).To(Equal([]string{movedNS}))
	})
	t.Run("after the handover", func(t *testing.T) {
		w, install, _ := handedWorld(t)
		w.steal(karpenterNS)
		w.Expect(install.Keep(w.ctx(), w.run)).To(MatchError(ContainSubstring("keeps release karpenter/karpenter from leading")))
		w.Expect(w.fencedBy(karpenterNS)).To(Equal("up"))
		w.Expect(w.leaders()).To(Equal([]string{movedNS}))
		w.ok(install.Keep(w.ctx(), w.run))
	})
}

func TestAMoveWaitsForAProcessThatOutlivesItsPod(t *testing.T) {
	w, _, over := standbyWorld(t)
	w.Expect(w.step(over.Run).Reason).To(Equal("StoppingBlue"))
	held := w.holder()
	for _, pod := range w.pods(blueRelease) {
		w.kill(pod.Name) // by force
	}
	for range 5 {
		w.pass(2 * time.Second)
		w.hold(held)
		w.Expect(w.step(over.Run).Reason).To(Equal("WaitingForLease"))
		w.Expect(w.fencedBy(movedNS)).To(Equal("up"))
		w.Expect(w.holder()).To(Equal(held), "it leads on")
	}
	w.pass(6 * time.Second)
	w.drive(over.Run, w.playBoth)
	w.Expect(w.leaders()).To(Equal([]string{movedNS}))
}

func TestAnAbortedMoveLeavesNobodyTwoLeaders(t *testing.T) {
	release := func(w *world, phases ...stepFunc) {
		for _, do := range phases {
			w.drive(do, w.playBoth)
		}
		if len(phases) > 1 {
			w.Expect(w.marked()).To(ConsistOf(HavePrefix("Secret")), "but for Helm's record of green")
		}
	}
	t.Run("before green was installed", func(t *testing.T) {
		w, install, over := moveWorld(t)
		w.ok(w.kit.FenceGreen(w.ctx(), w.run))
		w.drive(over.Release)
		w.drive(install.Release)
		w.expectNothingMoved()
	})
	t.Run("while green stands by", func(t *testing.T) {
		w, install, over := standbyWorld(t)
		release(w, over.Release)
		w.Expect(w.step(install.Release).Message).To(Equal("Lease karpenter-system/karpenter-leader-election stays held, so that release karpenter-system/karpenter-green " +
			"does not lead beside the other one; helm uninstall -n karpenter-system karpenter-green, and then kubectl delete lease -n karpenter-system karpenter-leader-election"))
		release(w, over.Release, install.Release)
		w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
		w.expectBlue()
	})
	t.Run("while blue is stopped and green does not lead yet", func(t *testing.T) {
		w, install, over := standbyWorld(t)
		for range 3 {
			w.step(over.Run)
			w.at(karpenterNS, w.play)
		}
		w.pass(15 * time.Second)
		release(w, over.Release, install.Release)
		w.playBoth()
		w.Expect(w.leaders()).To(HaveLen(1), "somebody leads")
	})
	t.Run("while green leads", func(t *testing.T) {
		w, install, over := handedWorld(t)
		w.Expect(w.step(over.Release).Message).To(And(ContainSubstring("release karpenter-system/karpenter-green leads"),
			ContainSubstring("Lease karpenter/karpenter-leader-election stays held"), ContainSubstring("helm uninstall -n karpenter karpenter,")))
		release(w, over.Release, install.Release)
		w.argo(2)
		w.playBoth()
		w.Expect(w.leaders()).To(Equal([]string{movedNS}), "blue is a standby, whoever starts it")
	})
}
