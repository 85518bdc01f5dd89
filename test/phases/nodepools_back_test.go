package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/backup"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
)

// movedWorld has a backup, and green NodePools one of whose nodes runs what was moved to it.
func movedWorld(t *testing.T) (*world, *nodepools.Phase) {
	t.Helper()
	w, b := backupWorld(t)
	w.drive(b.Run)
	w.deleteAllClaims()
	p := &nodepools.Phase{Kit: w.kit}
	w.drive(p.Run, w.ready)
	w.node("green-1", "general-green")
	return w, p
}

// expectGreenUntouched says that green goes on as before.
func (w *world) expectGreenUntouched() {
	w.t.Helper()
	w.Expect(specOf(w.nodePool("general-green"), "limits")).To(HaveKeyWithValue("cpu", "1000"), "it still launches")
	w.Expect(w.readNode("green-1").Spec.Unschedulable).To(BeFalse())
}

func TestNothingMovesBackBeforeBlueIsThereAgain(t *testing.T) {
	w, p := movedWorld(t)
	pool := w.nodePool("general")
	w.ok(w.api.Delete(w.ctx(), pool.DeepCopy())) // pruned by their Git
	w.ok(w.api.Delete(w.ctx(), w.nodeClass("default")))

	w.Expect(w.step(p.Undo)).To(And(HaveField("Kind", engine.KindWait), HaveField("Message", "restored EC2NodeClass/default, NodePool/general, which had been deleted")))
	w.Expect(w.nodePool("general").Object["spec"]).To(Equal(pool.Object["spec"]))
	w.Expect(w.step(p.Undo).Message).To(Equal(
		"NodePool general is not Ready yet: Karpenter has not looked at it yet; nothing of green is stopped before it is there and Ready"))
	w.condition(phase.NodePoolKind, "general", "Ready", "True", "")
	w.condition(phase.NodeClassKind, "default", "Ready", "False", "SubnetsNotFound")
	w.Expect(w.step(p.Undo)).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Message", HavePrefix("EC2NodeClass default is not Ready: SubnetsNotFound; kubectl describe"))))
	w.expectGreenUntouched()

	w.ready()
	w.drive(p.Undo, w.terminate)
	w.Expect(w.hasPool("general-green")).To(BeFalse())
	w.Expect(w.hasPool("general")).To(BeTrue())
}

func TestNothingMovesBackWithoutBlueAndBackup(t *testing.T) {
	w, p := movedWorld(t)
	pool := w.nodePool("general")
	w.ok(w.api.Delete(w.ctx(), pool.DeepCopy()))
	secret := w.backups()[0]
	w.ok(w.api.Delete(w.ctx(), &secret))

	for range 2 {
		out := w.step(p.Undo)
		w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", "BackupLost")))
		w.Expect(out.Message).To(And(ContainSubstring("create NodePool/general again, from Git"), ContainSubstring(backup.ErrLost.Error())))
	}
	w.expectGreenUntouched()

	w.create(blueNodePool)
	w.ready()
	w.drive(p.Undo, w.terminate)
	w.Expect(w.hasPool("general-green")).To(BeFalse())
}

func TestNothingMovesBackToABlueObjectThatIsBeingDeleted(t *testing.T) {
	w, p := movedWorld(t)
	change(w, w.nodeClass("default"), func(o *unstructured.Unstructured) { o.SetFinalizers([]string{"karpenter.k8s.aws/termination"}) })
	w.ok(w.api.Delete(w.ctx(), w.nodeClass("default")))
	out := w.step(p.Undo)
	w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Message", HavePrefix("EC2NodeClass default is being deleted"))))
	w.expectGreenUntouched()
	change(w, w.nodeClass("default"), func(o *unstructured.Unstructured) { o.SetFinalizers(nil) })
	w.drive(p.Undo, w.ready, w.terminate)
	w.Expect(w.hasClass("default")).To(BeTrue())
}

func TestGreenPoolsWithoutNodesGoWhateverBlueIsLike(t *testing.T) {
	w, p := movedWorld(t)
	w.deleteAllClaims()
	w.terminate()
	w.condition(phase.NodePoolKind, "general", "Ready", "False", "broken before")
	w.drive(p.Undo)
	w.Expect(w.hasPool("general-green")).To(BeFalse())
}
