package live

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func owned(kind, name string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{Kind: kind, Name: name, Controller: ptr.To(true)}}
}

func reading(objects ...client.Object) (*Reader, *snapshot.Snapshot) {
	return &Reader{Client: fake.NewClientBuilder().WithObjects(objects...).Build()}, &snapshot.Snapshot{}
}

// full is a pod with much that nobody needs.
func full(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, Labels: map[string]string{"app": "web", "pod-template-hash": "5d"}, OwnerReferences: owned("ReplicaSet", "web-5d"),
			Annotations: map[string]string{"karpenter.sh/do-not-disrupt": "2h", "karpenter.sh/do-not-evict": "true", "checksum/config": "0123456789abcdef"},
		},
		Spec: corev1.PodSpec{
			NodeName: "node-1", NodeSelector: map[string]string{"tier": "web"}, PriorityClassName: "high", TerminationGracePeriodSeconds: ptr.To[int64](30),
			Containers: []corev1.Container{{Name: "web", Image: "web:1", Env: []corev1.EnvVar{{Name: "A", Value: "secret"}}, Ports: []corev1.ContainerPort{{HostPort: 8443}, {HostPort: 80}, {ContainerPort: 9090}}}},
			Tolerations: []corev1.Toleration{
				{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists}, {Key: "karpenter.sh/disruption", Operator: corev1.TolerationOpExists},
			},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
				{TopologyKey: "rack", WhenUnsatisfiable: corev1.DoNotSchedule}, {TopologyKey: "row", WhenUnsatisfiable: corev1.ScheduleAnyway},
				{TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule},
			},
			Affinity: &corev1.Affinity{
				PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: "room"}}},
				NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
					{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "karpenter.sh/nodepool", Operator: corev1.NodeSelectorOpIn, Values: []string{"general"}}}},
				}}},
			},
			Volumes: []corev1.Volume{
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				{Name: "shm", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
				{Name: "log", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/log"}}},
				{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-0"}}},
				{Name: "cache", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
			},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, StartTime: ptr.To(metav1.NewTime(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))),
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

func TestOfAPodWhatChecksNeedIsKept(t *testing.T) {
	g := NewWithT(t)
	second := full("web-2")
	ended, mirror, ofDaemonSet := full("ended"), full("mirror"), full("agent")
	ended.Status.Phase = corev1.PodSucceeded
	mirror.Annotations[corev1.MirrorPodAnnotationKey] = "x"
	ofDaemonSet.OwnerReferences = owned("DaemonSet", "agent")
	r, s := reading(full("web-1"), second, ended, mirror, ofDaemonSet)
	g.Expect(r.pods(t.Context(), nil, s)).To(Succeed())

	g.Expect(s.Pods).To(HaveLen(2), "what a run does not have to move is left out")
	g.Expect(s.Pods[0]).To(BeComparableTo(snapshot.Pod{
		Namespace: "shop", Name: "web-1", Node: "node-1", Phase: corev1.PodRunning, Ready: true, Started: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		Labels: map[string]string{"app": "web", "pod-template-hash": "5d"}, Owner: snapshot.Owner{Kind: "ReplicaSet", Name: "web-5d"},
		Demands: &snapshot.Demands{
			NodeSelector: map[string]string{"tier": "web"},
			Terms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "karpenter.sh/nodepool", Operator: corev1.NodeSelectorOpIn, Values: []string{"general"}}}},
			},
			TopologyKeys: []string{"rack", "room"},
			Tolerations:  []corev1.Toleration{{Key: "karpenter.sh/disruption", Operator: corev1.TolerationOpExists}},
		},
		HostPorts: []int32{80, 8443}, EmptyDirs: 1, HostPaths: 1, Claims: []string{"data-0", "web-1-cache"},
		DoNotDisrupt: "2h", DeadAnnotations: []string{"karpenter.sh/do-not-evict"}, PriorityClass: "high", GraceSeconds: 30,
	}))
	g.Expect(s.Pods[1].Demands).To(BeIdenticalTo(s.Pods[0].Demands), "pods that are alike share")
}

// A run's snapshot must not be what fills the operator's memory.
func TestFiftyThousandPodsFitIntoLittleMemory(t *testing.T) {
	g := NewWithT(t)
	const pods, alike = 50_000, 25
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, c := heap(), newShared()
	kept := make([]snapshot.Pod, 0, pods)
	for i := range pods {
		p := full(fmt.Sprintf("web-%d-5d4f7b9c6d-%05d", i/alike, i))
		p.Labels["app"], p.OwnerReferences = fmt.Sprintf("web-%d", i/alike), owned("ReplicaSet", fmt.Sprintf("web-%d-5d4f7b9c6d", i/alike))
		kept = append(kept, c.pod(p))
	}
	used := heap() - before
	g.Expect(used/(1<<20)).To(BeNumerically("<", 60), "MiB for %d pods", len(kept))
	t.Logf("%d pods take %d MiB", len(kept), used/(1<<20))
	runtime.KeepAlive(kept)
}

func TestWorkloadsThatMayHavePods(t *testing.T) {
	g := NewWithT(t)
	pinned := corev1.PodTemplateSpec{Spec: corev1.PodSpec{NodeSelector: map[string]string{"karpenter.sh/nodepool": "gpu"}}}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	surging := appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0))}}
	r, s := reading(
		&appsv1.Deployment{ObjectMeta: meta("web"), Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1), Strategy: surging}},
		&appsv1.Deployment{ObjectMeta: meta("off"), Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](0), Template: pinned}},
		&appsv1.StatefulSet{ObjectMeta: meta("db"), Spec: appsv1.StatefulSetSpec{Template: pinned}},
		&appsv1.DaemonSet{ObjectMeta: meta("agent"), Spec: appsv1.DaemonSetSpec{Template: pinned}},
		&batchv1.CronJob{ObjectMeta: meta("nightly"), Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: pinned}}}},
		&batchv1.CronJob{ObjectMeta: meta("suspended"), Spec: batchv1.CronJobSpec{Suspend: ptr.To(true)}},
	)
	for _, read := range []part{r.workloads, r.daemonSets, r.cronJobs} {
		g.Expect(read(t.Context(), nil, s)).To(Succeed())
	}
	demands := &snapshot.Demands{NodeSelector: pinned.Spec.NodeSelector}
	g.Expect(s.Workloads).To(BeComparableTo([]snapshot.Workload{
		{Kind: "CronJob", Namespace: "shop", Name: "nightly", NodePools: []string{"gpu"}, Demands: demands},
		{Kind: "DaemonSet", Namespace: "shop", Name: "agent", NodePools: []string{"gpu"}, Demands: demands},
		{Kind: "Deployment", Namespace: "shop", Name: "web", Replicas: 1, Surges: true},
		{Kind: "StatefulSet", Namespace: "shop", Name: "db", Replicas: 1, NodePools: []string{"gpu"}, Demands: demands},
	}))
}

func TestBudgetsAsTheDisruptionControllerSeesThem(t *testing.T) {
	g := NewWithT(t)
	r, s := reading(&policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 2},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromString("10%")), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status: policyv1.PodDisruptionBudgetStatus{
			ObservedGeneration: 1, ExpectedPods: 3, DesiredHealthy: 2, CurrentHealthy: 3, DisruptionsAllowed: 0,
			Conditions: []metav1.Condition{{Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.SyncFailedReason, Message: "no scale"}},
		},
	})
	g.Expect(r.budgets(t.Context(), nil, s)).To(Succeed())
	g.Expect(s.Budgets).To(BeComparableTo([]snapshot.Budget{{
		Namespace: "shop", Name: "web", MaxUnavailable: "10%", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Expected: 3, Desired: 2, Healthy: 3, Stale: true, Failed: "no scale",
	}}))
	g.Expect(s.Budgets[0].Never()).To(BeTrue())
}
