package phases

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

const (
	// patience is how long anything may take on a busy machine.
	patience = time.Minute
	// glance is how often it is looked at.
	glance = 5 * time.Millisecond
)

// world is a cluster with nothing in it but what its test makes, and a run.
type world struct {
	*WithT
	t *testing.T
	// api talks to the API server as system:masters.
	api client.Client
	// connection is the operator's, as system:masters too unless a test says otherwise.
	connection *rest.Config
	// clock is the operator's. It stands still unless a test moves it.
	clock *clocktesting.FakePassiveClock
	kit   *phase.Kit
	run   *v1alpha1.KarpenterUpgrade
	// ns is the namespace of Karpenter that is looked at and played: its own, unless a test says otherwise.
	ns string
	// mayMoveTo is the namespace that the operator's chart permits it to move the release to; empty for none.
	mayMoveTo string
}

// newWorld empties the cluster but for the CRDs of a version of Karpenter, which belong to no Helm release.
func newWorld(t *testing.T, crds string) *world {
	t.Helper()
	now := clock.RealClock{}.Now().Truncate(time.Second)
	w := &world{WithT: NewWithT(t), t: t, api: shared.api, connection: shared.config, ns: karpenterNS, clock: clocktesting.NewFakePassiveClock(now)}
	live := client.WithFieldOwner(shared.api, phase.FieldOwner)
	w.kit = &phase.Kit{
		Client: live, Live: live, Clock: w.clock, Namespace: operatorNS,
		Releases: release.NewHelm(shared.config, shared.api.RESTMapper(), "", logr.Discard()),
	}
	w.setCRDs(crdState{Version: crds})
	w.empty()
	return w
}

func (w *world) ctx() context.Context { return w.t.Context() }

// ok ends the test when something could not be arranged.
func (w *world) ok(err error) {
	w.t.Helper()
	w.Expect(err).NotTo(HaveOccurred())
}

// pass lets time pass for the operator.
func (w *world) pass(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

func (w *world) now() metav1.Time { return metav1.NewTime(w.clock.Now()) }

// begin makes a run to the green version, in mode Run and with this plan, whose phases have all begun now.
func (w *world) begin(plan *v1alpha1.Plan, change ...func(*v1alpha1.KarpenterUpgradeSpec)) *v1alpha1.KarpenterUpgrade {
	w.t.Helper()
	w.run = w.newRun("up", change...)
	plan.MadeAt = w.now()
	w.run.Status.From, w.run.Status.Plan, w.run.Status.StartedAt = blueVersion, plan, ptr.To(w.now())
	for _, p := range []v1alpha1.PhaseName{
		v1alpha1.PhasePreflight, v1alpha1.PhaseBackup, v1alpha1.PhaseFreeze, v1alpha1.PhaseTag, v1alpha1.PhaseInstall, v1alpha1.PhaseHandover,
		v1alpha1.PhaseNodePools, v1alpha1.PhaseCanary, v1alpha1.PhaseMigrate, v1alpha1.PhaseVerify, v1alpha1.PhaseCleanup,
	} {
		step := v1alpha1.Step{Phase: p, State: v1alpha1.StepRunning, StartedAt: ptr.To(w.now()), UndoStartedAt: ptr.To(w.now())}
		w.run.Status.Steps = append(w.run.Status.Steps, step)
	}
	w.save()
	return w.run
}

// newRun makes a KarpenterUpgrade in mode Run and nothing in its status.
func (w *world) newRun(name string, change ...func(*v1alpha1.KarpenterUpgradeSpec)) *v1alpha1.KarpenterUpgrade {
	w.t.Helper()
	created := w.create(fmt.Sprintf(`
apiVersion: karpenter-upgrade.dev/v1alpha1
kind: KarpenterUpgrade
metadata: {name: %s}
spec: {mode: Plan, target: {version: %s, chart: {repository: %q, plainHTTP: true}}}
`, name, greenVersion, repository()))
	run := get(w, &v1alpha1.KarpenterUpgrade{}, "", created.GetName())
	run.Spec.Mode = v1alpha1.ModeRun
	for _, c := range change {
		c(&run.Spec)
	}
	w.ok(w.api.Update(w.ctx(), run))
	return run
}

// save writes the run's status as the controller does, and checks that the API keeps all of it.
func (w *world) save() {
	w.t.Helper()
	want := w.run.Status.DeepCopy()
	w.ok(w.api.Status().Update(w.ctx(), w.run))
	if !equality.Semantic.DeepEqual(want, &w.run.Status) {
		w.Expect(w.run.Status).To(Equal(*want), "the API keeps what phases write to status")
	}
}

// stepFunc is Run, Undo or Release of a phase.
type stepFunc func(context.Context, *v1alpha1.KarpenterUpgrade) engine.Outcome

// step takes a phase one step on and persists the status.
func (w *world) step(do stepFunc) engine.Outcome {
	w.t.Helper()
	out := do(w.ctx(), w.run)
	w.save()
	return out
}

// drive takes a phase on until it is done; between two steps the actors act. Every step is taken twice: first by an operator that
// is killed before it writes the run's status, and then by the one that comes after it.
func (w *world) drive(do stepFunc, actors ...func()) engine.Outcome {
	w.t.Helper()
	return w.driveTo(engine.KindDone, do, actors...)
}

// driveTo takes a phase on until it comes to an outcome of this kind.
func (w *world) driveTo(end engine.Kind, do stepFunc, actors ...func()) engine.Outcome {
	w.t.Helper()
	var out engine.Outcome
	w.Eventually(func() engine.Kind {
		lost := do(w.ctx(), w.run.DeepCopy())
		said := out.Message
		out = w.step(do)
		for _, o := range []engine.Outcome{lost, out} {
			if o.Message != said {
				w.t.Logf("%s: %s", o.Reason, o.Message)
			}
			said = o.Message
		}
		if out.Kind != end && (out.Kind == engine.KindFail || out.Kind == engine.KindBlocked || out.Kind == engine.KindRetry) {
			StopTrying(out.Reason + ": " + out.Message).Now()
		}
		for _, act := range actors {
			act()
		}
		return out.Kind
	}).WithTimeout(patience).WithPolling(glance).Should(Equal(end))
	return out
}

// object reads YAML.
func (w *world) object(doc string) *unstructured.Unstructured {
	w.t.Helper()
	o := &unstructured.Unstructured{}
	w.ok(yaml.Unmarshal([]byte(doc), &o.Object))
	return o
}

// create creates what YAML says.
func (w *world) create(doc string) *unstructured.Unstructured {
	w.t.Helper()
	o := w.object(doc)
	w.ok(w.api.Create(w.ctx(), o, client.FieldValidation("Strict")))
	return o
}

// get reads an object that must be there.
func get[T client.Object](w *world, into T, namespace, name string) T {
	w.t.Helper()
	w.ok(w.api.Get(w.ctx(), client.ObjectKey{Namespace: namespace, Name: name}, into))
	return into
}

// gone says that there is no such object.
func (w *world) gone(o client.Object, namespace, name string) bool {
	w.t.Helper()
	err := w.api.Get(w.ctx(), client.ObjectKey{Namespace: namespace, Name: name}, o)
	w.ok(client.IgnoreNotFound(err))
	return err != nil
}

// change changes an object as a user would.
func change[T client.Object](w *world, o T, with func(T)) T {
	w.t.Helper()
	w.ok(w.api.Get(w.ctx(), client.ObjectKeyFromObject(o), o))
	with(o)
	w.ok(w.api.Update(w.ctx(), o))
	return o
}
