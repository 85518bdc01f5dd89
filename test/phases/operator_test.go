package phases

import (
	"context"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	apidiscovery "k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/controller"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/manager"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/freeze"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
)

// operator is the reconciler, called as a manager would call it.
type operator struct {
	w          *world
	reconciler *controller.Reconciler
	recorder   *events.FakeRecorder

	mu     sync.Mutex
	writes []string // to KarpenterUpgrades: status, or metadata
}

// operate makes an operator with these phases.
func (w *world) operate(phases ...engine.Phase) *operator {
	w.t.Helper()
	return w.operator(engine.New(w.clock, phases...))
}

// operateAll makes an operator with all phases of the product.
func (w *world) operateAll() *operator {
	w.t.Helper()
	dc, err := apidiscovery.NewDiscoveryClientForConfig(w.connection)
	w.ok(err)
	eng, err := manager.Engine(w.kit, dc)
	w.ok(err)
	return w.operator(eng)
}

func (w *world) operator(eng *engine.Engine) *operator {
	w.t.Helper()
	o := &operator{w: w, recorder: events.NewFakeRecorder(1000)}
	c, err := client.NewWithWatch(w.connection, client.Options{Scheme: manager.Scheme(), Mapper: shared.api.RESTMapper()})
	w.ok(err)
	live := interceptor.NewClient(c, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			o.wrote("metadata")
			return c.Patch(ctx, obj, patch, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			o.wrote(sub)
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	o.reconciler = &controller.Reconciler{Live: live, Engine: eng, Events: o.recorder, Clock: w.clock}
	return o
}

func (o *operator) wrote(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes = append(o.writes, what)
}

// written are the writes to KarpenterUpgrades since this was last asked.
func (o *operator) written() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.writes
	o.writes = nil
	return out
}

// reported are the events since this was last asked.
func (o *operator) reported() []string {
	var out []string
	for {
		select {
		case e := <-o.recorder.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

// try reconciles a run once.
func (o *operator) try(run string) (ctrl.Result, error) {
	o.w.t.Helper()
	return o.reconciler.Reconcile(o.w.ctx(), ctrl.Request{NamespacedName: client.ObjectKey{Name: run}})
}

// reconcile reconciles a run once, which must work.
func (o *operator) reconcile(run string) ctrl.Result {
	o.w.t.Helper()
	result, err := o.try(run)
	o.w.ok(err)
	return result
}

// until reconciles a run, as often as it asks for, until something holds; between two reconciles the actors act.
func (o *operator) until(run string, holds func(*v1alpha1.KarpenterUpgrade) bool, actors ...func()) *v1alpha1.KarpenterUpgrade {
	o.w.t.Helper()
	u := &v1alpha1.KarpenterUpgrade{}
	said := ""
	o.w.Eventually(func() bool {
		result := o.reconcile(run)
		for _, act := range actors {
			act()
		}
		u = o.w.read(run)
		if now := string(u.Status.Phase) + ": " + u.Status.Message; now != said {
			o.w.t.Log(now)
			said = now
		}
		o.w.pass(min(result.RequeueAfter, 2*time.Second))
		return holds(u)
	}).WithTimeout(3 * patience).WithPolling(glance).Should(BeTrue())
	return u
}

// in says that a run is in a phase.
func in(p v1alpha1.RunPhase) func(*v1alpha1.KarpenterUpgrade) bool {
	return func(u *v1alpha1.KarpenterUpgrade) bool { return u.Status.Phase == p }
}

// read reads a run.
func (w *world) read(run string) *v1alpha1.KarpenterUpgrade {
	w.t.Helper()
	return get(w, &v1alpha1.KarpenterUpgrade{}, "", run)
}

// hasRun says that a run is there.
func (w *world) hasRun(run string) bool {
	w.t.Helper()
	err := w.api.Get(w.ctx(), client.ObjectKey{Name: run}, &v1alpha1.KarpenterUpgrade{})
	w.ok(client.IgnoreNotFound(err))
	return !apierrors.IsNotFound(err)
}

// setMode sets spec.mode as a user does.
func (w *world) setMode(run string, mode v1alpha1.Mode) {
	w.t.Helper()
	change(w, w.read(run), func(u *v1alpha1.KarpenterUpgrade) { u.Spec.Mode = mode })
}

// conditions of a run, as "Type=Status Reason", but for those that its test does not name.
func conditions(u *v1alpha1.KarpenterUpgrade, kinds ...string) string {
	var out []string
	for _, kind := range kinds {
		if c := meta.FindStatusCondition(u.Status.Conditions, kind); c != nil {
			out = append(out, kind+"="+string(c.Status)+" "+c.Reason)
		}
	}
	return strings.Join(out, ", ")
}

// kstatus are the conditions that kstatus looks at, and Paused.
func kstatus(u *v1alpha1.KarpenterUpgrade) string {
	return conditions(u, v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionPaused)
}

// scripted is a phase that does what its test says; without a script it is done at once.
type scripted struct {
	name               v1alpha1.PhaseName
	run, undo, release func(*v1alpha1.KarpenterUpgrade) engine.Outcome
}

var (
	_ engine.Phase    = (*scripted)(nil)
	_ engine.Releaser = (*scripted)(nil)
)

func (s *scripted) Name() v1alpha1.PhaseName { return s.name }

func (s *scripted) Run(_ context.Context, u *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return play(s.run, u)
}

func (s *scripted) Undo(_ context.Context, u *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return play(s.undo, u)
}

func (s *scripted) Release(_ context.Context, u *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return play(s.release, u)
}

func play(script func(*v1alpha1.KarpenterUpgrade) engine.Outcome, u *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if script == nil {
		return engine.Done("all is well")
	}
	return script(u)
}

// ladder are three phases, of which the second one can be told what to do.
func ladder() (middle *scripted, all []engine.Phase) {
	first := &scripted{name: v1alpha1.PhasePreflight, run: func(u *v1alpha1.KarpenterUpgrade) engine.Outcome {
		u.Status.From = blueVersion
		return engine.Done("all is well")
	}}
	middle = &scripted{name: v1alpha1.PhaseFreeze}
	return middle, []engine.Phase{first, middle, &scripted{name: v1alpha1.PhaseCleanup}}
}

func waiting(*v1alpha1.KarpenterUpgrade) engine.Outcome {
	return engine.Wait(time.Second, "Waiting", "for nodes")
}

// phases of the product that tests take on by themselves before the operator does.
func (w *world) phases() map[v1alpha1.PhaseName]engine.Phase {
	out := map[v1alpha1.PhaseName]engine.Phase{}
	for _, p := range []engine.Phase{&freeze.Phase{Kit: w.kit}, &handover.Phase{Kit: w.kit}, &nodepools.Phase{Kit: w.kit}} {
		out[p.Name()] = p
	}
	return out
}
