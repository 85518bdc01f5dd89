package phases

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/controller"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/manager"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// manage runs the reconciler with these phases under a manager until the test ends.
func (w *world) manage(phases ...engine.Phase) {
	w.t.Helper()
	mgr, err := ctrl.NewManager(shared.config, ctrl.Options{
		Scheme: manager.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // for those who run the test twice
	})
	w.ok(err)
	r := &controller.Reconciler{
		Live: shared.api, Engine: engine.New(clock.RealClock{}, phases...), Events: mgr.GetEventRecorder(phase.FieldOwner), Clock: clock.RealClock{},
	}
	w.ok(r.SetupWithManager(mgr))
	ctx, stop := context.WithCancel(context.WithoutCancel(w.ctx()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			w.t.Errorf("running the manager: %v", err)
		}
	})
	w.t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// comes says that a run comes to a phase by itself.
func (w *world) comes(run string, p v1alpha1.RunPhase) {
	w.t.Helper()
	w.Eventually(func() v1alpha1.RunPhase { return w.read(run).Status.Phase }).WithTimeout(patience).WithPolling(glance).Should(Equal(p))
}

func TestAManagedRunGoesOnByItselfAndWhenItsUserSaysSo(t *testing.T) {
	w := newWorld(t, greenVersion)
	middle, phases := ladder()
	var steps atomic.Int32
	var released atomic.Bool
	middle.run = func(u *v1alpha1.KarpenterUpgrade) engine.Outcome {
		if steps.Add(1) == 1 { // somebody else writes to the run in the middle of the step
			other := u.DeepCopy()
			other.Labels = map[string]string{"team": "platform"}
			if err := w.api.Patch(w.ctx(), other, client.MergeFrom(u)); err != nil {
				w.t.Error(err)
			}
		}
		if !released.Load() {
			return waiting(u)
		}
		return engine.Done("all is well")
	}
	w.manage(phases...)
	w.newRun("up")
	w.Eventually(func() string { return w.read("up").Status.Message }).WithTimeout(patience).WithPolling(glance).Should(Equal("for nodes"))
	w.Expect(steps.Load()).To(BeNumerically(">", 1), "the step that conflicted was taken again")
	w.Expect(w.read("up").Labels).To(HaveKeyWithValue("team", "platform"))

	w.setMode("up", v1alpha1.ModePause)
	w.comes("up", v1alpha1.RunPaused)
	released.Store(true)
	w.setMode("up", v1alpha1.ModeRun) // nothing but this wakes a paused run
	w.comes("up", v1alpha1.RunSucceeded)
	w.Eventually(func() []string { return w.read("up").Finalizers }).WithTimeout(patience).WithPolling(glance).Should(BeEmpty())

	uid := w.read("up").UID
	w.Eventually(func() []string {
		var all eventsv1.EventList
		w.ok(w.api.List(w.ctx(), &all))
		var out []string
		for _, e := range all.Items {
			if e.Regarding.UID == uid {
				out = append(out, e.Reason+" "+e.Action+": "+e.Note)
			}
		}
		return out
	}).WithTimeout(patience).WithPolling(glance).Should(ConsistOf(
		"PhaseStarted Preflight: Preflight began", "PhaseDone Preflight: Preflight is done: all is well",
		"PhaseStarted Freeze: Freeze began", "PhaseDone Freeze: Freeze is done: all is well",
		"PhaseStarted Cleanup: Cleanup began", "PhaseDone Cleanup: Cleanup is done: all is well",
		"Paused Run: paused by spec.mode; set it to Run to go on, or to Rollback or Abort",
		"Succeeded Run: Karpenter is at 1.14.1; 0 of 0 nodes replaced",
	))
}
