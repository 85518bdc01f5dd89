package drain

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// View is what the caller saw of a cluster at one time.
type View struct {
	// Pods of the cluster. All of them: how many replicas of a workload are ready shows in them.
	Pods []*corev1.Pod
	// PDBs of the cluster.
	PDBs []*policyv1.PodDisruptionBudget
	// ReplicaSets, Deployments and StatefulSets by UID.
	ReplicaSets  map[types.UID]*appsv1.ReplicaSet
	Deployments  map[types.UID]*appsv1.Deployment
	StatefulSets map[types.UID]*appsv1.StatefulSet

	byNode map[string][]*corev1.Pod
	// byController are the pods of a controller, byDeployment those of all ReplicaSets of a Deployment.
	byController, byDeployment map[types.UID][]*corev1.Pod
	// budgets by namespace.
	budgets map[string][]*budget
	// ready replicas by workload, of those that were asked for: a pass asks once for each pod.
	ready   map[workloadKey]int32
	takenBy map[workloadKey]int32
}

// budget is a PodDisruptionBudget with its selector compiled, and how many disruptions it allows still.
type budget struct {
	pdb      *policyv1.PodDisruptionBudget
	selector labels.Selector
	allowed  int32
}

// Index prepares a View for decisions. It must be called once, after the fields are set.
func (v *View) Index() *View {
	v.byNode, v.ready, v.takenBy = map[string][]*corev1.Pod{}, map[workloadKey]int32{}, map[workloadKey]int32{}
	v.byController, v.byDeployment = map[types.UID][]*corev1.Pod{}, map[types.UID][]*corev1.Pod{}
	for _, p := range v.Pods {
		if p.Spec.NodeName != "" {
			v.byNode[p.Spec.NodeName] = append(v.byNode[p.Spec.NodeName], p)
		}
		if ref := metav1.GetControllerOf(p); ref != nil {
			v.byController[ref.UID] = append(v.byController[ref.UID], p)
		}
		if d := v.deploymentOf(p); d != nil {
			v.byDeployment[d.UID] = append(v.byDeployment[d.UID], p)
		}
	}
	v.budgets = map[string][]*budget{}
	for _, pdb := range v.PDBs {
		// A nil selector matches nothing, as in the disruption controller.
		selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err != nil {
			continue // the API server validates selectors
		}
		b := &budget{pdb: pdb, selector: selector, allowed: pdb.Status.DisruptionsAllowed}
		v.budgets[pdb.Namespace] = append(v.budgets[pdb.Namespace], b)
	}
	return v
}

// OnNode are the pods bound to a node.
func (v *View) OnNode(node string) []*corev1.Pod { return v.byNode[node] }

// budgetsOf are the budgets that a pod is under. The pointers stay valid for the View's life: decisions of one pass count
// against them.
func (v *View) budgetsOf(p *corev1.Pod) []*budget {
	var out []*budget
	for _, b := range v.budgets[p.Namespace] {
		if b.selector.Matches(labels.Set(p.Labels)) {
			out = append(out, b)
		}
	}
	return out
}

// deploymentOf is the Deployment that a pod belongs to; nil when it belongs to none.
func (v *View) deploymentOf(p *corev1.Pod) *appsv1.Deployment {
	ref := metav1.GetControllerOf(p)
	if ref == nil || ref.Kind != "ReplicaSet" {
		return nil
	}
	rs, ok := v.ReplicaSets[ref.UID]
	if !ok {
		return nil
	}
	owner := metav1.GetControllerOf(rs)
	if owner == nil || owner.Kind != "Deployment" {
		return nil
	}
	return v.Deployments[owner.UID]
}

// Since is when the workload of a pod was made: its Deployment, or else its controller. It is false for pods that no
// controller starts again, and for workloads that the View does not know, with there telling these apart.
func (v *View) Since(p *corev1.Pod) (since metav1.Time, there, known bool) {
	ref := metav1.GetControllerOf(p)
	if ref == nil {
		return metav1.Time{}, false, false
	}
	if d := v.deploymentOf(p); d != nil {
		return d.CreationTimestamp, true, true
	}
	if rs, ok := v.ReplicaSets[ref.UID]; ok {
		return rs.CreationTimestamp, true, true
	}
	if sts, ok := v.StatefulSets[ref.UID]; ok {
		return sts.CreationTimestamp, true, true
	}
	return metav1.Time{}, true, false
}

// replicas says how many replicas a pod's controller wants and how many of them are ready. For controllers that the View does
// not know, those that exist count as wanted.
func (v *View) replicas(p *corev1.Pod) (wanted, ready int32) {
	ref := metav1.GetControllerOf(p)
	if ref == nil {
		return 1, 0
	}
	siblings := v.byController[ref.UID]
	if d := v.deploymentOf(p); d != nil {
		siblings, wanted = v.byDeployment[d.UID], ptr.Deref(d.Spec.Replicas, 1)
	} else if rs, ok := v.ReplicaSets[ref.UID]; ok {
		wanted = ptr.Deref(rs.Spec.Replicas, 1)
	} else if sts, ok := v.StatefulSets[ref.UID]; ok {
		wanted = ptr.Deref(sts.Spec.Replicas, 1)
	} else {
		wanted = count(siblings, func(s *corev1.Pod) bool { return !ended(s) })
	}
	ready, counted := v.ready[v.workload(p)]
	if !counted {
		ready = count(siblings, func(s *corev1.Pod) bool { return Ready(s) && s.DeletionTimestamp == nil })
		v.ready[v.workload(p)] = ready
	}
	return wanted, ready
}

func count(pods []*corev1.Pod, which func(*corev1.Pod) bool) int32 {
	var n int32
	for _, p := range pods {
		if which(p) {
			n++
		}
	}
	return n
}

// Ready says that a pod is Ready.
func Ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
