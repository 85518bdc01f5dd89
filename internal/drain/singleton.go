package drain

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// workloadKey tells workloads apart: by the UID of the Deployment, or else of the controller.
type workloadKey = types.UID

func (v *View) workload(p *corev1.Pod) workloadKey {
	if d := v.deploymentOf(p); d != nil {
		return d.UID
	}
	if ref := metav1.GetControllerOf(p); ref != nil {
		return ref.UID
	}
	return p.UID
}

// singleton says that a pod's Deployment has no replica to spare: it wants one, or its budget never allows a disruption.
func (v *View) singleton(p *corev1.Pod, b *budget) bool {
	d := v.deploymentOf(p)
	if d == nil {
		return false
	}
	return ptr.Deref(d.Spec.Replicas, 1) == 1 || (b != nil && b.never())
}

func (v *View) decideSingleton(decision Decision, b *budget, policy Policy) Decision {
	d := v.deploymentOf(decision.Pod)
	switch {
	case policy.Singletons == v1alpha1.SingletonWait:
		return decision.stay(Hold, ReasonSingleton, "Deployment %s/%s has no replica to spare, and spec.migration.singletons is Wait", d.Namespace, d.Name)
	case policy.Singletons == v1alpha1.SingletonEvict || !CanSurge(d):
		return v.decideEviction(decision, b)
	case rollingOut(d) || v.taken(decision.Pod) > 0:
		return decision.stay(Wait, ReasonRollingOut, "Deployment %s/%s is rolling out", d.Namespace, d.Name)
	default:
		v.take(decision.Pod)
		decision.Action = Surge
		return decision
	}
}

// Deployment is the Deployment to restart for a decision to surge.
func (v *View) Deployment(d Decision) *appsv1.Deployment { return v.deploymentOf(d.Pod) }

// CanSurge says that a restart of a Deployment starts each new pod before it stops an old one. With a PersistentVolumeClaim it
// may not: most volumes attach to one node at a time, so that the new pod, on another node, waits for the old one for ever.
func CanSurge(d *appsv1.Deployment) bool {
	if d.Spec.Paused || d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || claimsVolume(d) {
		return false
	}
	surge, unavailable := intstr.FromString("25%"), intstr.FromString("25%") // the API's defaults
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		surge, unavailable = ptr.Deref(r.MaxSurge, surge), ptr.Deref(r.MaxUnavailable, unavailable)
	}
	replicas := int(ptr.Deref(d.Spec.Replicas, 1))
	most, err := intstr.GetScaledValueFromIntOrPercent(&surge, replicas, true)
	if err != nil {
		return false
	}
	missing, err := intstr.GetScaledValueFromIntOrPercent(&unavailable, replicas, false)
	return err == nil && most >= 1 && missing == 0
}

func claimsVolume(d *appsv1.Deployment) bool {
	return slices.ContainsFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })
}

// rollingOut says that a Deployment has not reached what its spec wants, by the same rules as kubectl rollout status.
func rollingOut(d *appsv1.Deployment) bool {
	replicas := ptr.Deref(d.Spec.Replicas, 1)
	s := d.Status
	return s.ObservedGeneration < d.Generation || s.UpdatedReplicas < replicas || s.Replicas > s.UpdatedReplicas || s.AvailableReplicas < s.UpdatedReplicas
}
