package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

const restartedAt = "kubectl.kubernetes.io/restartedAt"

// restarts are the generations of a Deployment: each restart makes one.
func (l *workload) restarts() int64 {
	l.w.t.Helper()
	return get(l.w, &appsv1.Deployment{}, l.deployment.Namespace, l.deployment.Name).Generation - 1
}

// surges makes a Deployment one that starts each new pod before it stops an old one.
func (l *workload) surges() *workload {
	l.w.t.Helper()
	change(l.w, l.deployment, func(d *appsv1.Deployment) {
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: ptr.To(intstr.FromInt(1)), MaxUnavailable: ptr.To(intstr.FromInt(0))}
	})
	l.rolledOut()
	return l
}

func TestASingletonIsRestartedOnceAndLeavesWhenItsSuccessorIsReady(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	cron := w.workload(shopNS, "cron", "a").surges()
	before := cron.restarts()
	w.begun(p)
	for range 4 {
		w.step(p.Run)
		w.pass(10 * time.Second)
	}
	w.Expect(cron.restarts()).To(Equal(before+1), "once, however often one looks while it rolls out")
	template := get(w, &appsv1.Deployment{}, shopNS, "cron").Spec.Template
	w.Expect(template.Annotations).To(HaveKey(restartedAt))
	w.Expect(cron.nodesOf()).To(Equal([]string{"a"}), "nobody evicted it")

	cron.start("green-1")
	w.ok(w.api.Delete(w.ctx(), &cron.living()[0]))
	cron.rolledOut()
	w.drive(p.Run, w.terminate)
	w.Expect(cron.restarts()).To(Equal(before + 1))
	w.Expect(cron.nodesOf()).To(Equal([]string{"green-1"}))
}

func TestASingletonIsNotRestartedOnWhatNobodyHasSeen(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	keeper := w.bare(shopNS, "keeper", "a")
	w.begun(p)
	cron := w.workload(shopNS, "cron", "a").surges()
	w.kit.Client = &afterList[*appsv1.DeploymentList]{Client: w.kit.Client, then: func() { // its user deploys a new version now
		change(w, cron.deployment, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "app:2" })
	}}
	before := cron.restarts() + 1
	w.step(p.Run)
	w.Expect(cron.restarts()).To(Equal(before), "only the user's own rollout")
	w.ok(w.api.Delete(w.ctx(), keeper))
}

func TestAWorkloadWhoseBudgetNeverAllowsADisruptionIsRestarted(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	pay := w.workload(payNS, "pay", "a", "green-1").surges()
	pay.budget("pay", 0)
	before := pay.restarts()
	w.begun(p)
	w.step(p.Run)
	w.Expect(pay.restarts()).To(Equal(before + 1))
	w.Expect(pay.nodesOf()).To(HaveLen(2))
}

func TestASingletonThatCannotSurgeIsEvicted(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	db := w.workload(shopNS, "db", "a")
	change(w, db.deployment, func(d *appsv1.Deployment) {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	})
	db.rolledOut()
	before := db.restarts()
	w.begun(p)
	w.step(p.Run)
	w.Expect(db.nodesOf()).To(BeEmpty())
	w.Expect(db.restarts()).To(Equal(before))
}

func TestPoliciesForSingletons(t *testing.T) {
	for policy, reason := range map[v1alpha1.SingletonPolicy]string{v1alpha1.SingletonWait: drain.ReasonSingleton, v1alpha1.SingletonEvict: ""} {
		t.Run(string(policy), func(t *testing.T) {
			w, p := migrateWorld(t, func(m *v1alpha1.Migration) { m.Singletons = policy })
			w.node("a", "general")
			cron := w.workload(shopNS, "cron", "a").surges()
			before := cron.restarts()
			w.begun(p)
			w.step(p.Run)
			w.Expect(cron.restarts()).To(Equal(before))
			if reason == "" {
				w.Expect(cron.nodesOf()).To(BeEmpty())
				return
			}
			w.Expect(cron.nodesOf()).To(Equal([]string{"a"}))
			w.Expect(w.run.Status.Blockers).To(ConsistOf(HaveField("Reason", reason)))
		})
	}
}

func TestARolloutThatGetsNoFurtherIsReported(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	cron := w.workload(shopNS, "cron", "a").surges()
	w.begun(p)
	w.step(p.Run)
	cron.start("green-1", func(p *corev1.Pod) { p.Name = "cron-2-0" })
	w.step(p.Run)
	w.Expect(w.run.Status.Blockers).To(BeEmpty(), "a rollout takes its time")
	w.pass(3 * time.Minute)
	w.step(p.Run)
	w.Expect(w.run.Status.Blockers).To(ConsistOf(And(
		HaveField("Reason", drain.ReasonRollingOut), HaveField("Message", "Deployment shop/cron is rolling out"))))
}

func TestARestartThatIsRefusedBlocksItsNodeAndNoOther(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	w.node("b", "general")
	cron := w.workload(shopNS, "cron", "a").surges()
	web := w.workload(payNS, "web", "b", "green-1")
	w.refuse("no-restarts", admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
	}, "object.metadata.name != 'cron'", "images must be signed", func() error {
		d := get(w, &appsv1.Deployment{}, shopNS, "cron")
		return w.api.Update(w.ctx(), d, client.DryRunAll)
	})
	w.Eventually(func() []string {
		out := w.step(p.Run)
		w.Expect(out.Kind).To(Equal(engine.KindWait), out.Message)
		web.heal("green-1")
		w.terminate()
		return web.nodesOf()
	}).WithTimeout(patience).WithPolling(glance).Should(HaveEach("green-1"))
	w.step(p.Run)
	w.Expect(w.run.Status.Blockers).To(ConsistOf(And(
		HaveField("Node", "a"), HaveField("Reason", drain.ReasonRestartRefused),
		HaveField("Message", And(ContainSubstring("the restart of Deployment shop/cron is refused"), ContainSubstring("images must be signed"))))))
	w.Expect(cron.nodesOf()).To(Equal([]string{"a"}))
}
