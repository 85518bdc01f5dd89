package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// failed is a run whose Install has failed, and which waits for a person.
func failed(ctx context.Context) *fixture {
	f := newFixture(v1alpha1.ModeRun)
	f.run.Spec.OnFailure = v1alpha1.FailurePolicyPause
	f.install.run = []Outcome{Fail("ImagePull", "no image"), Done("ready")}
	f.steps(ctx, 12)
	return f
}

func TestAFailedPhaseIsTakenBackAlsoAfterAPause(t *testing.T) {
	g, f := NewWithT(t), failed(t.Context())
	f.run.Spec.Mode = v1alpha1.ModePause
	f.steps(t.Context(), 3)
	f.run.Spec.Mode = v1alpha1.ModeRollback
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunRolledBack))
	g.Expect(f.diary).To(ContainElements("undo Install", "undo Freeze"))
}

func TestAnAbortAfterAFailureAndAPauseTakesAllMarksBack(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.run.Spec.OnFailure = v1alpha1.FailurePolicyPause
	f.freeze.run = []Outcome{Fail("Refused", "by a webhook, half way")}
	f.steps(t.Context(), 12)
	f.run.Spec.Mode = v1alpha1.ModePause
	f.steps(t.Context(), 3)
	f.run.Spec.Mode = v1alpha1.ModeAbort
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunAborted))
	g.Expect(f.diary).To(ContainElement("release Freeze"))
}

func TestATryAfterAFailureForgetsIt(t *testing.T) {
	g, f := NewWithT(t), failed(t.Context())
	f.install.deadline = time.Minute
	f.clock.SetTime(f.clock.Now().Add(time.Hour))
	f.run.Spec.Mode = v1alpha1.ModePause
	f.steps(t.Context(), 3)
	g.Expect(f.run.Status.Failure).NotTo(BeNil())
	f.run.Spec.Mode = v1alpha1.ModeRun
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods"), Done("ready")}
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded), "its deadline counts anew")
	g.Expect(f.run.Status.Failure).To(BeNil())
}

func TestWhatIsKeptUpIsKeptUpAfterAFailure(t *testing.T) {
	g, f := NewWithT(t), failed(t.Context())
	g.Expect(f.engine.Step(t.Context(), f.run).Again).To(BeTrue(), "nodes that join meanwhile are frozen too")
	f.diary = nil
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.diary).To(Equal([]string{"keep Freeze"}))
	f.freeze.keepErr = errors.New("API server away")
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.run.Status.Message).To(And(ContainSubstring("no image"), ContainSubstring("API server away")))
}

func TestAPauseDoesNotCountAgainstADeadline(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.deadline = time.Minute
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods")}
	f.steps(t.Context(), 8)
	for range 2 {
		f.run.Spec.Mode = v1alpha1.ModePause
		f.steps(t.Context(), 3)
		f.clock.SetTime(f.clock.Now().Add(time.Hour))
		f.run.Spec.Mode = v1alpha1.ModeRun
		f.steps(t.Context(), 5)
		g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPhase("Install")))
	}
	step := f.run.Step(v1alpha1.PhaseInstall)
	g.Expect(step.HeldFor.Duration).To(BeNumerically("~", 2*time.Hour, 10*time.Second))
	f.steps(t.Context(), 500)
	g.Expect(f.run.Status.Failure.Reason).To(Equal("DeadlineExceeded"))
	g.Expect(f.run.Status.Failure.At.Sub(step.StartedAt.Time)).To(BeNumerically("~", 2*time.Hour+time.Minute, 10*time.Second))
}

func TestWaitingForAPersonDoesNotCountAgainstADeadline(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.deadline = time.Minute
	denied := Blocked(v1alpha1.ReasonPermissionDenied, "grant it")
	for range 100 { // of 15 seconds
		f.install.run = append(f.install.run, denied)
	}
	f.install.run = append(f.install.run, Wait(time.Second, "Waiting", "for pods"), Done("ready"))
	f.steps(t.Context(), 200)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestWhoeverUndoesWhatIsKeptUpIsWaitedFor(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.deadline = time.Minute
	f.freeze.keepErr = fault.NewTerminal(errors.New("argocd starts blue again and again"))
	f.steps(t.Context(), 50)
	g.Expect(f.condition("Stalled")).To(Equal("True Interference"), f.run.Status.Message)
	f.freeze.keepErr = nil
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestAnOperatorThatWasAwayDoesNotFailWhatItHasNotSeen(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.deadline = time.Minute
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods")}
	f.steps(t.Context(), 8)
	f.clock.SetTime(f.clock.Now().Add(time.Hour))
	f.engine = New(f.clock, f.preflight, marking{f.freeze}, f.install, f.cleanup)
	f.steps(t.Context(), 10)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPhase("Install")))
	f.steps(t.Context(), 500)
	g.Expect(f.run.Status.Failure.Reason).To(Equal("DeadlineExceeded"), "but not for ever")
}

func TestMarksOfAPhaseThatIsTakenBackAreReleasedToo(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods")}
	f.steps(t.Context(), 8)
	f.run.Step(v1alpha1.PhaseFreeze).State = v1alpha1.StepUndone // taking back an earlier phase may mark what this one knows of
	f.diary = nil
	f.run.DeletionTimestamp = ptr.To(metav1.Now())
	f.steps(t.Context(), 10)
	g.Expect(f.diary).To(Equal([]string{"release Freeze"}))
}

func TestOnePhaseWhoseMarksStayKeepsNoOtherFromItsTurn(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	stuck := &stuckRelease{marking{f.install}, []Outcome{Wait(time.Second, "Removing", "a NodeClaim"), FromError(errors.New("denied by a webhook")), Done("gone")}}
	f.engine = New(f.clock, f.preflight, marking{f.freeze}, stuck, f.cleanup)
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods")}
	f.steps(t.Context(), 8)
	f.run.Spec.Mode = v1alpha1.ModeAbort
	f.diary = nil
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.diary).To(Equal([]string{"release Install", "release Freeze"}))
	g.Expect(f.run.Status.Message).To(Equal("taking back the marks of Install: a NodeClaim"))
	g.Expect(f.run.Ended()).To(BeFalse())
	f.steps(t.Context(), 10)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunAborted))
}

// stuckRelease is a phase whose marks take their time.
type stuckRelease struct {
	marking
	release []Outcome
}

func (p *stuckRelease) Release(context.Context, *v1alpha1.KarpenterUpgrade) Outcome {
	*p.diary = append(*p.diary, "release "+string(p.name))
	return next(&p.release)
}

func TestBackoffCountsErrorsInARow(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	away := FromError(errors.New("away"))
	f.install.run = []Outcome{away, away, away, Wait(time.Second, "Waiting", "for pods"), away, Wait(time.Second, "Waiting", "for pods"), Done("ready")}
	last := time.Duration(0)
	for range 50 {
		result := f.engine.Step(t.Context(), f.run)
		if !result.Again {
			break
		}
		if step := f.run.Step(v1alpha1.PhaseInstall); step.RetryAt != nil {
			last = result.After
		}
		f.clock.SetTime(f.clock.Now().Add(result.After))
	}
	g.Expect(last).To(Equal(time.Second))
}
