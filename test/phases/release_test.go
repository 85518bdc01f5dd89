package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// karpenter is what a release of the chart karpenter is to be.
func (w *world) karpenter(version string, values map[string]any) release.Spec {
	w.t.Helper()
	chart, err := shared.helm.Pull(w.ctx(), chartRef(release.ChartKarpenter, version))
	w.ok(err)
	return release.Spec{Namespace: karpenterNS, Name: blueRelease, Chart: chart, Values: values}
}

func clusterName(name string) map[string]any {
	return map[string]any{"settings": map[string]any{"clusterName": name}}
}

func TestAReleaseIsAppliedAndRead(t *testing.T) {
	w := newWorld(t, blueVersion)
	_, err := shared.helm.Get(w.ctx(), karpenterNS, blueRelease)
	w.Expect(err).To(MatchError(release.ErrNotFound))
	w.Expect(err).To(MatchError(ContainSubstring("release karpenter/karpenter")))
	w.Expect(shared.helm.List(w.ctx(), karpenterNS)).To(BeEmpty())

	spec := w.karpenter(blueVersion, clusterName("sandbox"))
	spec.Labels, spec.Description = map[string]string{v1alpha1.LabelRun: "up"}, "by a test"
	w.ok(shared.helm.Apply(w.ctx(), spec))
	r := w.helmRelease(blueRelease)
	w.Expect(r).To(And(
		HaveField("Namespace", karpenterNS), HaveField("Name", blueRelease), HaveField("Chart", "karpenter"), HaveField("Version", blueVersion),
		HaveField("Revision", 1), HaveField("Values", clusterName("sandbox")), HaveField("Labels", HaveKeyWithValue(v1alpha1.LabelRun, "up")),
	))
	w.Expect(r.Deployed()).To(BeTrue())
	w.Expect(r.Pending()).To(BeFalse())
	w.Expect(r.Modified).To(BeTemporally(">=", w.clock.Now()))
	w.Expect(w.replicas(blueRelease)).To(Equal(2))
	last, err := w.records().Last(blueRelease)
	w.ok(err)
	w.Expect(last.Info.Description).To(Equal("by a test"), "helm history shows it")

	spec = w.karpenter(greenVersion, map[string]any{"settings": map[string]any{"clusterName": "sandbox"}, "replicas": int64(1)})
	w.ok(shared.helm.Apply(w.ctx(), spec))
	w.ok(shared.helm.Apply(w.ctx(), w.karpenter(greenVersion, clusterName("other"))))
	r = w.helmRelease(blueRelease)
	w.Expect(r).To(And(HaveField("Version", greenVersion), HaveField("Revision", 3), HaveField("Values", clusterName("other"))), "values are those that are given and no older ones")
	w.Expect(w.replicas(blueRelease)).To(Equal(2))
	w.Expect(w.gone(&apiextensionsv1.CustomResourceDefinition{}, "", nodeOverlayCRD)).To(BeTrue(), "CRDs are not installed with the controller")

	w.cutOff(blueRelease, helmrelease.StatusPendingUpgrade)
	w.Expect(shared.helm.List(w.ctx(), karpenterNS)).To(ConsistOf(
		And(HaveField("Name", blueRelease), HaveField("Revision", 3), HaveField("Status", "pending-upgrade")),
	), "the newest revision, whatever its status is")
	w.Expect(shared.helm.List(w.ctx(), shopNS)).To(BeEmpty())
}

func TestRenderShowsWhatApplyWouldApplyAndTouchesNothing(t *testing.T) {
	w := newWorld(t, greenVersion)
	before := w.versions()
	spec := w.karpenter(greenVersion, clusterName("sandbox"))
	manifest, err := shared.helm.Render(w.ctx(), spec)
	w.ok(err)
	_, err = shared.helm.Render(w.ctx(), w.karpenter(greenVersion, nil))
	w.Expect(err).To(MatchError(And(ContainSubstring("rendering chart karpenter 1.14.1"), ContainSubstring("settings.clusterName"))))
	w.Expect(w.versions()).To(Equal(before))

	w.ok(shared.helm.Apply(w.ctx(), spec))
	w.Expect(manifest).To(Equal(w.helmRelease(blueRelease).Manifest))
}

func TestWhatBelongsToSomebodyElseIsNotTakenByARelease(t *testing.T) {
	w := newWorld(t, greenVersion)
	w.ok(w.api.Create(w.ctx(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: karpenterNS, Name: "karpenter"}}))
	spec := w.karpenter(greenVersion, clusterName("sandbox"))
	err := shared.helm.Apply(w.ctx(), spec)
	w.Expect(err).To(MatchError(And(
		ContainSubstring("applying chart karpenter 1.14.1 as release karpenter/karpenter"), ContainSubstring(`ServiceAccount "karpenter"`),
	)))
	w.Expect(get(w, &corev1.ServiceAccount{}, karpenterNS, "karpenter").Annotations).To(BeEmpty())

	w.ok(w.api.Delete(w.ctx(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: karpenterNS, Name: "karpenter"}}))
	w.ok(shared.helm.Apply(w.ctx(), spec))
	w.Expect(w.helmRelease(blueRelease).Status).To(Equal("deployed"))
}

func TestUnlockLetsAnOperationThatWasCutOffBeTakenUp(t *testing.T) {
	w := newWorld(t, greenVersion)
	w.ok(shared.helm.Unlock(w.ctx(), karpenterNS, blueRelease)) // there is none
	spec := w.karpenter(greenVersion, clusterName("sandbox"))
	w.ok(shared.helm.Apply(w.ctx(), spec))
	w.ok(shared.helm.Unlock(w.ctx(), karpenterNS, blueRelease))
	w.Expect(w.helmRelease(blueRelease).Status).To(Equal("deployed"), "nothing holds it")

	for i, status := range []helmrelease.Status{helmrelease.StatusPendingInstall, helmrelease.StatusPendingUpgrade, helmrelease.StatusPendingRollback} {
		w.cutOff(blueRelease, status)
		w.Expect(w.helmRelease(blueRelease).Pending()).To(BeTrue(), status)
		w.Expect(shared.helm.Apply(w.ctx(), spec)).To(MatchError(ContainSubstring("another operation")), status)
		w.ok(shared.helm.Unlock(w.ctx(), karpenterNS, blueRelease))
		w.Expect(w.helmRelease(blueRelease)).To(And(HaveField("Status", "failed"), HaveField("Revision", i+1)), status)
		w.ok(shared.helm.Apply(w.ctx(), spec))
		w.Expect(w.helmRelease(blueRelease)).To(And(HaveField("Status", "deployed"), HaveField("Revision", i+2)), status)
	}
}

func TestUninstallRemovesAReleaseAndNeverCRDs(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.ok(shared.helm.Uninstall(w.ctx(), karpenterNS, blueRelease)) // there is none
	w.installBlue(true)
	w.blue()
	crds := w.crdVersions()
	err := shared.helm.Uninstall(w.ctx(), karpenterNS, crdRelease)
	w.Expect(err).To(MatchError("release karpenter/karpenter-crd holds Karpenter's CRDs: uninstalling it would delete every NodePool and node"))
	w.Expect(w.helmRelease(crdRelease).Status).To(Equal("deployed"))

	w.cutOff(blueRelease, helmrelease.StatusUninstalling) // somebody began, and was killed after his first deletion
	w.ok(w.api.Delete(w.ctx(), w.deployment(blueRelease)))
	w.ok(shared.helm.Uninstall(w.ctx(), karpenterNS, blueRelease))
	w.Expect(w.hasRelease(blueRelease)).To(BeFalse())
	w.Expect(w.gone(&corev1.ServiceAccount{}, karpenterNS, "karpenter")).To(BeTrue())
	w.Expect(w.gone(&rbacv1.ClusterRole{}, "", "karpenter")).To(BeTrue())
	w.Expect(w.crdVersions()).To(Equal(crds))
	w.Expect(w.hasPool("general")).To(BeTrue())
	w.ok(shared.helm.Uninstall(w.ctx(), karpenterNS, blueRelease))
}
