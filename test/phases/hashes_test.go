package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
)

const (
	classHash        = "karpenter.k8s.aws/ec2nodeclass-hash"
	classHashVersion = classHash + "-version"
)

// stamp writes a hash of an EC2NodeClass on an object.
func (w *world) stamp(kind schema.GroupVersionKind, name, version, hash string) {
	w.t.Helper()
	o := get(w, phase.Object(kind, name), "", name)
	phase.Annotate(o, classHash, hash)
	phase.Annotate(o, classHashVersion, version)
	w.ok(w.api.Update(w.ctx(), o))
}

func (w *world) classHashOf(claim string) []string {
	w.t.Helper()
	annotations := get(w, phase.Object(phase.NodeClaimKind, claim), "", claim).GetAnnotations()
	return []string{annotations[classHashVersion], annotations[classHash]}
}

// hashWorld has NodeClaims that the green release, 1.14.1, has found drifted or not; its hashes of EC2NodeClasses are v5, those of 1.0.8 v3.
func hashWorld(t *testing.T) (*world, *handover.Phase) {
	t.Helper()
	w, p := handoverWorld(t)
	w.blue()
	w.drive(p.Run, w.play)
	w.stamp(phase.NodeClassKind, "default", "v5", "5005")
	for name, hash := range map[string]string{"as-wanted": "5005", "changed": "5004"} {
		w.claim(name, "general")
		w.stamp(phase.NodeClaimKind, name, "v5", hash)
	}
	return w, p
}

// restamp plays 1.0.8 that meets hashes of another version: all NodeClaims are Drifted, so they keep their hash under its version.
func (w *world) restamp() {
	w.stamp(phase.NodeClassKind, "default", "v3", "3003")
	w.stamp(phase.NodeClaimKind, "as-wanted", "v3", "5005")
	w.stamp(phase.NodeClaimKind, "changed", "v3", "5004")
}

func TestNodesDoNotDriftBecauseOfWhoLedBefore(t *testing.T) {
	w, p := hashWorld(t)
	stamped := false
	w.drive(p.Undo, func() {
		w.play()
		if !stamped && w.replicas(greenRelease) == 0 && w.holder() != "" && w.holder()[:10] == "karpenter-" && w.holder()[10] == '1' {
			w.Expect(w.nodeClass("default").GetAnnotations()).To(HaveKeyWithValue(v1alpha1.MarkPrefix+"hash", "up=v5/5005"))
			w.restamp()
			stamped = true
		}
	})
	w.Expect(stamped).To(BeTrue())
	w.Expect(w.classHashOf("as-wanted")).To(Equal([]string{"v3", "3003"}), "it is as its EC2NodeClass wants it, and 1.0.8 sees that")
	w.Expect(w.classHashOf("changed")).To(Equal([]string{"v3", "5004"}), "one that had drifted for a change stays drifted")
	w.Expect(w.nodeClass("default").GetAnnotations()).NotTo(HaveKey(v1alpha1.MarkPrefix + "hash"))
}

func TestAWayBackDoesNotWaitForHashesForEver(t *testing.T) {
	w, p := hashWorld(t)
	out := w.step(p.Undo)
	for range 20 { // 1.0.8 leads soon, and stamps nothing
		w.play()
		out = w.step(p.Undo)
	}
	w.Expect(out).To(And(HaveField("Reason", "RestoringHashes"), HaveField("Message", ContainSubstring("EC2NodeClass default"))))
	w.pass(5 * time.Minute)
	w.drive(p.Undo, w.play)
	w.Expect(w.classHashOf("as-wanted")).To(Equal([]string{"v5", "5005"}))
	w.Expect(w.nodeClass("default").GetAnnotations()).NotTo(HaveKey(v1alpha1.MarkPrefix + "hash"))
}

func TestHashesThatTheOlderReleaseGaveNeedNoCare(t *testing.T) {
	w, p := handoverWorld(t)
	w.blue()
	w.drive(p.Run, w.play)
	w.stamp(phase.NodeClassKind, "default", "v3", "3003") // green led for too short a time to stamp anything
	w.drive(p.Undo, w.play)
	w.Expect(w.nodeClass("default").GetAnnotations()).To(HaveKeyWithValue(classHash, "3003"))
}
