package observer

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
)

const (
	labelNodePool = "karpenter.sh/nodepool"
	// Labels, container and port of Karpenter's chart (charts/karpenter/templates of the provider).
	labelName        = "app.kubernetes.io/name"
	labelInstance    = "app.kubernetes.io/instance"
	chartName        = "karpenter"
	containerName    = "controller"
	metricsPort      = "http-metrics"
	electionLease    = "karpenter-leader-election" // of every version
	kindStatefulSet  = "StatefulSet"
	kindDeployment   = "Deployment"
	kindDaemonSet    = "DaemonSet"
	kindReplicaSet   = "ReplicaSet"
	defaultReplicas  = 1
	reasonOfFailures = "Failed"
)

func keyOf(o metav1.Object) record.Key {
	return record.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// nodeEvents are about nodes that Karpenter launched. Those of canaries carry the mark of the run that makes the proof.
func nodeEvents(n *corev1.Node) []record.Event {
	pool := n.Labels[labelNodePool]
	if pool == "" {
		return nil
	}
	_, canary := n.Labels[v1alpha1.LabelRun]
	return []record.Event{record.Node{Name: n.Name, Pool: pool, Canary: canary}}
}

func podEvents(p *corev1.Pod) []record.Event {
	e := record.Pod{
		UID: string(p.UID), Key: keyOf(p),
		Ready:       ready(p),
		Terminating: p.DeletionTimestamp != nil,
		Ended:       p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
		Pending:     p.Status.Phase == corev1.PodPending,
	}
	if ref := metav1.GetControllerOf(p); ref != nil {
		e.Owner = string(ref.UID)
	}
	out := []record.Event{e}
	if p.Labels[labelName] == chartName {
		out = append(out, controllerOf(p))
	}
	return out
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func controllerOf(p *corev1.Pod) record.Controller {
	c := record.Controller{UID: string(p.UID), Key: keyOf(p), Release: p.Labels[labelInstance], Stopping: p.DeletionTimestamp != nil}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == containerName {
			c.Running, c.Restarts = s.State.Running != nil, int(s.RestartCount)
		}
	}
	for i := range p.Spec.Containers {
		if container := &p.Spec.Containers[i]; container.Name == containerName {
			c.Version = tagOf(container.Image)
			for _, port := range container.Ports {
				if port.Name == metricsPort {
					c.Port = int(port.ContainerPort)
				}
			}
		}
	}
	return c
}

// tagOf is the tag of an image, with or without a digest.
func tagOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[i+1:]
	}
	return ""
}

// deploymentEvents also tell the version of the release that is upgraded.
func deploymentEvents(d *appsv1.Deployment, release string) []record.Event {
	out := []record.Event{record.Workload{
		UID: string(d.UID), Kind: kindDeployment, Key: keyOf(d), Desired: int(ptr.Deref(d.Spec.Replicas, defaultReplicas)),
	}}
	if d.Labels[labelName] != chartName || d.Labels[labelInstance] != release {
		return out
	}
	for i := range d.Spec.Template.Spec.Containers {
		if c := &d.Spec.Template.Spec.Containers[i]; c.Name == containerName {
			out = append(out, record.Release{Version: tagOf(c.Image)})
		}
	}
	return out
}

// replicaSetEvents: one that belongs to nobody is a workload itself.
func replicaSetEvents(rs *appsv1.ReplicaSet) []record.Event {
	if ref := metav1.GetControllerOf(rs); ref != nil {
		return []record.Event{record.ReplicaSet{UID: string(rs.UID), Deployment: string(ref.UID)}}
	}
	return []record.Event{record.Workload{
		UID: string(rs.UID), Kind: kindReplicaSet, Key: keyOf(rs), Desired: int(ptr.Deref(rs.Spec.Replicas, defaultReplicas)),
	}}
}

func statefulSetEvents(s *appsv1.StatefulSet) []record.Event {
	return []record.Event{record.Workload{
		UID: string(s.UID), Kind: kindStatefulSet, Key: keyOf(s), Desired: int(ptr.Deref(s.Spec.Replicas, defaultReplicas)),
	}}
}

func daemonSetEvents(d *appsv1.DaemonSet) []record.Event {
	return []record.Event{record.Workload{
		UID: string(d.UID), Kind: kindDaemonSet, Key: keyOf(d), Desired: int(d.Status.DesiredNumberScheduled),
	}}
}

func jobEvents(j *batchv1.Job) []record.Event {
	e := record.Job{UID: string(j.UID), Key: keyOf(j)}
	for _, c := range j.Status.Conditions {
		if c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue {
			e.Failed = c.Reason
			if e.Failed == "" {
				e.Failed = reasonOfFailures
			}
		}
	}
	return []record.Event{e}
}

// budgetEvents are about statuses that speak of the current spec.
func budgetEvents(b *policyv1.PodDisruptionBudget) []record.Event {
	if b.Status.ObservedGeneration < b.Generation {
		return nil
	}
	return []record.Event{record.Budget{
		UID: string(b.UID), Key: keyOf(b), Healthy: int(b.Status.CurrentHealthy), Desired: int(b.Status.DesiredHealthy),
	}}
}

func leaseEvents(l *coordinationv1.Lease) []record.Event {
	if l.Name != electionLease {
		return nil
	}
	e := record.Lease{
		Namespace: l.Namespace, Holder: ptr.Deref(l.Spec.HolderIdentity, ""),
		Duration: time.Duration(ptr.Deref(l.Spec.LeaseDurationSeconds, 0)) * time.Second,
	}
	if l.Spec.RenewTime != nil {
		e.Renewed = l.Spec.RenewTime.Time
	}
	return []record.Event{e}
}

func runEvents(u *v1alpha1.KarpenterUpgrade) []record.Event {
	e := record.Run{Name: u.Name, Ended: u.Ended()}
	for _, s := range u.Status.Steps {
		step := record.Step{Name: string(s.Phase), State: string(s.State)}
		if s.StartedAt != nil {
			step.Started = s.StartedAt.Time
		}
		if s.EndedAt != nil {
			step.End = s.EndedAt.Time
		}
		e.Steps = append(e.Steps, step)
	}
	return []record.Event{e}
}
