package phases

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// webhookConfiguration is one as Karpenter up to 0.37 leaves it: it matches objects that no test makes.
func webhookConfiguration(kind, name, namespace, service, annotations string) string {
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: %s
metadata: {name: %s, labels: {app.kubernetes.io/name: karpenter}, annotations: {%s}}
webhooks:
- name: %s
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {service: {namespace: %s, name: %s, port: 8443}}
  rules: [{apiGroups: [karpenter.test], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]
`, kind, name, annotations, name, namespace, service)
}

const (
	validating = "ValidatingWebhookConfiguration"
	mutating   = "MutatingWebhookConfiguration"
)

func TestWebhooksThatKarpenterLeftAreRemovedAndNoOthers(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.installBlue(false, nil)
	w.begin(plan())
	w.permitted()
	blues := fmt.Sprintf("meta.helm.sh/release-name: %s, meta.helm.sh/release-namespace: %s", blueRelease, karpenterNS)
	for _, doc := range []string{
		webhookConfiguration(validating, "validation.webhook.karpenter.sh", karpenterNS, blueRelease, ""),
		webhookConfiguration(validating, "validation.webhook.config.karpenter.sh", karpenterNS, blueRelease, blues),
		webhookConfiguration(mutating, "defaulting.webhook.karpenter.k8s.aws", karpenterNS, blueRelease, "meta.helm.sh/release-name: gone, meta.helm.sh/release-namespace: "+karpenterNS),
		webhookConfiguration(validating, "validation.webhook.karpenter.k8s.aws", karpenterNS, "another", ""),
		webhookConfiguration(mutating, "defaulting.webhook.karpenter.sh", karpenterNS, blueRelease, "meta.helm.sh/release-name: unreadable, meta.helm.sh/release-namespace: shop"),
		webhookConfiguration(validating, "validation.somebody.else", karpenterNS, blueRelease, ""),
	} {
		o := w.create(doc)
		t.Cleanup(func() { _ = shared.api.Delete(context.WithoutCancel(t.Context()), o) })
	}
	for range 2 { // the second time as after a kill
		_, left, err := w.kit.RemoveWebhookLeftovers(w.ctx(), w.run.Status.Plan)
		w.ok(err)
		w.Expect(left).To(ConsistOf(validating+"/validation.webhook.karpenter.k8s.aws", mutating+"/defaulting.webhook.karpenter.sh"))
	}
	w.Expect(w.gone(&admissionregistrationv1.ValidatingWebhookConfiguration{}, "", "validation.webhook.karpenter.sh")).To(BeTrue())
	w.Expect(w.gone(&admissionregistrationv1.ValidatingWebhookConfiguration{}, "", "validation.webhook.config.karpenter.sh")).To(BeTrue())
	w.Expect(w.gone(&admissionregistrationv1.MutatingWebhookConfiguration{}, "", "defaulting.webhook.karpenter.k8s.aws")).To(BeTrue())
	w.Expect(w.gone(&admissionregistrationv1.ValidatingWebhookConfiguration{}, "", "validation.somebody.else")).To(BeFalse())
}

func TestWebhooksThatAReleaseStillHasAreLeftAlone(t *testing.T) {
	w := hopWorld(t, false)
	w.install(blueRelease, release.ChartKarpenter, betaVersion, map[string]any{
		"settings": map[string]any{"clusterName": "sandbox"}, "webhook": map[string]any{"enabled": true},
	})
	removed, left, err := w.kit.RemoveWebhookLeftovers(w.ctx(), w.run.Status.Plan)
	w.ok(err)
	w.Expect(removed).To(BeEmpty())
	w.Expect(left).To(ConsistOf(
		validating+"/validation.webhook.karpenter.sh", validating+"/validation.webhook.config.karpenter.sh",
		validating+"/validation.webhook.karpenter.k8s.aws", mutating+"/defaulting.webhook.karpenter.k8s.aws",
	))
	w.install(blueRelease, release.ChartKarpenter, blueVersion, map[string]any{"settings": map[string]any{"clusterName": "sandbox"}})
	_, left, err = w.kit.RemoveWebhookLeftovers(w.ctx(), w.run.Status.Plan)
	w.ok(err)
	w.Expect(left).To(BeEmpty())
}

func TestTheChartsPermissionsAreEnoughForHops(t *testing.T) {
	w, stop := storageWorld(t, true)
	w.permitted()
	w.drive(w.toStorage("v1"), w.second)
	w.expectStored("v1", greenHop, stop)
}
