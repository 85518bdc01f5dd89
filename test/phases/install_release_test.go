package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

// expectBlue says that all of blue is there.
func (w *world) expectBlue() {
	w.t.Helper()
	w.Expect(w.helmRelease(blueRelease)).To(And(HaveField("Version", blueVersion), HaveField("Status", "deployed"), HaveField("Revision", 1)))
	w.Expect(w.replicas(blueRelease)).To(Equal(2))
	for _, o := range []client.Object{
		&corev1.ServiceAccount{}, &corev1.Service{}, &policyv1.PodDisruptionBudget{}, &rbacv1.Role{}, &rbacv1.RoleBinding{},
	} {
		w.Expect(w.gone(o, karpenterNS, "karpenter")).To(BeFalse(), "%T", o)
	}
	for _, name := range []string{"karpenter", "karpenter-core", "karpenter-admin"} {
		w.Expect(w.gone(&rbacv1.ClusterRole{}, "", name)).To(BeFalse(), name)
	}
	for _, name := range []string{"karpenter", "karpenter-core"} {
		w.Expect(w.gone(&rbacv1.ClusterRoleBinding{}, "", name)).To(BeFalse(), name)
	}
	w.Expect(w.gone(&rbacv1.Role{}, "kube-system", "karpenter-dns")).To(BeFalse())
}

func TestGreenIsInstalledBesideBlueAsItsStandby(t *testing.T) {
	w, p := installWorld(t, true, map[string]any{
		"serviceAccount": map[string]any{"annotations": map[string]any{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/karpenter"}},
		"controller": map[string]any{
			"image":     map[string]any{"repository": "mirror.example/karpenter", "tag": "1.0.8", "digest": "sha256:" + zeros},
			"resources": map[string]any{"requests": map[string]any{"cpu": "2"}},
		},
		"podLabels": map[string]any{"team": "platform"},
	}, targetValues(`{"logLevel": "debug", "podLabels": null}`))
	blue := w.deployment(blueRelease).ResourceVersion
	out := w.drive(p.Run, w.play)
	w.Expect(out.Message).To(Equal("release karpenter/karpenter-green stands by at 1.14.1, 2 of 2 pods Ready"))

	r := w.helmRelease(greenRelease)
	w.Expect(r).To(And(HaveField("Version", greenVersion), HaveField("Revision", 1), HaveField("Labels", HaveKeyWithValue(v1alpha1.LabelRun, "up"))))
	green := w.deployment(greenRelease)
	pod := green.Spec.Template.Spec
	w.Expect(pod.ServiceAccountName).To(Equal("karpenter"), "the trust of IAM is bound to it")
	w.Expect(pod.Containers[0].Image).To(HavePrefix("mirror.example/karpenter:1.14.1@sha256:"), "the target's own digest")
	w.Expect(pod.Containers[0].Image).NotTo(ContainSubstring(zeros))
	w.Expect(pod.Containers[0].Resources.Requests.Cpu().String()).To(Equal("2"), "carried over")
	w.Expect(pod.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "LOG_LEVEL", Value: "debug"}))
	w.Expect(green.Spec.Template.Labels).NotTo(HaveKey("team"))
	w.Expect(*green.Spec.Replicas).To(Equal(int32(2)))
	w.Expect(w.gone(&policyv1.PodDisruptionBudget{}, karpenterNS, greenRelease)).To(BeFalse())
	w.Expect(w.gone(&corev1.ServiceAccount{}, karpenterNS, greenRelease)).To(BeTrue())

	w.expectBlue()
	w.Expect(w.deployment(blueRelease).ResourceVersion).To(Equal(blue))
	w.Expect(w.holder()).To(HavePrefix("karpenter-1-0-8-0_"))
}

func targetValues(doc string) func(*v1alpha1.KarpenterUpgradeSpec) {
	return func(s *v1alpha1.KarpenterUpgradeSpec) { s.Target.Values = raw(doc) }
}

// zeros is a digest that is nobody's.
const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func TestInstallWaitsForGreensPods(t *testing.T) {
	w, p := installWorld(t, true, nil)
	w.driveTo(engine.KindWait, p.Run)
	w.Eventually(func() string { return w.step(p.Run).Reason }).WithTimeout(patience).WithPolling(glance).Should(Equal("WaitingForPods"))
	d := w.deployment(greenRelease)
	w.startPod(podName(d, 0), d.Spec.Template.Labels, true)
	w.startPod(podName(d, 1), d.Spec.Template.Labels, false)
	w.setStatus(d, 2, 2) // Available says the Deployment: with maxUnavailable 1 it always is
	w.Expect(w.step(p.Run).Message).To(Equal(
		"1 of 2 pods of Deployment karpenter/karpenter-green are Ready; kubectl describe pods -n karpenter -l app.kubernetes.io/instance=karpenter-green"))
	w.Expect(w.helmRelease(greenRelease).Revision).To(Equal(1), "nothing is installed again meanwhile")
}

func TestAnInstallationThatWasCutOffIsTakenUpAgain(t *testing.T) {
	for _, status := range []helmrelease.Status{helmrelease.StatusPendingInstall, helmrelease.StatusPendingUpgrade, helmrelease.StatusFailed} {
		t.Run(status.String(), func(t *testing.T) {
			w, p := installWorld(t, true, nil)
			w.drive(p.Run, w.play)
			w.cutOff(greenRelease, status)
			w.ok(w.api.Delete(w.ctx(), w.deployment(greenRelease))) // it had not got so far
			w.drive(p.Run, w.play)
			w.Expect(w.helmRelease(greenRelease).Status).To(Equal("deployed"))
			w.expectBlue()
			w.drive(p.Undo, w.killGreen)
			w.expectBlue()
		})
	}
}

func TestAReleaseOfSomebodyElseIsNeitherTakenNorRemoved(t *testing.T) {
	w, p := installWorld(t, true, nil)
	w.drive(p.Run, w.play)
	w.drive(p.Undo, w.killGreen)
	w.install(greenRelease, "karpenter", greenVersion, map[string]any{ // another run's, or somebody's own
		"settings": map[string]any{"clusterName": "sandbox"}, "podDisruptionBudget": map[string]any{"name": greenRelease},
	})
	w.play()
	out := w.driveTo(engine.KindFail, p.Run)
	w.Expect(out.Message).To(ContainSubstring("release karpenter/karpenter-green exists and was not made by this run: helm uninstall -n karpenter karpenter-green"))

	out = w.drive(p.Undo)
	w.Expect(out.Message).To(ContainSubstring("was not made by this run"))
	w.Expect(w.helmRelease(greenRelease).Status).To(Equal("deployed"))
	w.Expect(w.replicas(greenRelease)).To(Equal(2))
	w.expectBlue()
}

// killGreen plays the kubelet when green's Deployment is gone.
func (w *world) killGreen() {
	w.t.Helper()
	if w.hasRelease(greenRelease) {
		return
	}
	for _, p := range w.pods(greenRelease) {
		w.kill(p.Name)
	}
}

func TestUndoOfInstallRemovesGreenAndLeavesBlue(t *testing.T) {
	w, p := installWorld(t, true, nil)
	w.drive(p.Run, w.play)
	w.Expect(w.step(p.Undo).Message).To(Equal("pods of release karpenter/karpenter-green still there: 2"))
	w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
	w.killGreen()
	out := w.drive(p.Undo)
	w.Expect(out.Message).To(Equal("release karpenter/karpenter-green is gone; the CRDs stay at 1.14.1"))
	w.expectBlue()
	w.expectGreenCRDs()
	var roles rbacv1.ClusterRoleList
	w.ok(w.api.List(w.ctx(), &roles, client.MatchingLabels{"app.kubernetes.io/instance": greenRelease}))
	w.Expect(roles.Items).To(BeEmpty())
	w.drive(p.Undo)
}

func TestUndoOfInstallBeforeAnythingWasInstalled(t *testing.T) {
	w, p := installWorld(t, true, nil)
	w.Expect(w.step(p.Undo).Kind).To(Equal(engine.KindDone))
	w.expectBlue()
	w.Expect(w.crd(nodePoolCRD).Spec.Versions).To(HaveLen(2))
}

func TestValuesThatTheChartRefusesChangeNothing(t *testing.T) {
	w, p := installWorld(t, true, nil, targetValues(`{"settings": {"clusterName": null}}`))
	out := w.driveTo(engine.KindRetry, p.Run)
	w.Expect(out.Message).To(ContainSubstring("Chart cannot be installed without a valid settings.clusterName"))
	w.expectBlue()
	w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
}
