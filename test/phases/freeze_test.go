package phases

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/freeze"
)

const frozen = karpv1.DoNotDisruptAnnotationKey

// freezeWorld has nodes whose users had something to say before the run, and others.
func freezeWorld(t *testing.T) (*world, *freeze.Phase) {
	t.Helper()
	w := newWorld(t, greenVersion)
	w.pool("gpu", "karpenter.k8s.aws", "EC2NodeClass") // excluded from the run
	w.pool("general-purpose", "eks.amazonaws.com", "NodeClass")
	w.node("auto-mode", "general-purpose")
	w.node("plain", "general")
	w.node("excluded", "gpu", annotated("team", "ml"))
	w.node("users-true", "general", annotated(frozen, "true"))
	w.node("users-false", "general", annotated(frozen, "false"))
	w.node("users-empty", "general", annotated(frozen, ""))
	w.node("users-duration", "general", annotated(frozen, "24h"))
	w.ok(w.api.Create(w.ctx(), node("not-karpenters")))
	w.begin(plan())
	return w, &freeze.Phase{Kit: w.kit}
}

// pool makes a NodePool of a kind of NodeClass.
func (w *world) pool(name, group, kind string) {
	w.t.Helper()
	w.create(fmt.Sprintf(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: %s}
spec: {template: {spec: {nodeClassRef: {group: %s, kind: %s, name: %s}, requirements: []}}}
`, name, group, kind, name))
}

// node is a Node that Karpenter knows nothing of.
func node(name string) *corev1.Node {
	n := &corev1.Node{}
	n.Name = name
	return n
}

// annotations of all nodes that the user or the run wrote.
func (w *world) annotations() map[string]map[string]string {
	w.t.Helper()
	var nodes corev1.NodeList
	w.ok(w.api.List(w.ctx(), &nodes))
	out := map[string]map[string]string{}
	for _, n := range nodes.Items {
		out[n.Name] = n.Annotations
	}
	return out
}

func TestFreezeFreezesAllNodesOfKarpenterAndUndoGivesUsersTheirsBack(t *testing.T) {
	w, p := freezeWorld(t)
	before := w.annotations()
	w.drive(p.Run)

	for name, mark := range map[string]string{
		"plain": "up", "excluded": "up", "users-false": "up=false", "users-empty": "up==", "users-duration": "up=24h",
	} {
		w.Expect(w.readNode(name).Annotations).To(And(HaveKeyWithValue(frozen, "true"), HaveKeyWithValue(v1alpha1.AnnotationFrozenBy, mark)), name)
	}
	for _, name := range []string{"users-true", "not-karpenters", "auto-mode"} {
		w.Expect(w.readNode(name).Annotations).NotTo(HaveKey(v1alpha1.AnnotationFrozenBy), name)
	}
	w.Expect(w.readNode("excluded").Annotations).To(HaveKeyWithValue("team", "ml"))

	w.drive(p.Undo)
	w.Expect(w.annotations()).To(Equal(before))
}

func TestReleaseOfFreezeIsUndo(t *testing.T) {
	w, p := freezeWorld(t)
	before := w.annotations()
	w.drive(p.Run)
	w.drive(p.Release)
	w.Expect(w.annotations()).To(Equal(before))
}

func TestFreezeKeepsUpForNodesThatJoinLater(t *testing.T) {
	w, p := freezeWorld(t)
	w.drive(p.Run)
	w.node("late", "general")
	w.node("late-excluded", "gpu")
	w.node("late-auto-mode", "general-purpose")
	w.node("green", "general-green")
	w.node("canary", "up-canary-0", func(n *corev1.Node) { n.Labels[v1alpha1.LabelRun] = "up" })
	change(w, w.readNode("plain"), func(n *corev1.Node) { delete(n.Annotations, frozen) }) // by a controller of the user's
	for range 2 {
		w.ok(p.Keep(w.ctx(), w.run))
	}
	for _, name := range []string{"late", "late-excluded", "plain"} {
		w.Expect(w.readNode(name).Annotations).To(And(HaveKeyWithValue(frozen, "true"), HaveKeyWithValue(v1alpha1.AnnotationFrozenBy, "up")), name)
	}
	for _, name := range []string{"green", "canary", "auto-mode", "late-auto-mode"} {
		w.Expect(w.readNode(name).Annotations).NotTo(HaveKey(frozen), name)
	}
}

func TestWhatUsersSayOfANodeWhileItIsFrozenStays(t *testing.T) {
	w, p := freezeWorld(t)
	w.drive(p.Run)
	for name, value := range map[string]string{"plain": "1h", "users-false": "2h"} {
		change(w, w.readNode(name), func(n *corev1.Node) { n.Annotations[frozen] = value })
	}
	change(w, w.readNode("users-duration"), func(n *corev1.Node) { delete(n.Annotations, frozen) })
	w.drive(p.Undo)
	w.Expect(w.readNode("plain").Annotations).To(HaveKeyWithValue(frozen, "1h"))
	w.Expect(w.readNode("users-false").Annotations).To(HaveKeyWithValue(frozen, "2h"))
	w.Expect(w.readNode("users-duration").Annotations).NotTo(HaveKey(frozen))
	for name, annotations := range w.annotations() {
		w.Expect(annotations).NotTo(HaveKey(v1alpha1.AnnotationFrozenBy), name)
	}
}

func TestAFrozenNodeOfAnotherRunIsNotOurs(t *testing.T) {
	w, p := freezeWorld(t)
	w.node("theirs", "general", annotated(frozen, "true", v1alpha1.AnnotationFrozenBy, "another-run=false"))
	w.drive(p.Run)
	w.drive(p.Undo)
	w.Expect(w.readNode("theirs").Annotations).To(And(
		HaveKeyWithValue(frozen, "true"), HaveKeyWithValue(v1alpha1.AnnotationFrozenBy, "another-run=false")))
}

func TestFreezeNeverWritesOverWhatItHasNotSeen(t *testing.T) {
	w, p := freezeWorld(t)
	w.kit.Client = &afterList[*corev1.NodeList]{Client: w.kit.Client, then: func() {
		change(w, w.readNode("plain"), func(n *corev1.Node) { n.Annotations = map[string]string{frozen: "30m"} })
	}}
	w.Expect(w.step(p.Run).Kind).To(Equal(engine.KindWait))
	w.Expect(w.readNode("plain").Annotations).To(HaveKeyWithValue(frozen, "30m"), "it was written after the nodes were read")
	w.drive(p.Run)
	w.Expect(w.readNode("plain").Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationFrozenBy, "up=30m"))
}

func TestFreezeLeavesNodesThatGo(t *testing.T) {
	w, p := freezeWorld(t)
	w.node("going", "general", func(n *corev1.Node) { n.Finalizers = []string{"karpenter.sh/termination"} })
	w.ok(w.api.Delete(w.ctx(), w.readNode("going")))
	w.drive(p.Run)
	w.Expect(w.readNode("going").Annotations).NotTo(HaveKey(frozen))
}

func TestFreezeOfManyNodesIsBounded(t *testing.T) {
	w := newWorld(t, greenVersion)
	for i := range 60 {
		n := node(fmt.Sprintf("n%d", i))
		n.Labels = map[string]string{karpv1.NodePoolLabelKey: "general"}
		w.ok(w.api.Create(w.ctx(), n))
	}
	w.begin(plan())
	p := &freeze.Phase{Kit: w.kit}
	w.Expect(w.step(p.Run).Message).To(Equal("froze 50 of 60 nodes"))
	w.Expect(w.step(p.Run).Message).To(Equal("froze 10 of 60 nodes"))
	w.Expect(w.step(p.Run).Message).To(Equal("60 of 60 nodes frozen"))
	w.drive(p.Undo)
	var left corev1.NodeList
	w.ok(w.api.List(w.ctx(), &left, client.HasLabels{karpv1.NodePoolLabelKey}))
	for _, n := range left.Items {
		w.Expect(n.Annotations).To(BeEmpty())
	}
}

func TestNodesThatDriftedDuringTheRunStayFrozenUntilThatIsOver(t *testing.T) {
	w, p := freezeWorld(t)
	w.drive(p.Run)
	w.pass(time.Minute)
	w.condition(phase.NodeClaimKind, "plain", "Drifted", "True", "SecurityGroupDrift")
	out := w.step(p.Undo)
	w.Expect(out).To(And(HaveField("Reason", "WaitingForDrift"), HaveField("Message", ContainSubstring("plain (SecurityGroupDrift)"))))
	w.Expect(w.readNode("plain").Annotations).To(HaveKeyWithValue(frozen, "true"))
	w.condition(phase.NodeClaimKind, "plain", "Drifted", "False", "")
	w.drive(p.Undo)
	w.Expect(w.readNode("plain").Annotations).NotTo(HaveKey(frozen))
}

func TestNodesThatStayDriftedAreNotFrozenForEver(t *testing.T) {
	w, p := freezeWorld(t)
	w.drive(p.Run)
	w.pass(time.Minute)
	w.condition(phase.NodeClaimKind, "plain", "Drifted", "True", "AMIDrift")
	w.Expect(w.step(p.Undo)).To(HaveField("Reason", "WaitingForDrift"))
	w.pass(15 * time.Minute)
	out := w.drive(p.Undo)
	w.Expect(out.Message).To(And(ContainSubstring("1 NodeClaims have drifted"), ContainSubstring("plain (AMIDrift)")))
	w.Expect(w.readNode("plain").Annotations).NotTo(HaveKey(frozen))
}

func TestNodesThatHadDriftedBeforeTheRunKeepNothingFrozen(t *testing.T) {
	w := newWorld(t, greenVersion)
	w.node("plain", "general")
	w.condition(phase.NodeClaimKind, "plain", "Drifted", "True", "AMIDrift")
	w.pass(time.Hour)
	w.begin(plan())
	p := &freeze.Phase{Kit: w.kit}
	w.drive(p.Run)
	w.drive(p.Undo)
	w.Expect(w.readNode("plain").Annotations).NotTo(HaveKey(frozen))
}
