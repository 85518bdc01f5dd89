package check

import (
	"fmt"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func webhookChecks() []Check {
	return []Check{
		{Code: "WebhookUnreachable", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: webhooks(func(w snapshot.Webhook) bool { return w.Karpenter && !w.Narrowed })},
		{Code: "WorkloadWebhookUnreachable", Severity: v1alpha1.SeverityWarning, Find: webhooks(func(w snapshot.Webhook) bool { return !w.Karpenter || w.Narrowed })},
	}
}

// webhooks finds admission webhooks that nobody answers: the API server then refuses the writes that they watch. Those of Karpenter
// up to 0.37 stay behind where something else than its release owns them (#7134).
func webhooks(which func(snapshot.Webhook) bool) func(Input) []Hit {
	return func(in Input) []Hit {
		var out []Hit
		for _, w := range in.Snapshot.Platform.Webhooks {
			if which(w) {
				out = append(out, webhookHit(w))
			}
		}
		return out
	}
}

func webhookHit(w snapshot.Webhook) Hit {
	kind, name, _ := strings.Cut(w.Object, "/")
	watched := w.Others
	if w.Karpenter {
		watched = append([]string{"Karpenter's objects"}, watched...)
	}
	some := ""
	if w.Narrowed {
		some = " that its selectors and conditions let through to it"
	}
	return Hit{
		Objects: []string{w.Object, "Service/" + w.Service},
		Why: fmt.Sprintf("its webhook %s has failurePolicy Fail and calls %s, which does not answer (%s): the API server refuses every write of %s%s",
			w.Name, w.Service, w.Problem, strings.Join(watched, ", "), some),
		Fix: fmt.Sprintf("bring the Service back, or, when nobody needs the webhook any more: kubectl delete %s %s", strings.ToLower(kind), name),
	}
}
