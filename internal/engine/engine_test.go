package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// fakePhase plays a script of outcomes, forward and back, and keeps a diary.
type fakePhase struct {
	name      v1alpha1.PhaseName
	run, undo []Outcome
	diary     *[]string
	keepErr   error
	deadline  time.Duration
}

func (p *fakePhase) Name() v1alpha1.PhaseName { return p.name }

func (p *fakePhase) Run(context.Context, *v1alpha1.KarpenterUpgrade) Outcome {
	*p.diary = append(*p.diary, "run "+string(p.name))
	return next(&p.run)
}

func (p *fakePhase) Undo(context.Context, *v1alpha1.KarpenterUpgrade) Outcome {
	*p.diary = append(*p.diary, "undo "+string(p.name))
	return next(&p.undo)
}

func (p *fakePhase) Deadline(*v1alpha1.KarpenterUpgrade) time.Duration { return p.deadline }

func next(script *[]Outcome) Outcome {
	if len(*script) == 0 {
		return Done("done")
	}
	out := (*script)[0]
	if len(*script) > 1 || out.Kind == KindDone || out.Kind == KindSkip {
		*script = (*script)[1:]
	}
	return out
}

// marking is a phase that leaves marks and keeps them up.
type marking struct{ *fakePhase }

func (p marking) Keep(context.Context, *v1alpha1.KarpenterUpgrade) error {
	*p.diary = append(*p.diary, "keep "+string(p.name))
	return p.keepErr
}

func (p marking) Release(context.Context, *v1alpha1.KarpenterUpgrade) Outcome {
	*p.diary = append(*p.diary, "release "+string(p.name))
	return Done("released")
}

// fixture is a ladder of four phases, the last one beyond the floor.
type fixture struct {
	preflight, freeze, install, cleanup *fakePhase
	clock                               *clocktesting.FakePassiveClock
	engine                              *Engine
	run                                 *v1alpha1.KarpenterUpgrade
	diary                               []string
}

func newFixture(mode v1alpha1.Mode) *fixture {
	f := &fixture{clock: clocktesting.NewFakePassiveClock(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))}
	phase := func(name v1alpha1.PhaseName) *fakePhase { return &fakePhase{name: name, diary: &f.diary} }
	f.preflight, f.freeze, f.install, f.cleanup = phase(v1alpha1.PhasePreflight), phase(v1alpha1.PhaseFreeze), phase(v1alpha1.PhaseInstall), phase(v1alpha1.PhaseCleanup)
	f.engine = New(f.clock, f.preflight, marking{f.freeze}, f.install, f.cleanup)
	f.run = &v1alpha1.KarpenterUpgrade{
		ObjectMeta: metav1.ObjectMeta{Name: "to-1-14", Generation: 1},
		Spec:       v1alpha1.KarpenterUpgradeSpec{Mode: mode, Target: v1alpha1.Target{Version: "1.14.1"}, OnFailure: v1alpha1.FailurePolicyRollback},
	}
	f.run.Status.From = "1.0.8"
	return f
}

// steps calls the engine until the run has ended, stands still or has taken n steps; the clock goes on as the engine asks.
func (f *fixture) steps(ctx context.Context, n int) {
	for range n {
		result := f.engine.Step(ctx, f.run)
		if !result.Again {
			return
		}
		f.clock.SetTime(f.clock.Now().Add(result.After))
	}
}

func (f *fixture) states() string {
	var out []string
	for _, s := range f.run.Status.Steps {
		out = append(out, string(s.State))
	}
	return strings.Join(out, ",")
}

func (f *fixture) condition(kind string) string {
	c := meta.FindStatusCondition(f.run.Status.Conditions, kind)
	if c == nil {
		return "absent"
	}
	return fmt.Sprintf("%s %s", c.Status, c.Reason)
}

func TestRunGoesThroughAllPhasesInOrder(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods"), Done("ready")}
	f.steps(t.Context(), 50)
	g.Expect(f.diary).To(Equal([]string{"run Preflight", "run Freeze", "keep Freeze", "run Install", "keep Freeze", "run Install", "run Cleanup"}))
	g.Expect(f.states()).To(Equal("Done,Done,Done,Done"))
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
	g.Expect(f.condition("Ready")).To(Equal("True Succeeded"))
	g.Expect(f.condition("Reconciling")).To(Equal("absent"))
	g.Expect(f.condition("Stalled")).To(Equal("absent"))
	g.Expect(f.run.Status.ObservedGeneration).To(Equal(int64(1)))
	for _, s := range f.run.Status.Steps {
		g.Expect(s.StartedAt).NotTo(BeNil())
		g.Expect(s.EndedAt).NotTo(BeNil())
	}
}

func TestWhatIsToBeDoneIsWrittenBeforeItIsDone(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.diary).To(BeEmpty(), "the first step only says that Preflight begins")
	g.Expect(f.run.Step(v1alpha1.PhasePreflight).State).To(Equal(v1alpha1.StepRunning))
	f.engine.Step(t.Context(), f.run) // Preflight is done
	g.Expect(f.run.Status.StartedAt).To(BeNil(), "nothing was changed yet")
	g.Expect(f.condition("RollbackPossible")).To(Equal("True NothingChanged"))
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.run.Status.StartedAt).NotTo(BeNil())
	g.Expect(f.diary).To(Equal([]string{"run Preflight"}))
	g.Expect(f.condition("Reconciling")).To(Equal("True Progressing"))
	g.Expect(f.condition("RollbackPossible")).To(Equal("True BeforeRollbackFloor"))
}

func TestARunBeyondTheFloorThatWaitsForAPersonIsStalled(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.cleanup.run = []Outcome{Blocked(v1alpha1.ReasonCleanupBlocked, "remove it"), Done("done")}
	f.steps(t.Context(), 8)
	g.Expect(f.condition("Stalled")).To(Equal("True CleanupBlocked"))
	g.Expect(f.condition("RollbackPossible")).To(Equal("False RollbackFloorPassed"))
	f.steps(t.Context(), 2)
	g.Expect(f.condition("Ready")).To(Equal("True Succeeded"))
}

func TestPlanNeverGoesBeyondPreflight(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModePlan)
	f.preflight.run = []Outcome{Blocked(v1alpha1.ReasonPreflightBlocked, "no chart"), Done("plan"), Done("plan")}
	f.engine.Step(t.Context(), f.run)
	g.Expect(f.condition("Stalled")).To(Equal("True PreflightBlocked"))
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPhase("Preflight")))
	f.steps(t.Context(), 2)
	g.Expect(f.diary).To(Equal([]string{"run Preflight", "run Preflight", "run Preflight"}))
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPlanned))
	g.Expect(f.condition("Ready")).To(Equal("False Planned"))
	g.Expect(f.condition("Stalled")).To(Equal("absent"))

	f.run.Spec.Mode = v1alpha1.ModeRun
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
	g.Expect(f.diary[3]).To(Equal("run Preflight"), "the plan is made anew before it is carried out")
}

// slow is a phase that takes its time.
type slow struct {
	*fakePhase
	clock *clocktesting.FakePassiveClock
	takes time.Duration
}

func (p slow) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) Outcome {
	p.clock.SetTime(p.clock.Now().Add(p.takes))
	return p.fakePhase.Run(ctx, run)
}

func TestABigClusterIsNotLookedAtAllTheTime(t *testing.T) {
	for mode, c := range map[v1alpha1.Mode]struct {
		script      Outcome
		quick, long time.Duration
	}{
		v1alpha1.ModePlan: {Done("planned"), time.Minute, 5 * time.Minute},
		v1alpha1.ModeRun:  {Blocked(v1alpha1.ReasonPreflightBlocked, "in the way"), 15 * time.Second, 5 * time.Minute},
	} {
		for takes, want := range map[time.Duration]time.Duration{time.Second: c.quick, 30 * time.Second: c.long} {
			t.Run(fmt.Sprintf("%s, %s", mode, takes), func(t *testing.T) {
				g, f := NewWithT(t), newFixture(mode)
				f.preflight.run = []Outcome{c.script, c.script}
				e := New(f.clock, slow{f.preflight, f.clock, takes}, f.install)
				var result Result
				for range 2 { // in mode Run the first step only says that it begins
					result = e.Step(t.Context(), f.run)
				}
				g.Expect(result.After).To(Equal(want))
			})
		}
	}
}

func TestARunWaitsForAnother(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.preflight.run = []Outcome{Blocked(v1alpha1.ReasonQueued, "waits for KarpenterUpgrade a"), Done("plan")}
	f.steps(t.Context(), 2)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunQueued))
	g.Expect(f.condition("Ready")).To(Equal("False Queued"))
	g.Expect(f.condition("Stalled")).To(Equal("absent"))
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestAFailureGoesBackThroughWhatWasBegun(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{Fail("ImagePull", "no image")}
	f.install.undo = []Outcome{Wait(time.Second, "Removing", "pods"), Done("gone")}
	f.steps(t.Context(), 50)
	g.Expect(f.diary).To(Equal([]string{
		"run Preflight", "run Freeze", "keep Freeze", "run Install",
		"keep Freeze", "undo Install", "keep Freeze", "undo Install", "undo Freeze", "undo Preflight",
	}))
	g.Expect(f.states()).To(Equal("Undone,Undone,Undone,Pending"))
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunRolledBack))
	g.Expect(f.run.Status.Message).To(Equal("rolled back to Karpenter 1.0.8 after Install failed: no image"))
	g.Expect(f.condition("Ready")).To(Equal("False RolledBack"))
	g.Expect(f.condition("Stalled")).To(Equal("True RolledBack"))
	g.Expect(f.condition("RollbackPossible")).To(Equal("False Ended"))
}

func TestGoingBackNeverGivesUp(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{Fail("ImagePull", "no image")}
	f.install.undo = []Outcome{Fail("Stuck", "cannot"), FromError(errors.New("server away")), Done("gone")}
	f.steps(t.Context(), 8)
	g.Expect(f.condition("Stalled")).To(Equal("True UndoFailed"), f.run.Status.Message)
	f.steps(t.Context(), 1)
	g.Expect(f.condition("Stalled")).To(Equal("absent"))
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunRolledBack))
}

func TestAFailureMayWaitForAPersonInstead(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.run.Spec.OnFailure = v1alpha1.FailurePolicyPause
	f.install.run = []Outcome{Fail("ImagePull", "no image"), Done("ready")}
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPaused))
	g.Expect(f.condition("Stalled")).To(Equal("True PhaseFailed"))
	g.Expect(f.run.Status.Message).To(ContainSubstring("spec.mode: Rollback"))
	g.Expect(f.diary).NotTo(ContainElement(HavePrefix("undo")))

	f.run.Spec.Mode = v1alpha1.ModePause
	f.steps(t.Context(), 5)
	g.Expect(f.condition("Paused")).To(Equal("True Paused"))
	g.Expect(f.condition("Stalled")).To(Equal("absent"), "kstatus would call it failed")
	f.run.Spec.Mode = v1alpha1.ModeRun
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded), "Pause and then Run tries the failed phase again")
}

func TestPauseStopsWithinOneStepAndRunGoesOn(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods"), Done("ready")}
	f.steps(t.Context(), 6)
	before := len(f.diary)
	f.run.Spec.Mode = v1alpha1.ModePause
	f.steps(t.Context(), 50)
	g.Expect(f.diary).To(HaveLen(before), "nothing is run, kept or undone")
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunPaused))
	f.run.Spec.Mode = v1alpha1.ModeRun
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestRollbackOnDemand(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods")}
	f.steps(t.Context(), 8)
	f.run.Spec.Mode = v1alpha1.ModeRollback
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunRolledBack))
	g.Expect(f.diary).To(ContainElements("undo Install", "undo Freeze"))
}

func TestThereIsNoWayBackFromTheFloorOn(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.cleanup.run = []Outcome{Wait(time.Second, "CleaningUp", "pods"), Done("clean")}
	for f.run.Step(v1alpha1.PhaseCleanup) == nil || f.run.Step(v1alpha1.PhaseCleanup).State != v1alpha1.StepRunning {
		f.steps(t.Context(), 1)
	}
	g.Expect(f.condition("RollbackPossible")).To(Equal("False RollbackFloorPassed"))
	f.run.Spec.Mode = v1alpha1.ModeRollback
	f.steps(t.Context(), 10)
	g.Expect(f.diary).NotTo(ContainElement(HavePrefix("undo")))
	g.Expect(f.run.Status.Message).To(ContainSubstring("no way back"))
	f.run.Spec.Mode = v1alpha1.ModeRun
	f.steps(t.Context(), 10)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestAbortAndDeletionTakeMarksBackAndNothingElse(t *testing.T) {
	for name, stop := range map[string]func(*v1alpha1.KarpenterUpgrade){
		"abort":    func(u *v1alpha1.KarpenterUpgrade) { u.Spec.Mode = v1alpha1.ModeAbort },
		"deletion": func(u *v1alpha1.KarpenterUpgrade) { u.DeletionTimestamp = ptr.To(metav1.Now()) },
	} {
		t.Run(name, func(t *testing.T) {
			g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
			f.install.run = []Outcome{Wait(time.Second, "Waiting", "for pods")}
			f.steps(t.Context(), 8)
			stop(f.run)
			f.diary = nil
			f.steps(t.Context(), 10)
			g.Expect(f.diary).To(Equal([]string{"release Freeze"}))
			g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunAborted))
			g.Expect(f.run.Ended()).To(BeTrue())
		})
	}
}

func TestErrorsAreRetriedWithBackoffAndCounted(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	busy := apierrors.NewTooManyRequests("busy", 1)
	f.install.run = []Outcome{FromError(busy), FromError(busy), FromError(busy), Done("ready")}
	var waits []time.Duration
	for range 50 {
		result := f.engine.Step(t.Context(), f.run)
		if !result.Again {
			break
		}
		if step := f.run.Step(v1alpha1.PhaseInstall); step.RetryAt != nil {
			waits = append(waits, result.After)
		}
		f.clock.SetTime(f.clock.Now().Add(result.After))
	}
	g.Expect(waits).To(Equal([]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}))
	g.Expect(f.run.Step(v1alpha1.PhaseInstall).Attempts).To(Equal(int32(3)))
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestARestartedOperatorDoesNotRetryEarly(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.run = []Outcome{FromError(errors.New("away")), Done("ready")}
	for f.run.Step(v1alpha1.PhaseInstall) == nil || f.run.Step(v1alpha1.PhaseInstall).RetryAt == nil {
		f.engine.Step(t.Context(), f.run)
	}
	before := len(f.diary)
	result := New(f.clock, f.preflight, marking{f.freeze}, f.install, f.cleanup).Step(t.Context(), f.run)
	g.Expect(f.diary).To(HaveLen(before))
	g.Expect(result).To(Equal(Result{Again: true, After: time.Second}))
}

func TestDeadlinesCountFromTheBeginning(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.install.deadline = time.Minute
	f.install.run = []Outcome{Wait(time.Second, "Waiting", "1 of 2 pods are Ready")}
	f.steps(t.Context(), 500)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunRolledBack))
	g.Expect(f.run.Status.Failure.Reason).To(Equal("DeadlineExceeded"))
	g.Expect(f.run.Status.Failure.Message).To(Equal("not done after 1m0s: 1 of 2 pods are Ready"))
	took := f.run.Status.Failure.At.Sub(f.run.Step(v1alpha1.PhaseInstall).StartedAt.Time)
	g.Expect(took).To(BeNumerically("~", time.Minute, 2*time.Second))
}

func TestWhatIsKeptUpComesFirst(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.freeze.keepErr = errors.New("API server away")
	f.steps(t.Context(), 8)
	g.Expect(f.diary).NotTo(ContainElement("run Install"), "a phase does not go on while an earlier one's effect cannot be kept up")
	f.freeze.keepErr = nil
	f.steps(t.Context(), 50)
	g.Expect(f.run.Status.Phase).To(Equal(v1alpha1.RunSucceeded))
}

func TestOutcomesOfErrors(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "n1", errors.New("no"))
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "NodePool"}, "general", nil)
	for name, tc := range map[string]struct {
		err    error
		kind   Kind
		reason string
	}{
		"transient": {errors.New("away"), KindRetry, "Error"},
		"denied":    {forbidden, KindBlocked, v1alpha1.ReasonPermissionDenied},
		"terminal":  {invalid, KindFail, "Error"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out := FromError(fmt.Errorf("doing it: %w", tc.err))
			g.Expect(out.Kind).To(Equal(tc.kind))
			g.Expect(out.Reason).To(Equal(tc.reason))
			g.Expect(out.Message).To(HavePrefix("doing it: "))
		})
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	g, f := NewWithT(t), newFixture(v1alpha1.ModeRun)
	f.preflight.run = []Outcome{Blocked(v1alpha1.ReasonPreflightBlocked, "%s", strings.Repeat("x", 5000))}
	f.steps(t.Context(), 3)
	g.Expect(len(f.run.Status.Message)).To(BeNumerically("<=", 1024))
	g.Expect(len(f.run.Step(v1alpha1.PhasePreflight).Message)).To(BeNumerically("<=", 1024))
}

func TestBackoff(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Backoff(0)).To(Equal(time.Second))
	g.Expect(Backoff(1)).To(Equal(time.Second))
	g.Expect(Backoff(4)).To(Equal(8 * time.Second))
	g.Expect(Backoff(1 << 30)).To(Equal(time.Minute))
}
