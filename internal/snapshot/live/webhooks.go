package live

import (
	"context"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// karpenterGroups are the API groups of Karpenter's own kinds.
var karpenterGroups = []string{"karpenter.sh", "karpenter.k8s.aws"}

// others are resources that a run writes, or has others write, beside Karpenter's.
var others = []string{"pods", "pods/eviction", "nodes"}

// webhooks reads the admission webhooks that nobody answers and for the want of which writes are refused.
func (a *surroundings) webhooks(ctx context.Context) error {
	problems := map[string]string{}
	var validating admissionregistrationv1.ValidatingWebhookConfigurationList
	if err := a.Client.List(ctx, &validating); err != nil {
		return err
	}
	for i := range validating.Items {
		c := &validating.Items[i]
		for j := range c.Webhooks {
			w := &c.Webhooks[j]
			h := hook{w.ClientConfig, w.Rules, w.FailurePolicy, w.NamespaceSelector, w.ObjectSelector, len(w.MatchConditions)}
			if err := a.webhook(ctx, "ValidatingWebhookConfiguration/"+c.Name, w.Name, h, problems); err != nil {
				return err
			}
		}
	}
	var mutating admissionregistrationv1.MutatingWebhookConfigurationList
	if err := a.Client.List(ctx, &mutating); err != nil {
		return err
	}
	for i := range mutating.Items {
		c := &mutating.Items[i]
		for j := range c.Webhooks {
			w := &c.Webhooks[j]
			h := hook{w.ClientConfig, w.Rules, w.FailurePolicy, w.NamespaceSelector, w.ObjectSelector, len(w.MatchConditions)}
			if err := a.webhook(ctx, "MutatingWebhookConfiguration/"+c.Name, w.Name, h, problems); err != nil {
				return err
			}
		}
	}
	return nil
}

// hook is what a validating and a mutating webhook have in common.
type hook struct {
	client     admissionregistrationv1.WebhookClientConfig
	rules      []admissionregistrationv1.RuleWithOperations
	failure    *admissionregistrationv1.FailurePolicyType
	namespaces *metav1.LabelSelector
	objects    *metav1.LabelSelector
	conditions int
}

// webhook notes a webhook if it watches what matters to a run and nobody answers it. Problems are those of Services seen before.
func (a *surroundings) webhook(ctx context.Context, object, name string, h hook, problems map[string]string) error {
	service := h.client.Service
	if service == nil || ptr.Deref(h.failure, admissionregistrationv1.Fail) != admissionregistrationv1.Fail {
		return nil
	}
	found := snapshot.Webhook{Object: object, Name: name, Karpenter: watchesKarpenter(h.rules), Others: watches(h.rules)}
	if !found.Karpenter && len(found.Others) == 0 {
		return nil
	}
	port := ptr.Deref(service.Port, 443)
	found.Service = fmt.Sprintf("%s/%s:%d", service.Namespace, service.Name, port)
	problem, seen := problems[found.Service]
	if !seen {
		var err error
		if problem, err = a.servicePort(ctx, client.ObjectKey{Namespace: service.Namespace, Name: service.Name}, port); err != nil {
			return err
		}
		problems[found.Service] = problem
	}
	if problem == "" {
		return nil
	}
	found.Problem = problem
	found.Narrowed = narrows(h.objects) || h.conditions > 0 || (!found.Karpenter && narrows(h.namespaces)) // Karpenter's kinds have no namespace
	a.out.Webhooks = append(a.out.Webhooks, found)
	return nil
}

func narrows(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchLabels)+len(s.MatchExpressions) > 0
}

func watchesKarpenter(rules []admissionregistrationv1.RuleWithOperations) bool {
	return slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		return slices.ContainsFunc(karpenterGroups, func(group string) bool {
			return slices.Contains(r.APIGroups, group) || slices.Contains(r.APIGroups, "*")
		}) && slices.ContainsFunc(r.Resources, func(resource string) bool {
			return slices.Contains([]string{"*", "*/*", "nodepools", "nodeclaims", "ec2nodeclasses"}, resource)
		})
	})
}

// watches are the resources among others that some rule covers.
func watches(rules []admissionregistrationv1.RuleWithOperations) []string {
	var out []string
	for _, resource := range others {
		if slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
			core := slices.Contains(r.APIGroups, "") || slices.Contains(r.APIGroups, "*")
			named := slices.Contains(r.Resources, resource) || slices.Contains(r.Resources, "*/*")
			all := slices.Contains(r.Resources, "*") && resource != "pods/eviction"
			return core && (named || all)
		}) {
			out = append(out, resource)
		}
	}
	return out
}
