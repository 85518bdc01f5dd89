package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

func TestUndoOfBackupBringsBackWhatIsMissingAndNothingElse(t *testing.T) {
	w, p := backupWorld(t)
	other := w.object(blueNodePool)
	other.SetName("other")
	w.ok(w.api.Create(w.ctx(), other))
	w.drive(p.Run)
	pool, class := w.nodePool("general"), w.nodeClass("default")
	w.ok(w.api.Delete(w.ctx(), pool.DeepCopy()))
	w.ok(w.api.Delete(w.ctx(), class.DeepCopy()))
	change(w, other, func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, int64(50), "spec", "weight")
	})
	w.ok(w.api.Delete(w.ctx(), phase.Object(phase.NodeClaimKind, "n1")))

	w.Expect(w.step(p.Undo).Message).To(Equal("restored EC2NodeClass/default, NodePool/general"))
	restored := w.nodePool("general")
	w.Expect(restored.Object["spec"]).To(Equal(pool.Object["spec"]))
	w.Expect(restored.GetLabels()).To(Equal(pool.GetLabels()))
	w.Expect(restored.GetAnnotations()).To(Equal(pool.GetAnnotations()))
	w.Expect(w.nodeClass("default").Object["spec"]).To(Equal(class.Object["spec"]))
	w.Expect(specOf(w.nodePool("other"), "weight")).To(Equal(int64(50)), "whoever changed it meant it")
	w.Expect(w.all(phase.NodeClaimKind)).To(BeEmpty(), "a NodeClaim that is made anew launches another instance")

	w.Expect(w.step(p.Undo).Message).To(HavePrefix("nothing was missing"))
	w.Expect(w.nodePool("general").GetUID()).To(Equal(restored.GetUID()))
}

func TestUndoOfBackupLeavesWhatThePlanDoesNotName(t *testing.T) {
	w, p := backupWorld(t)
	other := w.object(blueNodePool)
	other.SetName("other")
	w.ok(w.api.Create(w.ctx(), other))
	w.drive(p.Run)
	w.ok(w.api.Delete(w.ctx(), other))
	w.ok(w.api.Delete(w.ctx(), w.nodePool("general")))

	w.Expect(w.step(p.Undo).Message).To(Equal("restored NodePool/general"))
	w.Expect(w.hasPool("other")).To(BeFalse(), "its user removed it, and the run has nothing to do with it")
}

func TestUndoWithoutABackup(t *testing.T) {
	w, p := backupWorld(t)
	w.Expect(w.step(p.Undo)).To(And(HaveField("Kind", engine.KindDone), HaveField("Message", "no backup was written")))
}

func TestABackupThatIsGoneHoldsUpNoRollbackThatDoesNotNeedIt(t *testing.T) {
	w, p := backupWorld(t)
	w.drive(p.Run)
	secret := w.backups()[0]
	w.ok(w.api.Delete(w.ctx(), &secret))

	out := w.step(p.Undo)
	w.Expect(out.Kind).To(Equal(engine.KindDone), out.Message)
	w.Expect(out.Message).To(Equal("nothing was missing: the backup in Secret upgrade-operator/up-backup was not needed"))

	w.ok(w.api.Delete(w.ctx(), w.nodePool("general")))
	out = w.step(p.Undo)
	w.Expect(out.Kind).To(Equal(engine.KindFail), "here it is needed")
	w.Expect(out.Message).To(And(ContainSubstring("NodePool/general"), ContainSubstring("Secret upgrade-operator/up-backup")))
}
