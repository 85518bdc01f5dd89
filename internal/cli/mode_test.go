package cli

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func waitingRun() *v1alpha1.KarpenterUpgrade {
	run := &v1alpha1.KarpenterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "up"}}
	run.Spec.Approval.Policy = v1alpha1.ApprovalManual
	run.Status.Phase = v1alpha1.RunPlanned
	run.Status.Plan = &v1alpha1.Plan{Hash: "aaa", RollbackFloor: v1alpha1.PhaseCleanup}
	run.Status.Steps = []v1alpha1.Step{{Phase: v1alpha1.PhaseBackup, State: v1alpha1.StepPending}, {Phase: v1alpha1.PhaseInstall, State: v1alpha1.StepPending}}
	return run
}

func TestApproveThePlanThatWasLookedAt(t *testing.T) {
	g, run := NewWithT(t), waitingRun()
	_, err := grant(run, "bbb")
	g.Expect(err).To(MatchError(ContainSubstring("has plan aaa now, not bbb")))
	g.Expect(run.Spec.Approval.PlanHash).To(BeEmpty())
	says, err := grant(run, "aaa")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(says).To(Equal("plan aaa is approved"))
	g.Expect(run.Spec.Approval.PlanHash).To(Equal("aaa"))
}

func TestApproveOpensTheGateThatTheRunWaitsAt(t *testing.T) {
	g, run := NewWithT(t), waitingRun()
	run.Spec.Approval = v1alpha1.Approval{Gates: []v1alpha1.PhaseName{v1alpha1.PhaseInstall, v1alpha1.PhaseCleanup}}
	_, err := grant(run, "")
	g.Expect(err).To(MatchError(ContainSubstring("waits for no approval")))
	run.Status.Steps[1].Reason = v1alpha1.ReasonAwaitingApproval
	says, err := grant(run, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(says).To(Equal("the gate before Install is open"))
	g.Expect(run.Spec.Approval.Passed).To(Equal([]v1alpha1.PhaseName{v1alpha1.PhaseInstall}))
}

func TestWhatMeansNothingIsRefused(t *testing.T) {
	g, run := NewWithT(t), waitingRun()
	g.Expect(refusal(run, "rollback")).To(MatchError(ContainSubstring("has changed nothing yet")))
	run.Status.StartedAt = &metav1.Time{}
	g.Expect(refusal(run, "rollback")).To(Succeed())
	run.Status.Steps = append(run.Status.Steps, v1alpha1.Step{Phase: v1alpha1.PhaseCleanup, State: v1alpha1.StepRunning})
	g.Expect(refusal(run, "rollback")).To(MatchError(ContainSubstring("there is no way back")))
	run.Status.Phase = v1alpha1.RunSucceeded
	g.Expect(refusal(run, "pause")).To(MatchError(ContainSubstring("nothing to pause")))
}

func TestResumeGoesOnInTheDirectionOfTheRun(t *testing.T) {
	g, run := NewWithT(t), waitingRun()
	mode, _ := resumed(run)
	g.Expect(mode).To(Equal(v1alpha1.ModeRun))
	run.Status.Steps[1].State = v1alpha1.StepUndone
	mode, _ = resumed(run)
	g.Expect(mode).To(Equal(v1alpha1.ModeRollback))
}
