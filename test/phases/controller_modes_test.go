package phases

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// kept drops from marks those of the run's own records, which stay for whoever wants to look: its backup, which the API server
// removes with the run, and Helm's records of a release that the run made.
func kept(marks []string) []string {
	var out []string
	for _, m := range marks {
		if !strings.HasPrefix(m, "Secret "+operatorNS+"/") && !strings.HasPrefix(m, "Secret "+karpenterNS+"/sh.helm.release.v1.") {
			out = append(out, m)
		}
	}
	return out
}

func says(part string) func(*v1alpha1.KarpenterUpgrade) bool {
	return func(u *v1alpha1.KarpenterUpgrade) bool { return strings.Contains(u.Status.Message, part) }
}

func TestWhatAUserSeesWhoPausesGoesOnAndRollsBack(t *testing.T) {
	w := blueWorld(t)
	w.permitted()
	o := w.operateAll()
	nodes := w.annotations()
	w.newRun("up", func(s *v1alpha1.KarpenterUpgradeSpec) { s.Mode = v1alpha1.ModePlan })

	u := o.until("up", in(v1alpha1.RunPlanned))
	w.Expect(u.Status.Message).To(MatchRegexp("^plan [0-9a-f]{12}: 1 node in 1 NodePool, "))
	w.Expect(kstatus(u)).To(Equal("Ready=False Planned"))
	w.Expect(conditions(u, v1alpha1.ConditionPreflightPassed, v1alpha1.ConditionRollbackPossible)).To(Equal(
		"PreflightPassed=True PreflightPassed, RollbackPossible=True NothingChanged"))

	w.setMode("up", v1alpha1.ModeRun)
	u = o.until("up", says("0 of 2 pods of Deployment karpenter/karpenter-green are Ready"))
	w.Expect(u.Status.Phase).To(Equal(v1alpha1.RunPhase(v1alpha1.PhaseInstall)))
	w.Expect(kstatus(u)).To(Equal("Ready=False Progressing, Reconciling=True Progressing"))
	w.Expect(conditions(u, v1alpha1.ConditionRollbackPossible)).To(Equal("RollbackPossible=True BeforeRollbackFloor"))

	w.setMode("up", v1alpha1.ModePause)
	u = o.until("up", in(v1alpha1.RunPaused))
	w.Expect(u.Status.Message).To(Equal("paused by spec.mode; set it to Run to go on, or to Rollback or Abort"))
	w.Expect(kstatus(u)).To(Equal("Ready=False Paused, Paused=True Paused"), "that is what the user wanted, and no failure")
	w.play()
	before := w.versions()
	for range 3 {
		w.Expect(o.reconcile("up").RequeueAfter).To(BeZero())
	}
	w.Expect(w.versions()).To(Equal(before), "nothing is written while a run is paused")
	w.Expect(w.readNode("n1").Annotations).To(HaveKeyWithValue(frozen, "true"), "marks stay")

	w.setMode("up", v1alpha1.ModeRun)
	u = o.until("up", says("EC2NodeClass default-v1-14-1 is not Ready yet"), w.play)
	w.Expect(u.Status.Phase).To(Equal(v1alpha1.RunPhase(v1alpha1.PhaseNodePools)))

	w.setMode("up", v1alpha1.ModeRollback)
	u = o.until("up", in(v1alpha1.RunRollingBack), w.play)
	w.Expect(kstatus(u)).To(Equal("Ready=False Progressing, Reconciling=True Progressing"))
	u = o.until("up", in(v1alpha1.RunRolledBack), w.killGreen, w.play)
	w.Expect(u.Status.Message).To(Equal("rolled back to Karpenter 1.0.8"))
	w.Expect(kstatus(u)).To(Equal("Ready=False RolledBack, Stalled=True RolledBack"))
	w.Expect(conditions(u, v1alpha1.ConditionRollbackPossible)).To(Equal("RollbackPossible=False Ended"))
	w.Expect(u.Finalizers).To(BeEmpty())
	w.expectBlue()
	w.Expect(w.holder()).To(HavePrefix("karpenter-1-0-8-"))
	w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
	w.Expect(w.all(phase.NodePoolKind)).To(HaveLen(1))
	w.Expect(w.annotations()).To(Equal(nodes))
	w.Expect(kept(w.marked())).To(BeEmpty())
}

func TestWhatAUserSeesWhoAborts(t *testing.T) {
	w := blueWorld(t)
	w.permitted()
	o := w.operateAll()
	nodes := w.annotations()
	w.newRun("up")
	o.until("up", says("NodePool general-v1-14-1 is not Ready yet"), w.play, w.readyButFor("general-v1-14-1"))
	w.Expect(kept(w.marked())).NotTo(BeEmpty())

	w.setMode("up", v1alpha1.ModeAbort)
	u := o.until("up", in(v1alpha1.RunAborted))
	w.Expect(u.Status.Message).To(Equal("aborted in NodePools; marks are taken back, releases, NodePools and nodes stay as they are"))
	w.Expect(kstatus(u)).To(Equal("Ready=False Aborted, Stalled=True Aborted"))
	w.Expect(u.Finalizers).To(BeEmpty())
	w.Expect(kept(w.marked())).To(BeEmpty())
	w.Expect(w.annotations()).To(Equal(nodes))
	w.Expect(w.holder()).To(HavePrefix("karpenter-green-1-14-1-"), "who leads goes on leading")
	w.Expect(w.replicas(blueRelease)).To(BeZero())
	w.Expect(w.hasPool("general-v1-14-1")).To(BeTrue())

	before := w.versions()
	w.Expect(o.reconcile("up").RequeueAfter).To(BeZero())
	w.Expect(w.versions()).To(Equal(before))
}

func TestWhatAUserSeesWhoWantsBackTooLate(t *testing.T) {
	w := newWorld(t, greenVersion)
	_, phases := ladder()
	last := &scripted{name: v1alpha1.PhaseCleanup, run: waiting}
	phases[len(phases)-1] = last
	o := w.operate(phases...)
	w.newRun("up")
	u := o.until("up", in(v1alpha1.RunPhase(v1alpha1.PhaseCleanup)))
	w.Expect(conditions(u, v1alpha1.ConditionRollbackPossible)).To(Equal("RollbackPossible=False RollbackFloorPassed"))

	w.setMode("up", v1alpha1.ModeRollback)
	u = o.until("up", in(v1alpha1.RunPaused))
	w.Expect(u.Status.Message).To(Equal("Cleanup has begun: there is no way back; set spec.mode: Pause and then Run to go on"))
	w.Expect(u.Step(v1alpha1.PhaseCleanup).State).To(Equal(v1alpha1.StepRunning))

	u.Spec.Mode = v1alpha1.ModeRun
	w.Expect(w.api.Update(w.ctx(), u)).To(MatchError(ContainSubstring("a run that rolls back cannot run forward again")))
	w.setMode("up", v1alpha1.ModePause)
	o.reconcile("up")
	w.setMode("up", v1alpha1.ModeRun)
	last.run = nil
	o.until("up", in(v1alpha1.RunSucceeded))
}
