package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/migrate"
)

// lateWorld is one whose migration began a while ago, so that nodes that appear now were launched in it.
func lateWorld(t *testing.T, began time.Duration) (*world, *migrate.Phase) {
	t.Helper()
	w, p := migrateWorld(t)
	w.run.Step(v1alpha1.PhaseMigrate).StartedAt = ptr.To(metav1.NewTime(w.clock.Now().Add(-began)))
	w.save()
	return w, p
}

func TestNothingIsEvictedFromANodeThatWasLaunchedMeanwhile(t *testing.T) {
	for name, began := range map[string]time.Duration{"as its NodeClaim says": 10 * time.Minute, "as its own age says": time.Hour} {
		t.Run(name, func(t *testing.T) {
			w, p := lateWorld(t, began)
			w.nodePoolOf("general", "")
			w.node("late", "general")
			web := w.workload(shopNS, "web", "late", "green-1")
			for range 4 {
				w.step(p.Run)
			}
			w.Expect(web.nodesOf()).To(ContainElement("late"))
			w.Expect(w.draining()).To(BeEmpty())
			w.Expect(w.step(p.Run).Reason).To(Equal(v1alpha1.ReasonNodesBlocked))
			w.Expect(w.run.Status.Blockers).To(ConsistOf(And(
				HaveField("Node", "late"), HaveField("Reason", "LaunchedMeanwhile"), HaveField("Message", HaveSuffix("kubectl delete nodeclaim late")))))

			for _, pod := range web.living() { // its user has found out why, and it moved
				if pod.Spec.NodeName == "late" {
					w.ok(w.api.Delete(w.ctx(), &pod))
				}
			}
			w.drive(p.Run, w.terminate)
		})
	}
}

func TestANodeOfAStaticNodePoolIsNotRemovedForEver(t *testing.T) {
	w, p := lateWorld(t, time.Hour)
	w.nodePoolOf("general", "replicas: 2")
	w.node("late", "general")
	for range 4 {
		w.step(p.Run)
	}
	w.Expect(w.gone(w.claimOf("late"), "", "late")).To(BeFalse())
	w.Expect(w.run.Status.Blockers).To(ConsistOf(HaveField("Message", HaveSuffix("kubectl scale nodepool general --replicas 0"))))
}

func TestANodeThatWasBeingLaunchedWhenMigrateBeganIsEmptied(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("joins", "general")
	w.drive(p.Run, w.terminate)
	w.Expect(w.gone(&corev1.Node{}, "", "joins")).To(BeTrue())
}

func TestAPodThatDemandsABlueNodePoolStays(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "green-1", "green-1")
	web.start("a", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{karpv1.NodePoolLabelKey: "general"} })
	w.begun(p)
	for range 3 {
		w.step(p.Run)
	}
	w.Expect(web.nodesOf()).To(ContainElement("a"))
	w.Expect(w.run.Status.Blockers).To(ConsistOf(HaveField("Reason", drain.ReasonPinned)))
}

// nodePoolOf makes a NodePool.
func (w *world) nodePoolOf(name, spec string) {
	w.t.Helper()
	w.create(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: ` + name + `}
spec:
  ` + spec + `
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
`)
}
