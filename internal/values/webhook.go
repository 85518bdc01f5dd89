package values

import (
	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/runtime"
)

// converting are the first patches of each minor whose CRDs convert by a webhook (P@tags:charts/karpenter-crd); all of 1.0 do,
// and none since.
var converting = map[uint64]uint64{33: 6, 34: 7, 35: 6, 36: 3, 37: 1}

func converts(v *semver.Version) bool {
	if v.Major() == 1 {
		return v.Minor() == 0
	}
	first, ok := converting[v.Minor()]
	return v.Major() == 0 && ok && v.Patch() >= first
}

// conversionBegins says that the CRDs convert at the end of the way and did not before, or in a way that 1.0 cannot do without.
func conversionBegins(from, to *semver.Version) bool {
	return from.LessThan(to) && converts(to) && (!converts(from) || crosses(from, to, version(1, 0, 0)))
}

// webhookOn has Karpenter serve the webhook that the CRDs name. Charts of the first patches have it off by default.
func webhookOn(t *translation) {
	v, said := get(t.values, "webhook.enabled")
	if said && empty(v) {
		t.warn("webhook.enabled", "the CRDs of this version convert objects by Karpenter's webhook, so it is turned on", "let the API server reach port 8443 of Karpenter's pods")
	}
	if said || t.to.Major() == 0 {
		put(t.values, "webhook.enabled", true)
	}
	t.env("DISABLE_WEBHOOK", func(entry map[string]any) bool {
		if !literal(entry) {
			t.warn(envKey, "DISABLE_WEBHOOK comes from another object, and the CRDs of this version need the webhook", "take it out")
		}
		return !literal(entry)
	})
}

func webhookGone(t *translation) {
	delete(t.values, "webhook")
	for _, name := range []string{"DISABLE_WEBHOOK", "WEBHOOK_PORT", "WEBHOOK_METRICS_PORT"} {
		t.env(name, func(entry map[string]any) bool { return !literal(entry) })
	}
}

// Conversion is the Service of the release that converts Karpenter's objects.
type Conversion struct {
	Namespace, Service string
	Port               int64
}

// CRDValues are the values that a release of the chart karpenter-crd gets, whose own are defaults: those of given that the
// chart knows, and, where it lets the CRDs convert (0.33.6 to 1.0), the Service to ask. That is not left to the chart, whose
// default is a Service karpenter in kube-system or in the CRD release's own namespace, and not to given, which may name a
// release that is about to go. Neither argument is changed.
func CRDValues(given, defaults map[string]any, to Conversion) map[string]any {
	out := runtime.DeepCopyJSON(orEmpty(given))
	for _, key := range Unknown(out, defaults) {
		remove(out, key)
	}
	if _, ok := defaults["webhook"].(map[string]any); !ok {
		return out
	}
	webhook := child(out, "webhook")
	webhook["enabled"], webhook["serviceName"], webhook["serviceNamespace"], webhook["port"] = true, to.Service, to.Namespace, to.Port
	return out
}
