package phases

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// workload is a Deployment with its ReplicaSet and its pods.
type workload struct {
	w          *world
	deployment *appsv1.Deployment
	replicaSet *appsv1.ReplicaSet
	pods       int // how many were made
}

// workload makes a Deployment with one Ready pod on each of these nodes, as its controllers would have.
func (w *world) workload(namespace, name string, nodes ...string) *workload {
	w.t.Helper()
	labels := map[string]string{"app": name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}, TerminationGracePeriodSeconds: ptr.To[int64](0)},
	}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(len(nodes))), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template,
		},
	}
	w.ok(w.api.Create(w.ctx(), d))
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name + "-1", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: template},
	}
	w.ok(w.api.Create(w.ctx(), rs))
	l := &workload{w: w, deployment: d, replicaSet: rs}
	for _, n := range nodes {
		l.start(n)
	}
	l.rolledOut()
	return l
}

// start starts another pod on a node, Ready at once; on no node it waits for one.
func (l *workload) start(node string, with ...func(*corev1.Pod)) *corev1.Pod {
	l.w.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: l.deployment.Namespace, Name: fmt.Sprintf("%s-1-%d", l.deployment.Name, l.pods), Labels: l.deployment.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(l.replicaSet, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: l.deployment.Spec.Template.Spec,
	}
	p.Spec.NodeName = node
	l.pods++
	for _, change := range with {
		change(p)
	}
	l.w.ok(l.w.api.Create(l.w.ctx(), p))
	if node == "" {
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available",
		}}
		l.w.ok(l.w.api.Status().Update(l.w.ctx(), p))
		return p
	}
	l.w.setReady(p, true)
	return p
}

// rolledOut writes the status of a Deployment that has what its spec wants.
func (l *workload) rolledOut() {
	l.w.t.Helper()
	l.deployment = get(l.w, &appsv1.Deployment{}, l.deployment.Namespace, l.deployment.Name)
	n := *l.deployment.Spec.Replicas
	l.w.setStatus(l.deployment, n, n)
}

// heal starts a pod on a node for each that has gone.
func (l *workload) heal(node string) {
	l.w.t.Helper()
	for range int(*l.deployment.Spec.Replicas) - len(l.living()) {
		l.start(node)
	}
}

func (l *workload) living() []corev1.Pod {
	l.w.t.Helper()
	return l.w.podsIn(l.deployment.Namespace, l.deployment.Name)
}

// podsIn are the pods of a workload that are not terminating.
func (w *world) podsIn(namespace, app string) []corev1.Pod {
	w.t.Helper()
	var found corev1.PodList
	w.ok(w.api.List(w.ctx(), &found, client.InNamespace(namespace), client.MatchingLabels{"app": app}))
	return found.Items
}

// nodesOf are the nodes that a workload's pods are on.
func (l *workload) nodesOf() []string {
	l.w.t.Helper()
	var out []string
	for _, p := range l.living() {
		out = append(out, p.Spec.NodeName)
	}
	return out
}

// budget puts a PodDisruptionBudget over a workload, with the status that the disruption controller gives it.
func (l *workload) budget(name string, maxUnavailable int) *policyv1.PodDisruptionBudget {
	l.w.t.Helper()
	pdb := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.deployment.Namespace, Name: name},
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector: l.deployment.Spec.Selector, MaxUnavailable: ptr.To(intstr.FromInt(maxUnavailable)),
		},
	}
	l.w.ok(l.w.api.Create(l.w.ctx(), pdb))
	l.count(pdb)
	return pdb
}

// count plays the disruption controller: it counts the pods under a budget.
func (l *workload) count(pdb *policyv1.PodDisruptionBudget) {
	l.w.t.Helper()
	pdb = get(l.w, &policyv1.PodDisruptionBudget{}, pdb.Namespace, pdb.Name)
	healthy := int32(0)
	for _, p := range l.living() {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				healthy++
			}
		}
	}
	expected := *l.deployment.Spec.Replicas
	desired := expected - int32(pdb.Spec.MaxUnavailable.IntValue())
	pdb.Status = policyv1.PodDisruptionBudgetStatus{
		ObservedGeneration: pdb.Generation, ExpectedPods: expected, DesiredHealthy: desired, CurrentHealthy: healthy,
		DisruptionsAllowed: max(healthy-desired, 0),
		Conditions: []metav1.Condition{{
			Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionTrue, Reason: "Test", LastTransitionTime: l.w.now(),
		}},
	}
	l.w.ok(l.w.api.Status().Update(l.w.ctx(), pdb))
}

// bare makes a pod without a controller.
func (w *world) bare(namespace, name, node string, with ...func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			NodeName: node, Containers: []corev1.Container{{Name: "app", Image: "app"}}, TerminationGracePeriodSeconds: ptr.To[int64](0),
		},
	}
	for _, change := range with {
		change(p)
	}
	w.ok(w.api.Create(w.ctx(), p))
	w.setReady(p, true)
	return p
}
