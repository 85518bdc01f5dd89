package phases

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

func TestARunHasAFinalizerFromItsBeginningToItsEnd(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	o := w.operate(phases...)
	w.newRun("up", func(s *v1alpha1.KarpenterUpgradeSpec) { s.Mode = v1alpha1.ModePlan })
	for range 3 {
		o.reconcile("up")
	}
	w.Expect(w.read("up").Finalizers).To(BeEmpty(), "a plan leaves no marks")
	w.Expect(w.read("up").Status.Phase).To(Equal(v1alpha1.RunPlanned))

	w.setMode("up", v1alpha1.ModeRun)
	o.written()
	status := w.read("up").Status
	w.Expect(o.reconcile("up").RequeueAfter).To(BeNumerically(">", 0))
	w.Expect(w.read("up").Finalizers).To(Equal([]string{v1alpha1.Finalizer}))
	w.Expect(o.written()).To(Equal([]string{"metadata"}), "before anything is done")
	w.Expect(w.read("up").Status).To(Equal(status))

	middle.run = waiting
	o.until("up", in("Freeze"))
	w.setMode("up", v1alpha1.ModePause)
	o.until("up", in(v1alpha1.RunPaused))
	w.Expect(w.read("up").Finalizers).To(Equal([]string{v1alpha1.Finalizer}))
	w.setMode("up", v1alpha1.ModeRun)
	middle.run = nil
	u := o.until("up", in(v1alpha1.RunSucceeded))
	w.Expect(u.Finalizers).To(BeEmpty())
	w.Expect(kstatus(u)).To(Equal("Ready=True Succeeded"))

	o.written()
	w.Expect(o.reconcile("up").RequeueAfter).To(BeZero())
	w.Expect(o.written()).To(BeEmpty(), "what has ended is left alone")
}

func TestStatusIsWrittenOnceAReconcileAndOnlyWhenItChanged(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	middle.run = waiting
	o := w.operate(phases...)
	w.newRun("up")
	for range 5 {
		o.reconcile("up")
		w.Expect(len(o.written())).To(BeNumerically("<=", 1))
	}
	before := w.read("up")
	w.Expect(before.Status.Message).To(Equal("for nodes"))
	w.pass(time.Minute)
	w.Expect(o.reconcile("up").RequeueAfter).To(Equal(time.Second))
	w.Expect(o.written()).To(BeEmpty())
	w.Expect(w.read("up")).To(Equal(before))

	middle.run = func(*v1alpha1.KarpenterUpgrade) engine.Outcome {
		return engine.Wait(time.Second, "Waiting", "for one node")
	}
	o.reconcile("up")
	w.Expect(o.written()).To(Equal([]string{"status"}))
	after := w.read("up")
	w.Expect(after.Status.Message).To(Equal("for one node"))
	w.Expect(after.Status.ObservedGeneration).To(Equal(after.Generation))
	w.Expect(conditions(after, v1alpha1.ConditionReady, v1alpha1.ConditionReconciling)).To(Equal("Ready=False Progressing, Reconciling=True Progressing"))
}

func TestAStepDuringWhichTheUserChangedTheRunIsTakenAgain(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	o := w.operate(phases...)
	w.newRun("up")
	middle.run = waiting
	o.until("up", in("Freeze"))
	o.reported()

	steps := 0
	middle.run = func(*v1alpha1.KarpenterUpgrade) engine.Outcome {
		if steps++; steps == 1 {
			w.setMode("up", v1alpha1.ModePause)
		}
		return engine.Done("frozen")
	}
	_, err := o.try("up")
	w.Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
	w.Expect(w.read("up").Step(v1alpha1.PhaseFreeze).State).To(Equal(v1alpha1.StepRunning), "nothing was written over what the user wrote")
	w.Expect(o.reported()).To(BeEmpty(), "nothing is reported that was not written")

	o.reconcile("up")
	w.Expect(w.read("up").Status.Phase).To(Equal(v1alpha1.RunPaused))
	w.Expect(steps).To(Equal(1))
	w.setMode("up", v1alpha1.ModeRun)
	o.until("up", in(v1alpha1.RunSucceeded))
	w.Expect(steps).To(Equal(2))
}

func TestEachTransitionIsReportedOnce(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	middle.run = waiting
	o := w.operate(phases...)
	w.newRun("up", func(s *v1alpha1.KarpenterUpgradeSpec) { s.OnFailure = v1alpha1.FailurePolicyPause })
	for range 10 {
		o.reconcile("up")
	}
	w.Expect(o.reported()).To(Equal([]string{
		"Normal PhaseStarted Preflight began", "Normal PhaseDone Preflight is done: all is well", "Normal PhaseStarted Freeze began",
	}))
	middle.run = func(*v1alpha1.KarpenterUpgrade) engine.Outcome { return engine.Fail("Broken", "node n1 is gone") }
	for range 5 {
		o.reconcile("up")
	}
	w.Expect(o.reported()).To(Equal([]string{
		"Warning PhaseFailed Freeze failed: node n1 is gone",
		"Warning Paused Freeze failed: node n1 is gone; set spec.mode: Rollback to go back, or Pause and then Run to try again",
	}))
	w.Expect(kstatus(w.read("up"))).To(Equal("Ready=False PhaseFailed, Stalled=True PhaseFailed, Paused=True Paused"))

	w.setMode("up", v1alpha1.ModeRollback)
	for range 10 {
		o.reconcile("up")
	}
	w.Expect(o.reported()).To(Equal([]string{
		"Normal UndoStarted taking back Freeze", "Warning RollingBack taking back Freeze", "Normal UndoDone Freeze is taken back: all is well",
		"Normal UndoStarted taking back Preflight", "Normal UndoDone Preflight is taken back: all is well",
		"Warning RolledBack rolled back to Karpenter 1.0.8 after Freeze failed: node n1 is gone",
	}))
}

func TestAFailedPhaseIsTriedAgainAfterAPause(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	o := w.operate(phases...)
	w.newRun("up", func(s *v1alpha1.KarpenterUpgradeSpec) { s.OnFailure = v1alpha1.FailurePolicyPause })
	middle.run = func(*v1alpha1.KarpenterUpgrade) engine.Outcome { return engine.Fail("Broken", "node n1 is gone") }
	o.until("up", in(v1alpha1.RunPaused))
	middle.run = nil
	o.reconcile("up")
	w.Expect(w.read("up").Status.Phase).To(Equal(v1alpha1.RunPaused), "mode Run alone does not try it again")

	w.setMode("up", v1alpha1.ModePause)
	u := o.until("up", func(u *v1alpha1.KarpenterUpgrade) bool { return u.FailedStep().HeldSince != nil })
	w.Expect(u.Status.Message).To(Equal("paused; Freeze failed: node n1 is gone; set spec.mode: Run to try it again"))
	w.Expect(kstatus(u)).To(Equal("Ready=False Paused, Paused=True Paused"))
	w.setMode("up", v1alpha1.ModeRun)
	u = o.until("up", in(v1alpha1.RunSucceeded))
	w.Expect(slices.ContainsFunc(u.Status.Steps, func(s v1alpha1.Step) bool { return s.State != v1alpha1.StepDone })).To(BeFalse())
}

func TestARunThatIsNotThereIsNoError(t *testing.T) {
	w := newWorld(t, greenVersion)
	_, phases := ladder()
	o := w.operate(phases...)
	w.Expect(o.reconcile("nobody").RequeueAfter).To(BeZero())
	w.Expect(o.written()).To(BeEmpty())
}
