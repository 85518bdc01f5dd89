package drain

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// Action is how a pod leaves its node.
type Action int

const (
	// Ignore pods do not keep a node: those of DaemonSets, mirror pods, and pods that have ended.
	Ignore Action = iota
	// Evict pods leave by the Eviction API.
	Evict
	// Surge pods leave when their Deployment is restarted: its own surge starts the new pod first.
	Surge
	// Wait pods stay for now, and leave by themselves when something else has happened.
	Wait
	// Hold pods stay until a person, or a deadline that the user set, lets them go.
	Hold
)

// Reasons of Wait and Hold.
const (
	ReasonTerminating    = "Terminating"
	ReasonBudget         = "PodDisruptionBudget"
	ReasonBudgetNever    = "PodDisruptionBudgetNeverAllows"
	ReasonTwoBudgets     = "TwoPodDisruptionBudgets"
	ReasonReplicas       = "ReplicasNotReady"
	ReasonRollingOut     = "RollingOut"
	ReasonDoNotDisrupt   = "DoNotDisrupt"
	ReasonBarePod        = "BarePod"
	ReasonSingleton      = "Singleton"
	ReasonOtherNamespace = "NamespaceLater"
	ReasonPinned         = "PinnedToNodePool"
	ReasonRefused        = "EvictionRefused"
	ReasonRestartRefused = "RestartRefused"
)

// Decision is how one pod leaves its node.
type Decision struct {
	Pod    *corev1.Pod
	Action Action
	// Reason and Message say why a pod stays; Message names what is in the way and what resolves it.
	Reason, Message string
}

// Policy is what the user wants.
type Policy struct {
	Singletons v1alpha1.SingletonPolicy
	BarePods   v1alpha1.BarePodPolicy
	// DoNotDisruptTimeout is how long karpenter.sh/do-not-disrupt holds, from when the pod might have moved; nil for ever.
	DoNotDisruptTimeout *time.Duration
	// Leaves says of a NodePool that its nodes are being emptied: pods that can only run there do not move. Nil for none.
	Leaves func(pool string) bool
	// Namespace, when not empty, is the only one whose pods move now.
	Namespace func(namespace string) bool
}

// Decide says how a pod leaves a node, which it might have done since a time: when the node began to be emptied, or the turn of
// its namespace if that was later. An eviction, or a surge, that it allows counts
// against the View's budgets and replicas, so that the decisions of one pass never allow more than there is.
func (v *View) Decide(p *corev1.Pod, policy Policy, since, now time.Time) Decision {
	d := Decision{Pod: p}
	switch {
	case Ignored(p):
		return d
	case p.DeletionTimestamp != nil:
		return d.stay(Wait, ReasonTerminating, "it is terminating")
	case policy.Namespace != nil && !policy.Namespace(p.Namespace):
		return d.stay(Wait, ReasonOtherNamespace, "its namespace moves later")
	case protected(p, policy, since, now):
		return d.stay(Hold, ReasonDoNotDisrupt, "it is annotated %s; remove the annotation, or set spec.migration.doNotDisruptTimeout", karpv1.DoNotDisruptAnnotationKey)
	case policy.Leaves != nil && PinnedTo(p, policy.Leaves):
		return d.stay(Hold, ReasonPinned, "its node selector or affinity demands a NodePool that is being emptied, which would launch the next node for it; "+
			"let it demand the one that replaces it (%s), or none", karpv1.NodePoolLabelKey)
	case metav1.GetControllerOf(p) == nil && policy.BarePods != v1alpha1.BarePodEvict:
		return d.stay(Hold, ReasonBarePod, "it has no controller and would be lost; delete it, or set spec.migration.barePods: Evict")
	}
	return v.decideMovable(d, policy)
}

func (d Decision) stay(action Action, reason, format string, args ...any) Decision {
	d.Action, d.Reason, d.Message = action, reason, fmt.Sprintf(format, args...)
	return d
}

// decideMovable decides for a pod that nothing but its budget and its replicas speaks for or against.
func (v *View) decideMovable(d Decision, policy Policy) Decision {
	budgets := v.budgetsOf(d.Pod)
	if len(budgets) > 1 {
		return d.stay(Hold, ReasonTwoBudgets, "it is under the PodDisruptionBudgets %s and %s, and the Eviction API refuses pods under two; delete one of them",
			budgets[0].pdb.Name, budgets[1].pdb.Name)
	}
	var b *budget
	if len(budgets) == 1 {
		b = budgets[0]
	}
	if v.singleton(d.Pod, b) {
		return v.decideSingleton(d, b, policy)
	}
	return v.decideEviction(d, b)
}

func (v *View) decideEviction(d Decision, b *budget) Decision {
	if b != nil && b.pdb.Status.ObservedGeneration < b.pdb.Generation {
		return d.stay(Wait, ReasonBudget, "PodDisruptionBudget %s/%s has changed and its pods are not counted yet", b.pdb.Namespace, b.pdb.Name)
	}
	if !Ready(d.Pod) {
		d.Action = Evict // it serves nobody; the Eviction API has the last word on its budget
		return d
	}
	if b != nil {
		return d.againstBudget(b)
	}
	if metav1.GetControllerOf(d.Pod) == nil {
		d.Action = Evict
		return d
	}
	if wanted, ready := v.replicas(d.Pod); ready-v.taken(d.Pod) < wanted {
		return d.stay(Wait, ReasonReplicas, "%d of %d replicas of its controller are ready", ready-v.taken(d.Pod), wanted)
	}
	v.take(d.Pod)
	d.Action = Evict
	return d
}

func (d Decision) againstBudget(b *budget) Decision {
	switch {
	case b.allowed > 0:
		b.allowed--
		d.Action = Evict
		return d
	case b.never():
		return d.stay(Hold, ReasonBudgetNever, "PodDisruptionBudget %s/%s allows no disruption, ever (%d of %d pods must be healthy); change it, or move the pod yourself",
			b.pdb.Namespace, b.pdb.Name, b.pdb.Status.DesiredHealthy, b.pdb.Status.ExpectedPods)
	default:
		return d.stay(Wait, ReasonBudget, "PodDisruptionBudget %s/%s allows no disruption now (%d healthy, %d wanted)",
			b.pdb.Namespace, b.pdb.Name, b.pdb.Status.CurrentHealthy, b.pdb.Status.DesiredHealthy)
	}
}

// never says that a budget would allow no disruption even if all its pods were healthy.
func (b *budget) never() bool {
	return snapshot.NeverAllows(b.pdb.Status.ExpectedPods, b.pdb.Status.DesiredHealthy)
}

// taken and take count the evictions that this pass has allowed for pods without a budget, by controller.
func (v *View) taken(p *corev1.Pod) int32 { return v.takenBy[v.workload(p)] }

func (v *View) take(p *corev1.Pod) { v.takenBy[v.workload(p)]++ }

// Ignored says that a pod does not keep a node from being empty: it has ended, is a mirror pod, or belongs to a DaemonSet.
func Ignored(p *corev1.Pod) bool {
	if ended(p) {
		return true
	}
	if _, mirror := p.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return true
	}
	ref := metav1.GetControllerOf(p)
	return ref != nil && (ref.Kind == "DaemonSet" || ref.Kind == "Node")
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// protected says that karpenter.sh/do-not-disrupt holds a pod.
func protected(p *corev1.Pod, policy Policy, since, now time.Time) bool {
	value, there := p.Annotations[karpv1.DoNotDisruptAnnotationKey]
	if !there || (policy.DoNotDisruptTimeout != nil && now.Sub(since) >= *policy.DoNotDisruptTimeout) {
		return false
	}
	return snapshot.Protects(value, started(p), now)
}

// started is when a pod's kubelet took it on; zero before that.
func started(p *corev1.Pod) time.Time {
	if p.Status.StartTime == nil {
		return time.Time{}
	}
	return p.Status.StartTime.Time
}

// Empty says that nothing keeps a node: all its pods may be ignored.
func Empty(pods []*corev1.Pod) bool {
	for _, p := range pods {
		if !Ignored(p) {
			return false
		}
	}
	return true
}
