package drain

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// world builds Views.
type world struct{ View }

func newWorld() *world {
	return &world{View{
		ReplicaSets: map[types.UID]*appsv1.ReplicaSet{}, Deployments: map[types.UID]*appsv1.Deployment{}, StatefulSets: map[types.UID]*appsv1.StatefulSet{},
	}}
}

func owner(kind string, uid types.UID) []metav1.OwnerReference {
	return []metav1.OwnerReference{{Kind: kind, UID: uid, Name: string(uid), Controller: ptr.To(true)}}
}

func (w *world) pod(name string, owners []metav1.OwnerReference, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), OwnerReferences: owners, Labels: map[string]string{"app": "a"}},
		Spec:       corev1.PodSpec{NodeName: "n1"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: ptr.To(metav1.NewTime(now.Add(-time.Hour))),
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for _, c := range change {
		c(p)
	}
	w.Pods = append(w.Pods, p)
	return p
}

// deployment adds a Deployment that is rolled out, with that many ready pods.
func (w *world) deployment(name string, replicas int32, change ...func(*appsv1.Deployment)) []*corev1.Pod {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("d-" + name), Generation: 1},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To(replicas)},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas, AvailableReplicas: replicas, ReadyReplicas: replicas},
	}
	for _, c := range change {
		c(d)
	}
	w.Deployments[d.UID] = d
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("rs-" + name), OwnerReferences: owner("Deployment", d.UID)}, Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(replicas)}}
	w.ReplicaSets[rs.UID] = rs
	var pods []*corev1.Pod
	for i := range replicas {
		pods = append(pods, w.pod(fmt.Sprintf("%s-%d", name, i), owner("ReplicaSet", rs.UID)))
	}
	return pods
}

func (w *world) pdb(name string, allowed, healthy, desired, expected int32) {
	w.PDBs = append(w.PDBs, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed, CurrentHealthy: healthy, DesiredHealthy: desired, ExpectedPods: expected},
	})
}

func notReady(p *corev1.Pod) { p.Status.Conditions = nil }

func annotated(value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{"karpenter.sh/do-not-disrupt": value} }
}

func TestDecide(t *testing.T) {
	for name, tc := range map[string]struct {
		build  func(w *world) *corev1.Pod
		policy Policy
		action Action
		reason string
	}{
		"pod of a DaemonSet": {build: func(w *world) *corev1.Pod { return w.pod("a", owner("DaemonSet", "ds")) }, action: Ignore},
		"mirror pod": {build: func(w *world) *corev1.Pod {
			return w.pod("a", owner("Node", "n1"), func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} })
		}, action: Ignore},
		"pod that has ended": {build: func(w *world) *corev1.Pod {
			return w.pod("a", owner("Job", "j"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
		}, action: Ignore},
		"terminating pod": {build: func(w *world) *corev1.Pod {
			return w.pod("a", owner("Job", "j"), func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.NewTime(now)) })
		}, action: Wait, reason: ReasonTerminating},
		"pod without a controller":              {build: func(w *world) *corev1.Pod { return w.pod("a", nil) }, action: Hold, reason: ReasonBarePod},
		"pod without a controller, may be lost": {build: func(w *world) *corev1.Pod { return w.pod("a", nil) }, policy: Policy{BarePods: v1alpha1.BarePodEvict}, action: Evict},
		"all replicas ready, no budget":         {build: func(w *world) *corev1.Pod { return w.deployment("web", 3)[0] }, action: Evict},
		"a replica missing, no budget": {build: func(w *world) *corev1.Pod {
			pods := w.deployment("web", 3)
			notReady(pods[1])
			return pods[0]
		}, action: Wait, reason: ReasonReplicas},
		"a replica not created yet, no budget": {build: func(w *world) *corev1.Pod {
			return w.deployment("web", 3, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](4) })[0]
		}, action: Wait, reason: ReasonReplicas},
		"the pod itself is not ready": {build: func(w *world) *corev1.Pod {
			pods := w.deployment("web", 3)
			notReady(pods[0])
			return pods[0]
		}, action: Evict},
		"budget allows": {build: func(w *world) *corev1.Pod { w.pdb("b", 1, 3, 2, 3); return w.deployment("web", 3)[0] }, action: Evict},
		"budget allows though a replica is missing": {build: func(w *world) *corev1.Pod {
			w.pdb("b", 1, 3, 2, 4)
			pods := w.deployment("web", 4)
			notReady(pods[3])
			return pods[0]
		}, action: Evict},
		"budget allows none now": {build: func(w *world) *corev1.Pod { w.pdb("b", 0, 2, 2, 3); return w.deployment("web", 3)[0] }, action: Wait, reason: ReasonBudget},
		"budget of a StatefulSet never allows": {build: func(w *world) *corev1.Pod {
			w.pdb("b", 0, 1, 1, 1)
			return w.pod("db-0", owner("StatefulSet", "db"))
		}, action: Hold, reason: ReasonBudgetNever},
		"two budgets": {build: func(w *world) *corev1.Pod {
			w.pdb("b", 1, 3, 2, 3)
			w.pdb("c", 1, 3, 2, 3)
			return w.deployment("web", 3)[0]
		}, action: Hold, reason: ReasonTwoBudgets},
		"one replica":                                 {build: func(w *world) *corev1.Pod { return w.deployment("one", 1)[0] }, action: Surge},
		"one replica, to be evicted":                  {build: func(w *world) *corev1.Pod { return w.deployment("one", 1)[0] }, policy: Policy{Singletons: v1alpha1.SingletonEvict}, action: Evict},
		"one replica, to be left alone":               {build: func(w *world) *corev1.Pod { return w.deployment("one", 1)[0] }, policy: Policy{Singletons: v1alpha1.SingletonWait}, action: Hold, reason: ReasonSingleton},
		"three replicas whose budget never allows":    {build: func(w *world) *corev1.Pod { w.pdb("b", 0, 3, 3, 3); return w.deployment("web", 3, surging)[0] }, action: Surge},
		"budget never allows and no way to surge":     {build: func(w *world) *corev1.Pod { w.pdb("b", 0, 1, 1, 1); return w.deployment("one", 1, recreate)[0] }, action: Hold, reason: ReasonBudgetNever},
		"one replica that cannot surge":               {build: func(w *world) *corev1.Pod { return w.deployment("one", 1, recreate)[0] }, action: Evict},
		"one replica with a volume":                   {build: func(w *world) *corev1.Pod { return w.deployment("one", 1, claiming)[0] }, action: Evict},
		"a volume, and a budget that never allows":    {build: func(w *world) *corev1.Pod { w.pdb("b", 0, 1, 1, 1); return w.deployment("one", 1, claiming)[0] }, action: Hold, reason: ReasonBudgetNever},
		"one replica that rolls out already":          {build: func(w *world) *corev1.Pod { return w.deployment("one", 1, rolling)[0] }, action: Wait, reason: ReasonRollingOut},
		"one replica of a StatefulSet":                {build: func(w *world) *corev1.Pod { return w.pod("db-0", owner("StatefulSet", "db")) }, action: Evict},
		"do-not-disrupt":                              {build: func(w *world) *corev1.Pod { return w.pod("a", owner("Job", "j"), annotated("true")) }, action: Hold, reason: ReasonDoNotDisrupt},
		"do-not-disrupt after the user's deadline":    {build: func(w *world) *corev1.Pod { return w.pod("a", owner("Job", "j"), annotated("true")) }, policy: Policy{DoNotDisruptTimeout: ptr.To(time.Minute)}, action: Evict},
		"do-not-disrupt before the user's deadline":   {build: func(w *world) *corev1.Pod { return w.pod("a", owner("Job", "j"), annotated("true")) }, policy: Policy{DoNotDisruptTimeout: ptr.To(time.Hour)}, action: Hold, reason: ReasonDoNotDisrupt},
		"do-not-disrupt for a time that has not gone": {build: func(w *world) *corev1.Pod { return w.pod("a", owner("Job", "j"), annotated("2h")) }, action: Hold, reason: ReasonDoNotDisrupt},
		"do-not-disrupt for a time that has gone":     {build: func(w *world) *corev1.Pod { return w.pod("a", owner("Job", "j"), annotated("30m")) }, action: Evict},
		"do-not-disrupt with a dead value":            {build: func(w *world) *corev1.Pod { return w.pod("a", owner("Job", "j"), annotated("yes")) }, action: Evict},
		"pod of a Job whose other pods have ended": {build: func(w *world) *corev1.Pod {
			w.pod("old", owner("Job", "j"), notReady, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })
			return w.pod("new", owner("Job", "j"))
		}, action: Evict},
		"pod that demands a NodePool that is left": {build: func(w *world) *corev1.Pod {
			return w.pod("a", owner("Job", "j"), func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"karpenter.sh/nodepool": "blue"} })
		}, policy: Policy{Leaves: func(pool string) bool { return pool == "blue" }}, action: Hold, reason: ReasonPinned},
		"namespace that moves later": {build: func(w *world) *corev1.Pod { return w.deployment("web", 3)[0] },
			policy: Policy{Namespace: NamespaceGate([]string{"first"}, map[string]bool{"first": true, "shop": true})}, action: Wait, reason: ReasonOtherNamespace},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld()
			p := tc.build(w)
			d := w.Index().Decide(p, tc.policy, now.Add(-10*time.Minute), now)
			g.Expect(d.Action).To(Equal(tc.action), d.Message)
			g.Expect(d.Reason).To(Equal(tc.reason))
			if tc.action == Wait || tc.action == Hold {
				g.Expect(d.Message).NotTo(BeEmpty())
			}
		})
	}
}

func surging(d *appsv1.Deployment) {
	d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))}
}
func recreate(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }
func claiming(d *appsv1.Deployment) {
	d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
	}}}
}
func rolling(d *appsv1.Deployment) { d.Generation = 2 }

func TestOnePassNeverAllowsMoreThanThereIs(t *testing.T) {
	evictions := func(w *world, pods []*corev1.Pod) int {
		v, n := w.Index(), 0
		for _, p := range pods {
			if a := v.Decide(p, Policy{}, now, now).Action; a == Evict || a == Surge {
				n++
			}
		}
		return n
	}
	t.Run("budget", func(t *testing.T) {
		w := newWorld()
		w.pdb("b", 2, 10, 8, 10)
		NewWithT(t).Expect(evictions(w, w.deployment("web", 10))).To(Equal(2))
	})
	t.Run("no budget", func(t *testing.T) {
		w := newWorld()
		NewWithT(t).Expect(evictions(w, w.deployment("web", 10))).To(Equal(1))
	})
	t.Run("one restart for all pods of a Deployment", func(t *testing.T) {
		w := newWorld()
		w.pdb("b", 0, 4, 4, 4)
		NewWithT(t).Expect(evictions(w, w.deployment("web", 4, surging))).To(Equal(1))
	})
}

func TestSelect(t *testing.T) {
	node := func(name string, change ...func(*Node)) Node {
		n := Node{Name: name, Created: now}
		for _, c := range change {
			c(&n)
		}
		return n
	}
	older := func(n *Node) { n.Created = now.Add(-time.Hour) }
	second := func(n *Node) { n.Rank = 1 }
	last := func(n *Node) { n.Last = true }
	draining := func(n *Node) { n.Draining = true }
	blocked := func(n *Node) { n.Blocked = true }
	leaving := func(n *Node) { n.Draining, n.Leaving = true, true }
	for name, tc := range map[string]struct {
		nodes []Node
		limit int
		want  []string
	}{
		"oldest first":                   {[]Node{node("a"), node("b", older)}, 1, []string{"b"}},
		"by NodePool before age":         {[]Node{node("a"), node("b", older, second)}, 1, []string{"a"}},
		"up to the limit":                {[]Node{node("a", draining), node("b"), node("c"), node("d")}, 3, []string{"b", "c"}},
		"none above the limit":           {[]Node{node("a", draining), node("b", draining), node("c")}, 1, nil},
		"blocked nodes keep nobody":      {[]Node{node("a", draining, blocked), node("b")}, 1, []string{"b"}},
		"leaving nodes keep nobody":      {[]Node{node("a", leaving), node("b")}, 1, []string{"b"}},
		"the last one waits for others":  {[]Node{node("a", draining), node("z", last)}, 5, nil},
		"the last one, others blocked":   {[]Node{node("a", draining, blocked), node("b", leaving, blocked), node("z", last)}, 5, []string{"z"}},
		"the last ones go one at a time": {[]Node{node("y", last), node("z", last)}, 5, []string{"y"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Select(tc.nodes, tc.limit)).To(Equal(tc.want))
		})
	}
}

func TestNamespaceGate(t *testing.T) {
	g := NewWithT(t)
	g.Expect(NamespaceGate(nil, map[string]bool{"a": true})).To(BeNil())
	gate := NamespaceGate([]string{"a", "b"}, map[string]bool{"b": true, "c": true})
	g.Expect(gate("b")).To(BeTrue(), "a has left")
	g.Expect(gate("c")).To(BeFalse())
	rest := NamespaceGate([]string{"a", "b"}, map[string]bool{"c": true, "d": true})
	g.Expect(rest("c") && rest("d")).To(BeTrue())
}
