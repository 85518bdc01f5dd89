package observer

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
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

func TestTagOf(t *testing.T) {
	for image, tag := range map[string]string{
		"public.ecr.aws/karpenter/controller:1.0.8":                "1.0.8",
		"public.ecr.aws/karpenter/controller:1.0.8@sha256:0123abc": "1.0.8",
		"localhost:5000/controller":                                "",
		"localhost:5000/controller:1.14.1":                         "1.14.1",
		"controller@sha256:0123abc":                                "",
	} {
		NewWithT(t).Expect(tagOf(image)).To(Equal(tag), image)
	}
}

func TestNodes(t *testing.T) {
	g := NewWithT(t)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	g.Expect(nodeEvents(n)).To(BeEmpty(), "Karpenter did not launch it")
	n.Labels = map[string]string{labelNodePool: "general"}
	g.Expect(nodeEvents(n)).To(Equal(one(record.Node{Name: "n", Pool: "general"})))
	n.Labels[v1alpha1.LabelRun] = "up"
	g.Expect(nodeEvents(n)).To(Equal(one(record.Node{Name: "n", Pool: "general", Canary: true})))
}

func TestControllerPod(t *testing.T) {
	g := NewWithT(t)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{UID: "1", Namespace: "karpenter", Name: "karpenter-a", Labels: karpenterLabels("karpenter")},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "proxy", Image: "proxy:9"},
			{Name: "controller", Image: "karpenter/controller:1.0.8", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8081}, {Name: "http-metrics", ContainerPort: 8080}}},
		}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	key := record.Key{Namespace: "karpenter", Name: "karpenter-a"}
	g.Expect(podEvents(p)).To(HaveExactElements(
		record.Pod{UID: "1", Key: key, Pending: true},
		record.Controller{UID: "1", Key: key, Release: "karpenter", Version: "1.0.8", Port: 8080}))

	p.OwnerReferences = []metav1.OwnerReference{{UID: "rs", Controller: ptr.To(true)}}
	p.DeletionTimestamp = ptr.To(metav1.Now())
	p.Status = corev1.PodStatus{
		Phase:      corev1.PodRunning,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{
			{Name: "proxy", RestartCount: 7},
			{Name: "controller", RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		},
	}
	g.Expect(podEvents(p)).To(HaveExactElements(
		record.Pod{UID: "1", Key: key, Owner: "rs", Ready: true, Terminating: true},
		record.Controller{UID: "1", Key: key, Release: "karpenter", Version: "1.0.8", Port: 8080, Running: true, Stopping: true, Restarts: 2}))
}

func TestWorkloadsAndRelease(t *testing.T) {
	g := NewWithT(t)
	meta := metav1.ObjectMeta{UID: "1", Namespace: "shop", Name: "web"}
	key := record.Key{Namespace: "shop", Name: "web"}
	workload := func(kind string, desired int) []record.Event {
		return one(record.Workload{UID: "1", Kind: kind, Key: key, Desired: desired})
	}
	g.Expect(deploymentEvents(&appsv1.Deployment{ObjectMeta: meta}, "karpenter")).To(Equal(workload("Deployment", 1)))
	g.Expect(statefulSetEvents(&appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: ptr.To[int32](3)}})).To(Equal(workload("StatefulSet", 3)))
	g.Expect(daemonSetEvents(&appsv1.DaemonSet{ObjectMeta: meta, Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 4}})).To(Equal(workload("DaemonSet", 4)))
	rs := &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](2)}}
	g.Expect(replicaSetEvents(rs)).To(Equal(workload("ReplicaSet", 2)))
	rs.OwnerReferences = []metav1.OwnerReference{{UID: "d", Controller: ptr.To(true)}}
	g.Expect(replicaSetEvents(rs)).To(Equal(one(record.ReplicaSet{UID: "1", Deployment: "d"})))

	d := &appsv1.Deployment{ObjectMeta: meta}
	d.Labels = karpenterLabels("karpenter")
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "controller", Image: "controller:1.0.8"}}
	g.Expect(deploymentEvents(d, "karpenter")).To(ContainElement(record.Release{Version: "1.0.8"}))
	g.Expect(deploymentEvents(d, "another")).NotTo(ContainElement(record.Release{Version: "1.0.8"}))
}

func TestBudgetStatusOfAnotherSpec(t *testing.T) {
	g := NewWithT(t)
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 1, DesiredHealthy: 3}
	g.Expect(budgetEvents(b)).To(BeEmpty())
	b.Status.ObservedGeneration = 2
	g.Expect(budgetEvents(b)).To(HaveLen(1))
}

func TestJobThatFailed(t *testing.T) {
	g := NewWithT(t)
	j := &batchv1.Job{Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}}}
	g.Expect(jobEvents(j)).To(Equal(one(record.Job{Failed: "BackoffLimitExceeded"})))
	j.Status.Conditions[0].Status = corev1.ConditionFalse
	g.Expect(jobEvents(j)).To(Equal(one(record.Job{})))
}

func TestLease(t *testing.T) {
	g := NewWithT(t)
	now := metav1.NowMicro()
	l := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "karpenter", Name: "karpenter-leader-election"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a_1"), LeaseDurationSeconds: ptr.To[int32](15), RenewTime: &now},
	}
	g.Expect(leaseEvents(l)).To(Equal(one(record.Lease{Namespace: "karpenter", Holder: "a_1", Renewed: now.Time, Duration: 15 * time.Second})))
	l.Spec = coordinationv1.LeaseSpec{}
	g.Expect(leaseEvents(l)).To(Equal(one(record.Lease{Namespace: "karpenter"})))
	l.Name = "another"
	g.Expect(leaseEvents(l)).To(BeEmpty())
}
