package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/install"
)

// roleARN is what blue's ServiceAccount is bound to.
const roleARN = "arn:aws:iam::1:role/karpenter"

// moveWorld has a blue release with two replicas that leads, and a run that moves it to another namespace. The operator has the
// permissions of its chart.
func moveWorld(t *testing.T) (*world, *install.Phase, *handover.Phase) {
	t.Helper()
	w, first := installWorld(t, true, map[string]any{
		"logLevel":       "debug",
		"serviceAccount": map[string]any{"annotations": map[string]any{"eks.amazonaws.com/role-arn": roleARN}},
	})
	w.run.Status.Plan.TargetNamespace = movedNS
	w.save()
	w.handoverIs(v1alpha1.StepPending)
	w.mayMoveTo = movedNS
	w.permitted()
	return w, first, &handover.Phase{Kit: w.kit}
}

// standbyWorld has a green release in the other namespace that stands by at its fence, which has held for long.
func standbyWorld(t *testing.T) (*world, *install.Phase, *handover.Phase) {
	t.Helper()
	w, first, over := moveWorld(t)
	w.drive(first.Run, w.playBoth)
	w.pass(15 * time.Second)
	w.playBoth()
	w.handoverIs(v1alpha1.StepRunning)
	return w, first, over
}

// handedWorld has been handed over to green.
func handedWorld(t *testing.T) (*world, *install.Phase, *handover.Phase) {
	t.Helper()
	w, first, over := standbyWorld(t)
	w.drive(over.Run, w.playBoth)
	w.handoverIs(v1alpha1.StepDone)
	w.pass(15 * time.Second)
	w.playBoth()
	return w, first, over
}

// handoverIs writes how far the handover is, as the engine does.
func (w *world) handoverIs(s v1alpha1.StepState) {
	w.t.Helper()
	w.run.Step(v1alpha1.PhaseHandover).State = s
	w.save()
}

// at does something in a namespace of Karpenter.
func (w *world) at(ns string, do func()) {
	w.t.Helper()
	before := w.ns
	w.ns = ns
	do()
	w.ns = before
}

func within[T any](w *world, ns string, what func() T) (out T) {
	w.t.Helper()
	w.at(ns, func() { out = what() })
	return out
}

// playBoth plays both namespaces, and says that no two pods lead, however eager they are.
func (w *world) playBoth() {
	w.t.Helper()
	for _, ns := range []string{karpenterNS, movedNS} {
		w.at(ns, func() {
			for _, name := range []string{blueRelease, greenRelease} {
				w.killGone(name)
			}
			w.play()
		})
		w.leaders()
	}
}

// killGone plays the kubelet where the Deployment of a release is gone.
func (w *world) killGone(name string) {
	w.t.Helper()
	if w.hasRelease(name) && !w.helmRelease(name).Retired() {
		return
	}
	for _, p := range w.pods(name) {
		w.kill(p.Name)
	}
}

// leaders are the namespaces in which a pod leads. There is never more than one.
func (w *world) leaders() []string {
	w.t.Helper()
	var out []string
	for _, ns := range []string{karpenterNS, movedNS} {
		w.at(ns, func() {
			l := w.lease()
			for _, name := range []string{blueRelease, greenRelease} {
				for _, p := range w.pods(name) {
					if lease.Valid(l, w.clock.Now()) && lease.HolderPod(l) == p.Name {
						out = append(out, ns)
					}
				}
			}
		})
	}
	w.Expect(len(out)).To(BeNumerically("<=", 1), "who leads: %v", out)
	return out
}

// fencedBy is the run that holds the Lease of a namespace.
func (w *world) fencedBy(ns string) string {
	w.t.Helper()
	return within(w, ns, func() string { return lease.FencedBy(w.lease()) })
}

// steal deletes the Lease of a namespace, as somebody does who knows no better.
func (w *world) steal(ns string) {
	w.t.Helper()
	w.ok(w.api.Delete(w.ctx(), within(w, ns, w.lease)))
}

// account is the ServiceAccount karpenter where the release moves to.
func (w *world) account() *corev1.ServiceAccount {
	w.t.Helper()
	return get(w, &corev1.ServiceAccount{}, movedNS, "karpenter")
}

// expectNothingMoved says that nothing is left in the other namespace, and that blue leads.
func (w *world) expectNothingMoved() {
	w.t.Helper()
	w.expectBlue()
	w.Expect(w.leaders()).To(Equal([]string{karpenterNS}))
	w.Expect(w.gone(&corev1.ServiceAccount{}, movedNS, "karpenter")).To(BeTrue())
	w.Expect(within(w, movedNS, func() bool { return w.hasRelease(greenRelease) })).To(BeFalse())
	w.Expect(w.gone(within(w, movedNS, w.lease), movedNS, lease.Name)).To(BeTrue())
	w.Expect(w.deployment(blueRelease).Labels).NotTo(HaveKey(v1alpha1.LabelStoppedBy))
	w.Expect(w.listed(&corev1.ServiceAccountList{}, client.HasLabels{v1alpha1.LabelRun})).To(BeZero())
}

// listed counts objects.
func (w *world) listed(list client.ObjectList, opts ...client.ListOption) int {
	w.t.Helper()
	w.ok(w.api.List(w.ctx(), list, opts...))
	accounts, _ := list.(*corev1.ServiceAccountList)
	return len(accounts.Items)
}
