package phases

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

func TestPodsLeaveOneByOneAsTheirBudgetAllows(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "a", "a", "a", "green-1")
	pdb := web.budget("web", 1)

	lowest := 4
	w.drive(p.Run, func() {
		lowest = min(lowest, len(web.living()))
		web.heal("green-1")
		web.count(pdb)
		w.terminate()
	})
	w.Expect(lowest).To(Equal(3), "never two at once, though the operator asked twice each time")
	w.Expect(web.nodesOf()).To(HaveEach("green-1"))
	w.Expect(w.gone(&corev1.Node{}, "", "a")).To(BeTrue())
	w.Expect(w.run.Status.Nodes).To(And(HaveField("Total", int32(1)), HaveField("Done", int32(1))))
}

func TestTheAPIServerHasTheLastWordOnABudget(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "a", "green-1")
	pdb := web.budget("web", 1)
	w.allow(pdb, 0)
	w.begun(p)
	w.allow(pdb, 1)
	w.kit.Client = &afterList[*policyv1.PodDisruptionBudgetList]{Client: w.kit.Client, then: func() { w.allow(pdb, 0) }}
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "Moving")), out.Message)
	w.Expect(web.nodesOf()).To(HaveLen(2))
}

// allow says how many disruptions a budget allows.
func (w *world) allow(pdb *policyv1.PodDisruptionBudget, disruptions int32) {
	w.t.Helper()
	pdb = get(w, pdb, pdb.Namespace, pdb.Name)
	pdb.Status.DisruptionsAllowed = disruptions
	w.ok(w.api.Status().Update(w.ctx(), pdb))
}

func TestABudgetThatTheAPIServerHasNotCountedYetDoesNotHoldTheOperatorUp(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "a", "green-1")
	pdb := web.budget("web", 1)
	change(w, pdb, func(b *policyv1.PodDisruptionBudget) { b.Spec.MaxUnavailable = ptr.To(intstr.FromInt(2)) })
	w.begun(p)
	ctx, cancel := context.WithTimeout(w.ctx(), 8*time.Second) // the API server says: try again after 10 seconds
	defer cancel()
	out := p.Run(ctx, w.run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "Moving")), out.Message)
	w.Expect(web.nodesOf()).To(HaveLen(2))
	web.count(pdb)
	w.step(p.Run)
	w.Expect(web.nodesOf()).To(HaveLen(1))
}

func TestAWorkloadWithoutABudgetLosesOneReplicaAtATime(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "a", "a", "a")
	lowest := 3
	w.drive(p.Run, func() {
		lowest = min(lowest, len(web.living()))
		web.heal("green-1")
		w.terminate()
	})
	w.Expect(lowest).To(Equal(2))
}

func TestPodsThatKeepNoNode(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	daemon := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: shopNS, Name: "agent", UID: "1"}}
	w.bare(shopNS, "agent", "a", func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(daemon, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	})
	done := w.bare(shopNS, "job", "a")
	done.Status.Phase = corev1.PodSucceeded
	w.ok(w.api.Status().Update(w.ctx(), done))
	w.drive(p.Run, w.terminate)
	w.Expect(w.podsIn(shopNS, "agent")).To(HaveLen(1), "nobody evicted it")
	w.Expect(w.podsIn(shopNS, "job")).To(HaveLen(1))
}

func TestDoNotDisruptHoldsAPodUntilTheUsersDeadline(t *testing.T) {
	w, p := migrateWorld(t, func(m *v1alpha1.Migration) { m.DoNotDisruptTimeout = &metav1.Duration{Duration: time.Hour} })
	w.node("a", "general")
	web := w.workload(shopNS, "web", "green-1", "green-1")
	web.start("a", func(p *corev1.Pod) { p.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"} })
	w.begun(p)
	w.pass(59 * time.Minute)
	w.Expect(w.step(p.Run).Reason).To(Equal(v1alpha1.ReasonNodesBlocked))
	w.Expect(w.run.Status.Blockers).To(ConsistOf(And(
		HaveField("Node", "a"), HaveField("Pod", "shop/web-1-2"), HaveField("Reason", drain.ReasonDoNotDisrupt))))
	w.Expect(web.nodesOf()).To(ContainElement("a"))
	w.pass(2 * time.Minute)
	w.drive(p.Run, w.terminate)
	w.Expect(web.nodesOf()).To(HaveEach("green-1"))
}

func TestBarePodsStayUnlessTheUserLetsThemGo(t *testing.T) {
	for policy, left := range map[v1alpha1.BarePodPolicy]int{v1alpha1.BarePodWait: 1, v1alpha1.BarePodEvict: 0} {
		t.Run(string(policy), func(t *testing.T) {
			w, p := migrateWorld(t, func(m *v1alpha1.Migration) { m.BarePods = policy })
			w.node("a", "general")
			w.bare(shopNS, "debug", "a")
			w.begun(p)
			out := w.step(p.Run)
			w.Expect(w.podsIn(shopNS, "debug")).To(HaveLen(left))
			if left == 1 {
				w.Expect(out.Message).To(ContainSubstring("node a: pod shop/debug: it has no controller and would be lost"))
			}
		})
	}
}

func TestAPodThatIsTerminatingIsWaitedFor(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	web := w.workload(shopNS, "web", "green-1", "green-1")
	slow := web.start("a", func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](600) })
	w.begun(p)
	w.step(p.Run)
	slow = get(w, slow, shopNS, slow.Name)
	w.Expect(slow.DeletionTimestamp).NotTo(BeNil())
	for range 3 {
		w.step(p.Run)
	}
	w.Expect(w.gone(w.claimOf("a"), "", "a")).To(BeFalse(), "its node is not empty yet")
	w.Expect(get(w, slow, shopNS, slow.Name).DeletionGracePeriodSeconds).To(HaveValue(Equal(int64(600))), "nobody cut it short")
}

// refuse puts a policy in force that refuses what a rule covers unless an expression holds; probe must run into it.
func (w *world) refuse(name string, rule admissionregistrationv1.RuleWithOperations, unless, says string, probe func() error) {
	w.t.Helper()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: rule}},
			},
			Validations: []admissionregistrationv1.Validation{{Expression: unless, Message: says}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	w.ok(w.api.Create(w.ctx(), policy))
	w.ok(w.api.Create(w.ctx(), binding))
	w.Eventually(probe).WithTimeout(patience).Should(MatchError(ContainSubstring(says)), "the policy is in force")
}

// refuseEvictions makes the API server refuse evictions of the pods of a workload, as admission webhooks of some products do.
func (w *world) refuseEvictions(app string) {
	w.t.Helper()
	probe := w.bare(payNS, app+"-probe", "green-1")
	w.refuse("no-evictions", admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods/eviction"}},
	}, "!object.metadata.name.startsWith('"+app+"')", "the database moves by itself", func() error {
		return w.api.SubResource("eviction").Create(w.ctx(), probe.DeepCopy(), &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{DryRun: []string{"All"}}})
	})
}

func TestAnEvictionThatIsRefusedBlocksItsNodeAndNoOther(t *testing.T) {
	w, p := migrateWorld(t, func(m *v1alpha1.Migration) { m.MaxUnavailable = ptr.To(intstr.FromInt(1)) })
	w.node("a", "general")
	w.node("b", "general")
	database := w.workload(shopNS, "database", "a", "green-1")
	web := w.workload(payNS, "web", "b", "green-1")
	w.refuseEvictions("database")
	w.Eventually(func() []string {
		w.step(p.Run)
		web.heal("green-1")
		w.terminate()
		return web.nodesOf()
	}).WithTimeout(patience).WithPolling(glance).Should(HaveEach("green-1"))
	w.Expect(database.nodesOf()).To(HaveLen(2))
	out := w.step(p.Run)
	w.Expect(out.Message).To(And(ContainSubstring("node a: pod shop/database-1-0"), ContainSubstring("the database moves by itself")))
	w.Expect(w.run.Status.Blockers).To(ConsistOf(HaveField("Reason", "EvictionRefused")))
}
