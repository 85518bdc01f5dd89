package phases

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

// active are the runs that have left Preflight and not ended.
func (w *world) active() []string {
	w.t.Helper()
	var all v1alpha1.KarpenterUpgradeList
	w.ok(w.api.List(w.ctx(), &all))
	var out []string
	for i := range all.Items {
		if all.Items[i].Status.StartedAt != nil && !all.Items[i].Ended() {
			out = append(out, all.Items[i].Name)
		}
	}
	return out
}

// blueWorld is a cluster with Karpenter 1.0.8 in which nothing speaks against an upgrade.
func blueWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.installBlue(true)
	w.convert()
	w.blue()
	w.node("n1", "general", annotated(frozen, "false"))
	return w
}

func TestOfTwoRunsOneWaitsForTheOther(t *testing.T) {
	for name, order := range map[string][]string{
		"in turns":       {"up", "second"},
		"in other turns": {"up", "second", "second", "up"},
	} {
		t.Run(name, func(t *testing.T) {
			w := blueWorld(t)
			o := w.operateAll()
			w.newRun("up")
			w.newRun("second")
			queued := func() bool { return w.read("second").Status.Phase == v1alpha1.RunQueued && len(w.active()) == 1 }
			for i := 0; !queued() && i < 40; i++ {
				o.reconcile(order[i%len(order)])
				w.play()
				w.Expect(len(w.active())).To(BeNumerically("<=", 1), "%v", w.active())
			}
			w.Expect(w.active()).To(Equal([]string{"up"}))
			w.Expect(o.reconcile("second").RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<=", time.Minute)), "it looks again by itself")
			second := w.read("second")
			w.Expect(second.Status.Message).To(Equal("waits for KarpenterUpgrade up"))
			w.Expect(kstatus(second)).To(Equal("Ready=False Queued"), "that is no failure")

			w.setMode("up", v1alpha1.ModeRollback)
			o.until("up", in(v1alpha1.RunRolledBack), w.play)
			second = o.until("second", func(u *v1alpha1.KarpenterUpgrade) bool { return u.Status.StartedAt != nil }, w.play)
			w.Expect(kstatus(second)).To(Equal("Ready=False Progressing, Reconciling=True Progressing"))
		})
	}
}

func TestARunThatIsDeletedOnItsWayTakesItsMarksBack(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("n1", "general", annotated(frozen, "false"))
	w.bare(shopNS, "keeps-its-node", "n1")
	w.release(blueRelease, blueVersion, 3)
	w.release(greenRelease, greenVersion, 2)
	w.blue()
	o := w.operateAll()
	phases := w.phases()
	w.drive(phases[v1alpha1.PhaseFreeze].Run)
	w.drive(phases[v1alpha1.PhaseHandover].Run, w.play)
	w.drive(phases[v1alpha1.PhaseNodePools].Run, w.ready)
	w.begun(p)
	w.Expect(w.marked()).NotTo(BeEmpty())
	change(w, w.read("up"), func(u *v1alpha1.KarpenterUpgrade) { u.Finalizers = []string{v1alpha1.Finalizer} })

	w.ok(w.api.Delete(w.ctx(), w.read("up")))
	w.Eventually(func() bool {
		w.pass(o.reconcile("up").RequeueAfter)
		return w.hasRun("up")
	}).WithTimeout(patience).WithPolling(glance).Should(BeFalse())
	w.Expect(w.marked()).To(BeEmpty())
	n1 := w.readNode("n1")
	w.Expect(n1.Spec.Unschedulable).To(BeFalse())
	w.Expect(n1.Annotations).To(Equal(map[string]string{frozen: "false"}))
	w.Expect(w.replicas(blueRelease)).To(BeZero(), "what leads is left alone")
	w.Expect(w.replicas(greenRelease)).To(Equal(2))
	w.Expect(specOf(w.nodePool("general-green"), "disruption")).To(Equal(specOf(w.nodePool("general"), "disruption")))
	w.Expect(o.reported()).To(ContainElement("Normal Aborted aborted in Cleanup; marks are taken back, releases, NodePools and nodes stay as they are"))
}

func TestADeletedRunIsLetGoWhenItsMarksCannotBeTakenBack(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	middle.run = waiting
	middle.release = func(*v1alpha1.KarpenterUpgrade) engine.Outcome {
		return engine.FromError(errors.New("the API server does not answer"))
	}
	o := w.operate(phases...)
	w.newRun("up")
	o.until("up", in("Freeze"))
	w.ok(w.api.Delete(w.ctx(), w.read("up")))
	u := o.until("up", in(v1alpha1.RunAborting))
	w.Expect(u.Status.Message).To(Equal("taking back the marks of Freeze: the API server does not answer"))
	w.Expect(u.Finalizers).To(Equal([]string{v1alpha1.Finalizer}))
	w.Expect(o.reconcile("up").RequeueAfter).To(BeNumerically(">", 0))

	w.pass(10 * time.Minute)
	o.reconcile("up")
	w.Expect(w.hasRun("up")).To(BeFalse(), "kubectl delete does not hang for ever")
	w.Expect(o.reported()).To(ContainElement("Warning MarksLeft let go 5m0s after its deletion; not all marks are taken back: " +
		"taking back the marks of Freeze: the API server does not answer"))
	w.Expect(o.reconcile("up").RequeueAfter).To(BeNumerically("<=", time.Millisecond))
}

func TestARunThatIsDeletedBeforeItBeganIsGone(t *testing.T) {
	w := newWorld(t, greenVersion)
	o := w.operateAll()
	w.newRun("up")
	o.reconcile("up")
	w.Expect(w.read("up").Finalizers).NotTo(BeEmpty())
	w.ok(w.api.Delete(w.ctx(), w.read("up")))
	for range 2 {
		o.reconcile("up")
	}
	w.Expect(w.hasRun("up")).To(BeFalse())
}
