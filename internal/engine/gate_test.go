package engine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// planned gives the run a plan of these parts.
func (f *fixture) planned(hash string, parts ...v1alpha1.PlanPart) {
	f.run.Status.Plan = &v1alpha1.Plan{Hash: hash, Parts: parts, RollbackFloor: v1alpha1.PhaseCleanup}
}

func TestAPlanWaitsForApproval(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.planned("aaa", v1alpha1.PlanPart{Name: "hops", Hash: "1"}, v1alpha1.PlanPart{Name: "NodePools", Hash: "1"})
	f.run.Spec.Approval.Policy = v1alpha1.ApprovalManual
	f.steps(t.Context(), 20)
	g.Expect(f.run.Status.StartedAt).To(BeNil())
	g.Expect(f.diary).To(And(HaveEach("run Preflight"), HaveLen(len(f.diary))))
	g.Expect(len(f.diary)).To(BeNumerically(">", 1), "the plan is made anew while it waits")
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPlanned))
	g.Expect(f.condition("Ready")).To(Equal("False AwaitingApproval"))
	g.Expect(f.condition("Stalled")).To(Equal("absent"))
	g.Expect(f.run.Status.Message).To(Equal("plan aaa waits for approval: kubectl karpenter-upgrade approve to-1-14, or set spec.approval.planHash: aaa"))

	f.run.Spec.Approval.PlanHash = "aaa"
	f.run.Generation++
	f.diary = nil
	f.steps(t.Context(), 20)
	g.Expect(f.diary[0]).To(Equal("run Preflight"), "the plan is made of the spec as it is")
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
	g.Expect(f.run.Status.Approval).To(HaveField("PlanHash", "aaa"))
}

func TestAPlanThatChangedAsksAgainAndSaysWhatChanged(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.planned("aaa", v1alpha1.PlanPart{Name: "hops", Hash: "1"}, v1alpha1.PlanPart{Name: "NodePools", Hash: "1"})
	f.run.Spec.Approval = v1alpha1.Approval{Policy: v1alpha1.ApprovalManual, PlanHash: "aaa"}
	f.run.Spec.Windows = []v1alpha1.Window{{Schedule: "0 22 * * *", Duration: metav1.Duration{Duration: time.Hour}}} // closed for ten hours
	f.steps(t.Context(), 5)
	g.Expect(f.condition("Ready")).To(Equal("False OutsideWindow"))
	g.Expect(f.run.Status.Message).To(ContainSubstring("Freeze begins when the next of spec.windows opens, 2026-11-20 22:00 UTC"))
	f.planned("bbb", v1alpha1.PlanPart{Name: "hops", Hash: "1"}, v1alpha1.PlanPart{Name: "NodePools", Hash: "2"})
	g.Eventually(func() string { f.steps(t.Context(), 1); return f.condition("Ready") }).Should(Equal("False AwaitingApproval"))
	g.Expect(f.run.Status.Message).To(HavePrefix("plan aaa was approved, and now it is plan bbb, changed: NodePools: kubectl karpenter-upgrade approve to-1-14"))
}

func TestAGateIsKeptUntilAPersonOpensIt(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.planned("aaa")
	f.run.Spec.Approval.Gates = []v1alpha1.PhaseName{v1alpha1.PhaseInstall}
	f.steps(t.Context(), 20)
	g.Expect(f.states()).To(Equal("Done,Done,Pending,Pending"))
	g.Expect(f.diary).To(ContainElement("keep Freeze"), "what was done is kept up while it waits")
	g.Expect(f.diary).NotTo(ContainElement("run Install"))
	g.Expect(f.condition("Ready")).To(Equal("False AwaitingApproval"))
	g.Expect(f.run.Status.Message).To(HavePrefix("Install waits for a person: kubectl karpenter-upgrade approve to-1-14"))
	f.run.Spec.Approval.Passed = []v1alpha1.PhaseName{v1alpha1.PhaseInstall}
	f.steps(t.Context(), 20)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestAWindowThatClosesStartsNothingNew(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.planned("aaa")
	f.run.Spec.Windows = []v1alpha1.Window{{Schedule: "0 12 * * *", Duration: metav1.Duration{Duration: time.Hour}}} // it opens now
	f.freeze.run = []Outcome{Wait(2*time.Hour, "Freezing", "slowly"), Done("done")}
	f.steps(t.Context(), 8)
	g.Expect(f.states()).To(Equal("Done,Done,Pending,Pending"), "what had begun came to its end")
	g.Expect(f.condition("Ready")).To(Equal("False OutsideWindow"))
	f.clock.SetTime(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	f.steps(t.Context(), 20)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestGoingBackWaitsForNoWindow(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.planned("aaa")
	f.run.Spec.Windows = []v1alpha1.Window{{Schedule: "0 12 * * *", Duration: metav1.Duration{Duration: time.Hour}}}
	f.freeze.run = []Outcome{Wait(2*time.Hour, "Freezing", "slowly"), Done("done")}
	f.steps(t.Context(), 8)
	f.run.Spec.Mode = v1alpha1.ModeRollback
	f.steps(t.Context(), 20)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunRolledBack))
}
