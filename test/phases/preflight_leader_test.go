package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// leadsAlone is a value of Karpenter's chart with which a controller leads without being elected.
func leadsAlone() map[string]any {
	return map[string]any{"controller": map[string]any{"env": []any{map[string]any{"name": "DISABLE_LEADER_ELECTION", "value": "true"}}}}
}

func TestPreflightStopsBeforeTwoControllersCouldLead(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.installBlue(true, leadsAlone())
	w.blue()
	w.run = w.newRun("up")
	found := w.findings(v1alpha1.SeverityBlocker)
	w.Expect(found).To(HaveExactElements(
		And(HaveField("Code", "LeaderElectionChanged"), HaveField("Objects", ContainElement("Deployment/karpenter/karpenter"))),
		And(HaveField("Code", "LeaderElectionChanged"), HaveField("Objects", ContainElement("HelmRelease/karpenter/karpenter-green"))),
	))
	w.Expect(found[1].Why).To(ContainSubstring("DISABLE_LEADER_ELECTION=true"), "the values are carried over to green")

	w.t.Log("taken out for the target only: blue leads without the Lease all the same")
	w.run.Spec.Target.Values = raw(`{"controller": {"env": null}}`)
	w.Expect(w.findings(v1alpha1.SeverityBlocker)).To(HaveExactElements(HaveField("Objects", ContainElement("Deployment/karpenter/karpenter"))))
}

func TestAReleaseThatTakesItsVariablesFromElsewhereIsLookedThrough(t *testing.T) {
	w := preflightWorld(t)
	w.ok(w.api.Create(w.ctx(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: karpenterNS, Name: "settings"}, StringData: map[string]string{"DISABLED": "x", "ELECTION_NAMESPACE": "default"},
	}))
	w.Expect(w.blockers()).To(BeEmpty())
	change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
			{Prefix: "LEADER_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "absent"}}},
		}
	})
	w.play()
	found := w.findings(v1alpha1.SeverityBlocker)
	w.Expect(found).To(HaveExactElements(HaveField("Code", "LeaderElectionChanged")))
	w.Expect(found[0].Why).To(ContainSubstring("LEADER_ELECTION_NAMESPACE=default"))
}

func TestPreflightKnowsWhoLeads(t *testing.T) {
	w := preflightWorld(t)
	w.Expect(w.blockers()).To(BeEmpty())
	w.hold("somebody-else_0b5c6d7e-0000-4000-8000-000000000002")
	found := w.findings(v1alpha1.SeverityBlocker)
	w.Expect(found).To(HaveExactElements(HaveField("Code", "LeaderMissing")))
	w.Expect(found[0].Why).To(ContainSubstring("somebody-else_"))

	w.hold("")
	w.Expect(w.findings(v1alpha1.SeverityBlocker)).To(HaveExactElements(And(HaveField("Code", "LeaderMissing"), HaveField("Why", ContainSubstring("nobody holds it")))))
	w.elect()
	w.Expect(w.blockers()).To(BeEmpty())

	w.t.Log("a pod in the network of its node calls itself by the node's name")
	for _, p := range w.pods(blueRelease) {
		w.kill(p.Name)
	}
	w.startPod("karpenter-host", w.deployment(blueRelease).Spec.Template.Labels, true, func(p *corev1.Pod) { p.Spec.HostNetwork = true })
	w.hold("system-1_0b5c6d7e-0000-4000-8000-000000000003")
	w.Expect(w.blockers()).To(BeEmpty())
}
