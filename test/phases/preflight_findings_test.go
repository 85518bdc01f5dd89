package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// wrong is something that stands in the way of an upgrade.
type wrong struct {
	what string
	// do makes it so and returns what puts it right.
	do func(w *world) (mend func())
	// codes of the blockers, and what the first of them says: the object first, then why.
	codes       []string
	object, why string
}

// inSpec is a wrong of the run's spec.
func inSpec(change func(*v1alpha1.KarpenterUpgradeSpec)) func(*world) func() {
	return func(w *world) func() {
		before := w.run.Spec.DeepCopy()
		change(&w.run.Spec)
		return func() { w.run.Spec = *before }
	}
}

// inCRD is a wrong of a CRD.
func inCRD(name string, with func(*apiextensionsv1.CustomResourceDefinition)) func(*world) func() {
	return func(w *world) func() {
		before := w.crd(name)
		change(w, w.crd(name), with)
		return func() {
			change(w, w.crd(name), func(c *apiextensionsv1.CustomResourceDefinition) {
				c.Spec, c.Labels, c.Annotations = before.Spec, before.Labels, before.Annotations
			})
		}
	}
}

// wrongs are those that only a cluster shows; what a snapshot is enough for is tested with the checks.
var wrongs = []wrong{
	{
		what:  "the registry has no such version",
		do:    inSpec(func(s *v1alpha1.KarpenterUpgradeSpec) { s.Target.Version = "1.14.0" }),
		codes: []string{"ChartNotFound", "ChartNotFound"}, object: "spec.target.version", why: "/karpenter:1.14.0",
	},
	{
		what:  "the chart has another digest",
		do:    inSpec(func(s *v1alpha1.KarpenterUpgradeSpec) { s.Target.Chart.Digest = "sha256:" + zeros }),
		codes: []string{"ChartDigestMismatch"}, object: "spec.target.chart.digest", why: "not sha256:" + zeros,
	},
	{
		what:  "the registry does not answer",
		do:    inSpec(func(s *v1alpha1.KarpenterUpgradeSpec) { s.Target.Chart.Repository = "oci://127.0.0.1:1/karpenter" }),
		codes: []string{"ChartUnreachable", "ChartUnreachable"}, object: "spec.target.chart.repository", why: "127.0.0.1:1",
	},
	{
		what:  "values do not render",
		do:    inSpec(targetValues(`{"settings": {"clusterName": null}}`)),
		codes: []string{"ValuesNotRendering"}, object: "spec.target.values", why: "without a valid settings.clusterName",
	},
	{
		what:  "there are two installations",
		do:    secondInstallation,
		codes: []string{"ReleaseAmbiguous"}, object: "spec.source", why: "there are 2 Deployments of Karpenter: [karpenter/karpenter shop/karpenter]",
	},
	{
		what: "another installation leads as well",
		do: func(w *world) func() {
			mend := secondInstallation(w)
			w.run.Spec.Source = &v1alpha1.Source{Namespace: karpenterNS, Release: blueRelease}
			return func() {
				w.run.Spec.Source = nil
				mend()
			}
		},
		codes: []string{"LeaderElsewhere"}, object: "Lease/shop/" + lease.Name, why: "karpenter-of-the-shop leads there",
	},
	{
		what: "the release is none of Helm's",
		do: func(w *world) func() {
			before := w.deployment(blueRelease).Annotations
			change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) { d.Annotations = nil })
			return func() { change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) { d.Annotations = before }) }
		},
		codes: []string{"ReleaseNotHelm"}, object: "Deployment/karpenter/karpenter", why: "Helm knows no release that it belongs to",
	},
	{
		what: "somebody works on the release",
		do: func(w *world) func() {
			w.cutOff(blueRelease, helmrelease.StatusPendingUpgrade)
			return func() { w.cutOff(blueRelease, helmrelease.StatusDeployed) }
		},
		codes: []string{"ReleasePending"}, object: "HelmRelease/karpenter/karpenter", why: "its newest revision is pending-upgrade",
	},
	{
		what: "a pod of the release is not ready",
		do: func(w *world) func() {
			w.setStatus(w.deployment(blueRelease), 2, 1)
			return func() { w.setStatus(w.deployment(blueRelease), 2, 2) }
		},
		codes: []string{"ReleaseUnhealthy"}, object: "Deployment/karpenter/karpenter", why: "1 of its 2 replicas are ready",
	},
	{
		what: "a CRD belongs to another release",
		do: inCRD(nodeClaimCRD, func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Annotations = map[string]string{"meta.helm.sh/release-name": "platform", "meta.helm.sh/release-namespace": "infra"}
		}),
		codes: []string{"CRDForeignOwner"}, object: "CustomResourceDefinition/" + nodeClaimCRD, why: "it belongs to the Helm release infra/platform",
	},
	{
		what: "the Service of the conversion webhook is gone",
		do: func(w *world) func() {
			service := get(w, &corev1.Service{}, karpenterNS, blueRelease)
			w.ok(w.api.Delete(w.ctx(), service.DeepCopy()))
			return func() {
				service.ObjectMeta = metav1.ObjectMeta{Namespace: service.Namespace, Name: service.Name, Labels: service.Labels, Annotations: service.Annotations}
				w.ok(w.api.Create(w.ctx(), service))
			}
		},
		codes:  []string{"CRDConversionUnreachable", "CRDConversionUnreachable", "CRDConversionUnreachable"},
		object: "CustomResourceDefinition/" + nodePoolCRD, why: "its conversion webhook karpenter/karpenter:8443 does not answer (there is no such Service)",
	},
	{
		what: "nobody serves the conversion webhook",
		do: func(w *world) func() {
			slice := get(w, &discoveryv1.EndpointSlice{}, karpenterNS, blueRelease+"-1")
			setReady := func(ready bool) {
				change(w, slice, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions.Ready = ptr.To(ready) })
			}
			setReady(false)
			return func() { setReady(true) }
		},
		codes:  []string{"CRDConversionUnreachable", "CRDConversionUnreachable", "CRDConversionUnreachable"},
		object: "CustomResourceDefinition/" + nodePoolCRD, why: "(no pod behind the Service is ready at port 8443)",
	},
	{
		what: "a CRD names a port that the conversion webhook does not have",
		do: inCRD(nodeClassCRD, func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Conversion.Webhook.ClientConfig.Service.Port = ptr.To[int32](8444)
		}),
		codes: []string{"CRDConversionUnreachable"}, object: "CustomResourceDefinition/" + nodeClassCRD, why: "(the Service has no port 8444)",
	},
	{
		what: "a NodePool is not Ready",
		do: func(w *world) func() {
			w.condition(phase.NodePoolKind, "general", "Ready", "False", "NodeClassReady=False")
			return w.ready
		},
		codes: []string{"NodePoolNotReady"}, object: "NodePool/general", why: "NodeClassReady=False",
	},
}

// secondInstallation makes another Karpenter, which leads in a namespace of its own.
func secondInstallation(w *world) (mend func()) {
	w.t.Helper()
	d := w.create(`
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: karpenter, labels: {app.kubernetes.io/name: karpenter}}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: controller, image: "public.ecr.aws/karpenter/controller:1.0.8"}]}}
`)
	l := w.lease()
	l.ObjectMeta = metav1.ObjectMeta{Namespace: shopNS, Name: lease.Name}
	l.Spec.HolderIdentity = ptr.To("karpenter-of-the-shop")
	w.ok(w.api.Create(w.ctx(), l))
	return func() {
		w.ok(w.api.Delete(w.ctx(), d))
		w.ok(w.api.Delete(w.ctx(), l))
	}
}

func TestWhatStandsInTheWayIsFoundAndGoneWhenItIsPutRight(t *testing.T) {
	w := preflightWorld(t)
	w.Expect(w.blockers()).To(BeEmpty())
	for _, wrong := range wrongs {
		mend := wrong.do(w)
		out := w.preflight().Run(w.ctx(), w.run)
		w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonPreflightBlocked)), wrong.what)
		found := w.found(v1alpha1.SeverityBlocker)
		w.Expect(codes(found)).To(Equal(wrong.codes), wrong.what)
		w.Expect(found[0].Objects).To(ContainElement(wrong.object), wrong.what)
		w.Expect(found[0].Why).To(ContainSubstring(wrong.why), wrong.what)
		w.Expect(found[0].Fix).NotTo(BeEmpty(), wrong.what)
		w.Expect(out.Message).To(ContainSubstring(found[0].Fix), wrong.what)

		mend()
		w.Expect(w.blockers()).To(BeEmpty(), "%s: put right", wrong.what)
	}
}
