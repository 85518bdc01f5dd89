package phases

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
)

// argo scales blue as Argo CD does: it applies what its Git says.
func (w *world) argo(replicas int) {
	w.t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"replicas": replicas}})
	w.ok(err)
	w.ok(w.api.Patch(w.ctx(), w.deployment(blueRelease), client.RawPatch("application/merge-patch+json", patch), client.FieldOwner("argocd-controller")))
}

// keptWorld has been handed over to green.
func keptWorld(t *testing.T) (*world, *handover.Phase) {
	t.Helper()
	w, p := handoverWorld(t)
	w.drive(p.Run, w.play)
	w.ok(p.Keep(w.ctx(), w.run))
	return w, p
}

func TestBlueThatIsStartedAfterTheHandoverIsStoppedAgain(t *testing.T) {
	w, p := keptWorld(t)
	w.argo(2)
	w.play()
	w.Expect(p.Keep(w.ctx(), w.run)).To(MatchError("deployment karpenter/karpenter had been scaled to 2 by argocd-controller, and is being stopped again"))
	w.Expect(w.replicas(blueRelease)).To(BeZero())
	w.Expect(w.deployment(blueRelease).Labels).To(HaveKeyWithValue(v1alpha1.LabelStoppedBy, "up.3"), "what it was before the run")
	w.Expect(p.Keep(w.ctx(), w.run)).To(MatchError(ContainSubstring("pods of release karpenter/karpenter still there: 2")), "one of them may lead")
	w.play()
	w.ok(p.Keep(w.ctx(), w.run))

	w.drive(p.Undo, w.play)
	w.Expect(w.replicas(blueRelease)).To(Equal(3))
	w.Expect(w.marked()).To(BeEmpty())
}

func TestWhoeverKeepsStartingBlueIsNamedAndNotFoughtWith(t *testing.T) {
	w, p := keptWorld(t)
	w.argo(2)
	w.Expect(p.Keep(w.ctx(), w.run)).To(HaveOccurred())
	w.argo(2)
	for range 3 {
		w.Expect(p.Keep(w.ctx(), w.run)).To(MatchError(And(
			ContainSubstring("was scaled to 2 by argocd-controller, and again within 5m0s"),
			ContainSubstring("--replicas=0"))))
	}
	w.Expect(w.replicas(blueRelease)).To(Equal(2), "it is not fought with")
	w.argo(0) // suspended, and scaled by a person
	w.ok(p.Keep(w.ctx(), w.run))

	longAgo := w.clock.Now().Add(-time.Hour).Unix()
	change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) { d.Labels[v1alpha1.MarkPrefix+"stopped-again"] = fmt.Sprint(longAgo) })
	w.argo(1)
	w.Expect(p.Keep(w.ctx(), w.run)).To(MatchError(ContainSubstring("is being stopped again")))
	w.Expect(w.replicas(blueRelease)).To(BeZero())

	w.drive(p.Release)
	w.Expect(w.marked()).To(BeEmpty())
}

func TestARunThatGoesBackLetsBlueRun(t *testing.T) {
	w, p := keptWorld(t)
	w.argo(2)
	w.play()
	w.run.Step(v1alpha1.PhaseNodePools).State = v1alpha1.StepUndoing
	w.ok(p.Keep(w.ctx(), w.run))
	w.Expect(w.replicas(blueRelease)).To(Equal(2))
}
