package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/check"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// said are the findings of which one must be there for what package drain decides about a pod.
var said = map[string][]string{
	drain.ReasonBudgetNever:  {"BudgetNeverAllows"},
	drain.ReasonTwoBudgets:   {"TwoBudgets"},
	drain.ReasonDoNotDisrupt: {"DoNotDisrupt"},
	drain.ReasonBarePod:      {"BarePods"},
	drain.ReasonSingleton:    {"SingletonWaits"},
	drain.ReasonPinned:       {"PodPinned", "WorkloadPinned"},
	"":                       {"SingletonRestart"}, // a surge has no reason to stay
}

// someCluster is a namespace with a few workloads on a node that goes, as drain sees it and as a snapshot has it.
func someCluster(r *rand.Rand, now time.Time) (*drain.View, *snapshot.Snapshot) {
	view := &drain.View{ReplicaSets: map[types.UID]*appsv1.ReplicaSet{}, Deployments: map[types.UID]*appsv1.Deployment{}, StatefulSets: map[types.UID]*appsv1.StatefulSet{}}
	s := &snapshot.Snapshot{TakenAt: now, Nodes: []snapshot.Node{{Name: "node", NodePool: "blue"}}}
	shared := newShared()
	for i := range 1 + r.IntN(2) {
		app := fmt.Sprintf("app-%d", i)
		replicas := int32(1 + r.IntN(3))
		template := somePod(r, now, app)
		ref := someOwner(r, view, s, app, replicas, template)
		for n := range replicas {
			p := template.DeepCopy()
			p.Name, p.UID, p.OwnerReferences = fmt.Sprintf("%s-%d", app, n), types.UID(fmt.Sprintf("%s-%d", app, n)), ref
			view.Pods = append(view.Pods, p)
			s.Pods = append(s.Pods, shared.pod(p))
		}
		for b := range r.IntN(3) {
			desired := int32(r.IntN(int(replicas) + 1))
			pdb := &policyv1.PodDisruptionBudget{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("%s-%d", app, b)},
				Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}, MinAvailable: ptr.To(intstr.FromInt32(desired))},
				Status:     policyv1.PodDisruptionBudgetStatus{ExpectedPods: replicas, CurrentHealthy: replicas, DesiredHealthy: desired, DisruptionsAllowed: replicas - desired},
			}
			view.PDBs = append(view.PDBs, pdb)
			s.Budgets = append(s.Budgets, budget(pdb))
		}
	}
	return view.Index(), s
}

func somePod(r *rand.Rand, now time.Time, app string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{"app": app, "pod-template-hash": "5d"}},
		Spec:       corev1.PodSpec{NodeName: "node"},
		Status:     corev1.PodStatus{StartTime: ptr.To(metav1.NewTime(now.Add(-time.Hour))), Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	if value := pick(r, "", "", "", "true", "false", "2h", "30m"); value != "" {
		p.Annotations = map[string]string{snapshot.AnnotationDoNotDisrupt: value}
	}
	if pool := pick(r, "", "", "", "", "blue", "stays"); pool != "" {
		p.Spec.NodeSelector = map[string]string{"karpenter.sh/nodepool": pool}
	}
	if r.IntN(4) == 0 {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: app}}}}
	}
	return p
}

// someOwner makes the controller of a workload's pods, of one kind or another, or none.
func someOwner(r *rand.Rand, view *drain.View, s *snapshot.Snapshot, app string, replicas int32, template *corev1.Pod) []metav1.OwnerReference {
	meta := metav1.ObjectMeta{Namespace: "shop", Name: app, UID: types.UID(app)}
	reference := func(kind, name string, uid types.UID) []metav1.OwnerReference {
		return []metav1.OwnerReference{{Kind: kind, Name: name, UID: uid, Controller: ptr.To(true)}}
	}
	switch pick(r, "Deployment", "Deployment", "StatefulSet", "Job", "") {
	case "Deployment":
		d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Template: corev1.PodTemplateSpec{Spec: template.Spec}}}
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(int32(r.IntN(2))))}
		d.Status = appsv1.DeploymentStatus{Replicas: replicas, UpdatedReplicas: replicas, AvailableReplicas: replicas}
		rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: app + "-5d", UID: types.UID(app + "-5d"), OwnerReferences: reference("Deployment", app, meta.UID)}}
		view.Deployments[d.UID], view.ReplicaSets[rs.UID] = d, rs
		w := workload("Deployment", &d.ObjectMeta, &d.Spec.Template.Spec)
		w.Replicas, w.Surges = replicas, drain.CanSurge(d)
		s.Workloads = append(s.Workloads, w)
		return reference("ReplicaSet", rs.Name, rs.UID)
	case "StatefulSet":
		sts := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &replicas}}
		view.StatefulSets[sts.UID] = sts
		w := workload("StatefulSet", &sts.ObjectMeta, &template.Spec)
		w.Replicas = replicas
		s.Workloads = append(s.Workloads, w)
		return reference("StatefulSet", app, sts.UID)
	case "Job":
		return reference("Job", app, meta.UID)
	default:
		return nil
	}
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// What package drain will do with a pod that does not simply leave, Preflight says before; and where it says so, there is such a pod.
func TestPreflightSaysWhatTheMigrationWillDo(t *testing.T) {
	g := NewWithT(t)
	versions, err := catalog.Load()
	g.Expect(err).NotTo(HaveOccurred())
	seed := uint64(time.Now().UnixNano()) //nolint:forbidigo // a seed that is printed
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	plan := &v1alpha1.Plan{Pools: []v1alpha1.PoolPlan{{Blue: "blue", Green: "green"}}}
	for range 3000 {
		view, s := someCluster(r, now)
		spec := &v1alpha1.KarpenterUpgradeSpec{}
		spec.Migration.Singletons = v1alpha1.SingletonPolicy(pick(r, string(v1alpha1.SingletonSurgeRestart), string(v1alpha1.SingletonEvict), string(v1alpha1.SingletonWait)))
		spec.Migration.BarePods = v1alpha1.BarePodPolicy(pick(r, string(v1alpha1.BarePodWait), string(v1alpha1.BarePodEvict)))
		found := map[string]bool{}
		for _, f := range check.Run(check.Input{Snapshot: s, Spec: spec, Plan: plan, Catalog: versions}) {
			found[f.Code] = true
		}
		policy := drain.Policy{Singletons: spec.Migration.Singletons, BarePods: spec.Migration.BarePods, Leaves: func(pool string) bool { return pool == "blue" }}
		expectAgreement(g, view, policy, now, found)
	}
}

func expectAgreement(g Gomega, view *drain.View, policy drain.Policy, now time.Time, found map[string]bool) {
	held, decided := false, []string{}
	for _, p := range view.OnNode("node") {
		d := view.Decide(p, policy, now, now)
		decided = append(decided, fmt.Sprintf("%s: %d %s", p.Name, d.Action, d.Message))
		if d.Action != drain.Hold && d.Action != drain.Surge {
			continue
		}
		held = true
		g.Expect(slices.ContainsFunc(said[d.Reason], func(code string) bool { return found[code] })).To(BeTrue(), "%s: %v are found", decided, found)
	}
	for reason, codes := range said {
		for _, code := range codes {
			if found[code] && (code != "BarePods" || policy.BarePods != v1alpha1.BarePodEvict) {
				g.Expect(held).To(BeTrue(), "%s (%s) is found: %s", code, reason, strings.Join(decided, "; "))
			}
		}
	}
}
