package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/verify"
)

// verifyWorld is a cluster after the migration, with nothing wrong.
func verifyWorld(t *testing.T) (*world, *verify.Phase) {
	t.Helper()
	w, pools := poolsWorld(t)
	w.release(greenRelease, greenVersion, 2)
	w.drive(pools.Run, w.ready)
	w.node("green-1", "general-green")
	w.initialized("green-1")
	return w, &verify.Phase{Kit: w.kit}
}

func (w *world) initialized(claim string) {
	w.t.Helper()
	w.condition(phase.NodeClaimKind, claim, "Initialized", "True", "")
}

func TestVerifyIsDoneAfterASoakWithNothingWrong(t *testing.T) {
	w, p := verifyWorld(t)
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "Soaking")), out.Message)
	began := w.run.Status.HealthySince.DeepCopy()
	for range 29 {
		w.pass(10 * time.Second)
		w.elect()
		w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"))
		w.Expect(w.run.Status.HealthySince.Time).To(BeTemporally("==", began.Time))
	}
	w.pass(10 * time.Second)
	w.elect()
	w.Expect(w.step(p.Run).Message).To(Equal("healthy for 5m0s"))
	w.Expect(w.step(p.Undo).Kind).To(Equal(engine.KindDone))
	w.Expect(w.run.Status.HealthySince).To(BeNil())
}

func TestWhateverIsWrongBeginsTheSoakAnew(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil, mend func(w *world)
		says        string
	}{
		"nobody leads": {
			func(w *world) { w.hold("") }, (*world).elect, "no pod of release karpenter/karpenter-green leads",
		},
		"a NodePool is not Ready": {
			func(w *world) {
				w.condition(phase.NodePoolKind, "general-green", "Ready", "False", "NodeClassNotReady")
			}, (*world).ready,
			"NodePool general-green is not Ready: NodeClassNotReady",
		},
		"a green node drifts": {
			func(w *world) { w.condition(phase.NodeClaimKind, "green-1", "Drifted", "True", "AMIDrift") },
			func(w *world) { w.initialized("green-1") }, "NodeClaim green-1 has drifted: AMIDrift",
		},
		"a green node does not come up": {
			func(w *world) {
				w.claim("green-2", "general-green")
				w.pass(16 * time.Minute)
				w.elect()
			}, func(w *world) { w.initialized("green-2") }, "NodeClaim green-2 is not initialized after 15m0s: Karpenter has not looked at it yet",
		},
		"a pod waits for a node": {
			func(w *world) {
				w.workload(shopNS, "web").start("")
				w.pass(3 * time.Minute)
				w.elect()
			},
			func(w *world) { w.ok(w.api.Delete(w.ctx(), &w.podsIn(shopNS, "web")[0])) },
			"pod shop/web-1-0 waits for a node: 0/3 nodes are available",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := verifyWorld(t)
			w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"))
			w.pass(4 * time.Minute)
			w.elect()
			tc.spoil(w)
			out := w.step(p.Run)
			w.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "Unhealthy")))
			w.Expect(out.Message).To(Equal("the soak begins anew: " + tc.says))
			w.Expect(w.run.Status.HealthySince).To(BeNil())

			tc.mend(w)
			w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"))
			w.pass(2 * time.Minute)
			w.elect()
			w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"), "five minutes from the start, and two from the trouble")
		})
	}
}

func TestWhatTheRunIsNotToBlameForDoesNotDisturbTheSoak(t *testing.T) {
	w, p := verifyWorld(t)
	w.claim("blue-late", "general") // not initialized, and not green
	w.run.Step(v1alpha1.PhaseMigrate).StartedAt.Time = w.clock.Now().Add(time.Hour)
	w.workload(shopNS, "old").start("") // has been waiting since before the migration
	w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"))
}

func TestVerifyThatCannotLookDoesNotPass(t *testing.T) {
	w, p := verifyWorld(t)
	w.step(p.Run)
	w.ok(w.api.Delete(w.ctx(), w.nodePool("general-green")))
	w.pass(time.Hour)
	w.elect()
	out := w.step(p.Run)
	w.Expect(out.Kind).To(Equal(engine.KindRetry))
	w.Expect(out.Message).To(ContainSubstring("reading NodePool general-green"))
}

func TestAClusterThatGrowsDoesNotDisturbTheSoak(t *testing.T) {
	w, p := verifyWorld(t)
	w.step(p.Run)
	began := w.run.Status.HealthySince.DeepCopy()
	w.claim("green-2", "general-green")
	w.workload(shopNS, "web").start("")
	w.pass(10 * time.Second)
	w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"), "the pod waits for a node that is being launched")
	w.Expect(w.run.Status.HealthySince.Time).To(BeTemporally("==", began.Time))
}

func TestASoakThatNobodyWatchedBeginsAnew(t *testing.T) {
	w, p := verifyWorld(t)
	w.step(p.Run)
	w.pass(6 * time.Minute) // the run was paused, the operator away, or the API server
	w.elect()
	w.Expect(w.step(p.Run).Message).To(Equal("healthy since 0s, of 5m0s"))
}

func TestASoakThatNeverEndsIsAPersonsDecision(t *testing.T) {
	w, p := verifyWorld(t)
	w.condition(phase.NodePoolKind, "general-green", "Ready", "False", "NodeClassNotReady")
	w.Expect(w.step(p.Run).Reason).To(Equal("Unhealthy"))
	w.pass(31 * time.Minute)
	w.elect()
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonVerifyBlocked)))
	w.Expect(out.Message).To(And(HavePrefix("NodePool general-green is not Ready"), ContainSubstring("spec.mode: Rollback")))
	var phase any = p
	_, deadline := phase.(engine.Deadliner)
	w.Expect(deadline).To(BeFalse(), "or onFailure would move a whole cluster back for noise")
	w.ready()
	w.Expect(w.step(p.Run).Reason).To(Equal("Soaking"), "it goes on by itself")
}
