package phases

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/canary"
)

// canaryName is what the first canary's objects are called.
const canaryName = "up-canary-0"

// canaryWorld has green NodePools that are Ready, and green leads.
func canaryWorld(t *testing.T, change ...func(*v1alpha1.KarpenterUpgradeSpec)) (*world, *canary.Phase) {
	t.Helper()
	w, pools := poolsWorld(t, change...)
	w.release(greenRelease, greenVersion, 2)
	w.drive(pools.Run, w.ready)
	return w, &canary.Phase{Kit: w.kit}
}

// canaryPod is the pod of the i-th canary's Deployment, bound to a node.
func (w *world) canaryPod(i int, node string, ready bool) *corev1.Pod {
	w.t.Helper()
	d := get(w, &appsv1.Deployment{}, operatorNS, fmt.Sprintf("up-canary-%d", i))
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNS, Name: d.Name, Labels: d.Spec.Template.Labels}, Spec: d.Spec.Template.Spec}
	p.Spec.NodeName = node
	w.ok(w.api.Create(w.ctx(), p))
	w.setReady(p, ready)
	return p
}

func TestTheCanaryIsAPodThatOnlyItsOwnNodeTakes(t *testing.T) {
	w, p := canaryWorld(t)
	w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForCanary"))

	green, pool := w.nodePool("general-green"), w.nodePool(canaryName)
	taint := map[string]any{"key": v1alpha1.MarkPrefix + "canary", "value": "up", "effect": "NoSchedule"}
	w.Expect(specOf(pool, "template", "spec", "taints")).To(ConsistOf(taint, HaveKeyWithValue("key", "dedicated")))
	ours := [][]string{{"template", "spec", "taints"}, {"template", "metadata", "labels"}, {"disruption"}, {"weight"}, {"limits"}}
	w.Expect(without(pool, ours...)).To(Equal(without(green, ours...)), "requirements and EC2NodeClass of green")
	w.Expect(specOf(pool, "disruption", "budgets")).To(Equal([]any{map[string]any{"nodes": "0"}}))
	w.Expect(specOf(pool, "template", "metadata", "labels")).To(Equal(map[string]any{"tier": "web", v1alpha1.LabelRun: "up"}))

	d := get(w, &appsv1.Deployment{}, operatorNS, canaryName)
	spec := d.Spec.Template.Spec
	w.Expect(spec.NodeSelector).To(Equal(map[string]string{karpv1.NodePoolLabelKey: canaryName}))
	w.Expect(spec.Tolerations).To(ConsistOf(
		corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		corev1.Toleration{Key: v1alpha1.MarkPrefix + "canary", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}))
	w.Expect(spec.Containers[0].Image).To(Equal("registry.k8s.io/pause:3.10"))
	w.Expect(spec.Containers[0].Resources.Requests.Cpu().String()).To(Equal("100m"))
	for _, o := range []client.Object{d, pool} {
		w.Expect(metav1.GetControllerOf(o).UID).To(Equal(w.run.UID), "it goes when the run is deleted")
	}
}

func TestTheCanaryMayRunWherePodsAreRestricted(t *testing.T) {
	w, p := canaryWorld(t)
	w.step(p.Run)
	ns := get(w, &corev1.Namespace{}, "", operatorNS)
	const enforce = "pod-security.kubernetes.io/enforce"
	change(w, ns, func(n *corev1.Namespace) { n.Labels[enforce] = "restricted" })
	d := get(w, &appsv1.Deployment{}, operatorNS, canaryName)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNS, Name: "canary-pod"}, Spec: d.Spec.Template.Spec}
	err := w.api.Create(w.ctx(), pod, client.DryRunAll)
	change(w, ns, func(n *corev1.Namespace) { delete(n.Labels, enforce) })
	w.ok(err)
}

func TestTheCanaryIsProvedByAPodOnANodeThatGreenRegistered(t *testing.T) {
	w, p := canaryWorld(t)
	says := func(text string) {
		t.Helper()
		out := w.step(p.Run)
		w.Expect(out.Reason).To(Equal("WaitingForCanary"))
		w.Expect(out.Message).To(Equal("EC2NodeClass default-green: " + text))
	}
	says("NodePool up-canary-0 is not Ready: Karpenter has not looked at it yet")
	w.ready()
	says("NodePool up-canary-0 has no NodeClaim; kubectl get events -A --field-selector involvedObject.kind=NodeClaim")
	w.claim("c1", canaryName)
	w.condition(phase.NodeClaimKind, "c1", "Launched", "False", "no capacity for m5.large")
	says("NodeClaim c1 is not Launched yet: no capacity for m5.large")

	pod := w.canaryPod(0, "blue-1", true)
	w.node("blue-1", "general")
	says("NodeClaim c1 is not Launched yet: no capacity for m5.large") // a pod that runs elsewhere proves nothing
	w.ok(w.api.Delete(w.ctx(), pod, client.GracePeriodSeconds(0)))

	n := node("c1")
	n.Labels = map[string]string{karpv1.NodePoolLabelKey: canaryName}
	w.ok(w.api.Create(w.ctx(), n))
	w.canaryPod(0, "c1", true)
	w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForCanary"), "the node is not registered")
	change(w, n, func(n *corev1.Node) { n.Labels[karpv1.NodeRegisteredLabelKey] = "true" })

	w.Expect(w.step(p.Run).Reason).To(Equal("Proved"))
	w.Expect(w.run.Status.Canary.Nodes).To(Equal([]string{"c1"}))
	w.Expect(w.run.Status.Canary.ProvedAt.Time).To(BeTemporally("==", w.clock.Now()))
	out := w.step(p.Run)
	w.Expect(out.Message).To(Equal("proved; NodeClaim c1 is being removed"))
	w.Expect(w.gone(&appsv1.Deployment{}, operatorNS, canaryName)).To(BeTrue())
	w.Expect(w.gone(phase.Object(phase.NodePoolKind, ""), "", canaryName)).To(BeTrue())
	w.ok(w.api.Delete(w.ctx(), phase.Object(phase.NodeClaimKind, "c1")))
	w.Expect(w.step(p.Run).Message).To(Equal("pods ran on nodes launched by 1.14.1: c1"))
	w.Expect(w.gone(phase.Object(phase.NodePoolKind, ""), "", canaryName)).To(BeTrue(), "it is not made again")
}

func TestEveryNodeClassHasACanaryAndAllComeUpSideBySide(t *testing.T) {
	w, p := canaryWorld(t)
	w.run.Status.Plan.NodeClasses = append(w.run.Status.Plan.NodeClasses,
		v1alpha1.NodeClassPlan{Blue: "gpu", Green: "gpu-green", CanaryPool: "gpu-green"}, v1alpha1.NodeClassPlan{Blue: "arm", Green: "arm-green", CanaryPool: "arm-green"})
	for _, name := range []string{"gpu-green", "arm-green"} {
		pool := w.object(blueNodePool)
		pool.SetName(name)
		w.ok(w.api.Create(w.ctx(), pool))
	}
	w.save()
	w.step(p.Run)
	for i := range 3 {
		w.Expect(w.hasPool(fmt.Sprintf("up-canary-%d", i))).To(BeTrue(), "one need not wait for the other")
		get(w, &appsv1.Deployment{}, operatorNS, fmt.Sprintf("up-canary-%d", i))
	}
	w.node("c1", "up-canary-1")
	w.canaryPod(1, "c1", true)
	w.Expect(w.step(p.Run).Message).To(And(HavePrefix("EC2NodeClass default-green: "), HaveSuffix("; 2 of 3 EC2NodeClasses are left to be proved")))
	w.node("c0", canaryName)
	w.canaryPod(0, "c0", true)
	w.Expect(w.step(p.Run).Message).To(And(HavePrefix("EC2NodeClass arm-green: "), HaveSuffix("; 1 of 3 EC2NodeClasses are left to be proved")))
	w.Expect(w.run.Status.Canary).To(BeNil())
	w.node("c2", "up-canary-2")
	w.canaryPod(2, "c2", true)
	w.Expect(w.step(p.Run).Reason).To(Equal("Proved"))
	w.Expect(w.run.Status.Canary.Nodes).To(Equal([]string{"c0", "c1", "c2"}))
	w.drive(p.Undo, func() { w.deleteAllClaims() })
	w.Expect(w.all(phase.NodePoolKind)).To(HaveLen(4))
}

func TestACanaryThatGreenDidNotLaunchProvesNothing(t *testing.T) {
	w, p := canaryWorld(t)
	w.step(p.Run)
	w.node("c1", canaryName)
	w.canaryPod(0, "c1", true)
	w.startPod("karpenter-1-0-8-0", map[string]string{"app.kubernetes.io/name": "karpenter", "app.kubernetes.io/instance": blueRelease}, true)
	w.hold("karpenter-1-0-8-0_0b5c6d7e-0000-4000-8000-000000000001")
	out := w.step(p.Run)
	w.Expect(out.Reason).To(Equal("WaitingForLeader"))
	w.Expect(out.Message).To(ContainSubstring("no pod of release karpenter/karpenter-green holds the Lease"))
	w.Expect(w.run.Status.Canary).To(BeNil())

	w.hold("karpenter-green-1-14-1-0_0b5c6d7e-0000-4000-8000-000000000001")
	w.Expect(w.step(p.Run).Reason).To(Equal("Proved"))
}

func (w *world) deleteAllClaims() {
	w.t.Helper()
	for _, c := range w.all(phase.NodeClaimKind) {
		w.ok(client.IgnoreNotFound(w.api.Delete(w.ctx(), &c)))
	}
}

func TestUndoOfTheCanaryWaitsForItsNode(t *testing.T) {
	w, p := canaryWorld(t)
	w.driveTo(engine.KindWait, p.Run)
	w.claim("c1", canaryName)
	w.Expect(w.step(p.Undo).Message).To(Equal("NodeClaim c1 is being removed"))
	w.deleteAllClaims()
	w.drive(p.Undo)
	w.Expect(w.gone(&appsv1.Deployment{}, operatorNS, canaryName)).To(BeTrue())
	w.Expect(w.gone(phase.Object(phase.NodePoolKind, ""), "", canaryName)).To(BeTrue())
	w.drive(p.Release)
}

func TestACanaryThatTakesTooLongFailsWithWhatItWaitedFor(t *testing.T) {
	w, p := canaryWorld(t)
	for i := range w.run.Status.Steps {
		w.run.Status.Steps[i].State = v1alpha1.StepDone
	}
	w.run.Step(v1alpha1.PhaseCanary).State = v1alpha1.StepRunning
	ladder := engine.New(w.clock, p)
	ladder.Step(w.ctx(), w.run)
	w.ready()
	w.claim("c1", canaryName)
	w.condition(phase.NodeClaimKind, "c1", "Launched", "False", "InsufficientInstanceCapacity")
	w.pass(w.run.Spec.Canary.Timeout.Duration)
	ladder.Step(w.ctx(), w.run)
	step := w.run.Step(v1alpha1.PhaseCanary)
	w.Expect(step.State).To(Equal(v1alpha1.StepFailed))
	w.Expect(step.Reason).To(Equal("DeadlineExceeded"))
	w.Expect(step.Message).To(Equal("not done after 10m0s: EC2NodeClass default-green: NodeClaim c1 is not Launched yet: InsufficientInstanceCapacity"))

	w.run.Status.Canary = &v1alpha1.CanaryStatus{ProvedAt: w.run.Status.StartedAt}
	w.Expect(p.Deadline(w.run)).To(BeZero(), "to remove it may take as long as it takes")
}

func TestObjectsOfUsersWithTheNameOfACanary(t *testing.T) {
	for kind, theirsIn := range map[string]func(w *world) client.Object{
		"NodePool": func(w *world) client.Object {
			o := w.object(blueNodePool)
			o.SetName(canaryName)
			return o
		},
		"Deployment": func(*world) client.Object {
			labels := map[string]string{"app": "theirs"}
			return &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: operatorNS, Name: canaryName},
				Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
				}},
			}
		},
	} {
		t.Run(kind, func(t *testing.T) {
			w, p := canaryWorld(t)
			theirs := theirsIn(w)
			w.ok(w.api.Create(w.ctx(), theirs))
			out := w.step(p.Run)
			w.Expect(out.Kind).To(Equal(engine.KindFail))
			w.Expect(out.Message).To(And(ContainSubstring(kind), ContainSubstring(canaryName), ContainSubstring("was not made by this run")))
			for _, do := range []stepFunc{p.Undo, p.Release} {
				w.drive(do)
				w.Expect(apierrors.IsNotFound(w.api.Get(w.ctx(), client.ObjectKeyFromObject(theirs), theirs))).To(BeFalse())
				w.Expect(theirs.GetDeletionTimestamp()).To(BeNil())
			}
		})
	}
}

func TestWithoutNodePoolsThereIsNoCanary(t *testing.T) {
	w, p := canaryWorld(t)
	w.run.Status.Plan.NodeClasses = nil
	w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindSkip))
}
