package phase

import (
	"context"
	"errors"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// Admission webhooks of Karpenter up to 0.37, which are sometimes left behind: with failurePolicy Fail they then refuse every
// write of its objects (v1 migration guide of the provider; its issues 5623, 7080 and 7134).
var (
	validatingLeftovers = []string{"validation.webhook.karpenter.sh", "validation.webhook.config.karpenter.sh", "validation.webhook.karpenter.k8s.aws"}
	mutatingLeftovers   = []string{"defaulting.webhook.karpenter.k8s.aws", "defaulting.webhook.karpenter.sh"}
)

// admission is what both kinds of webhook configurations have in common.
type admission struct {
	kind     string
	object   client.Object
	services func() []*admissionregistrationv1.ServiceReference
}

// RemoveWebhookLeftovers deletes the admission webhooks that Karpenter up to 0.37 left, once a Karpenter from 1.0 on leads, which
// has none. It deletes those only whose webhooks all call the Service of the run's release, and that no Helm release has in its
// newest manifest, or may have where the operator may not read it; those of these names that are somebody else's are left alone. Both are returned as Kind/name, for a message.
func (k *Kit) RemoveWebhookLeftovers(ctx context.Context, plan *v1alpha1.Plan) (removed, left []string, err error) {
	for _, a := range admissions() {
		o := a.object
		name := fmt.Sprintf("%s/%s", a.kind, o.GetName())
		err := k.Live.Get(ctx, client.ObjectKeyFromObject(o), o)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return removed, left, fmt.Errorf("reading %s: %w", name, err)
		}
		owned, err := k.inRelease(ctx, a.kind, o)
		if err != nil {
			return removed, left, err
		}
		if owned || !calls(a.services(), Converter(plan)) {
			left = append(left, name)
			continue
		}
		// What was looked at is deleted and nothing that has taken its place or changed since.
		seen := client.Preconditions{UID: ptr.To(o.GetUID()), ResourceVersion: ptr.To(o.GetResourceVersion())}
		if err := k.Live.Delete(ctx, o, seen); client.IgnoreNotFound(err) != nil {
			return removed, left, fmt.Errorf("deleting %s: %w", name, err)
		}
		removed = append(removed, name)
	}
	return removed, left, nil
}

func admissions() []admission {
	var out []admission
	for _, name := range validatingLeftovers {
		c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		c.Name = name
		out = append(out, admission{"ValidatingWebhookConfiguration", c, func() (all []*admissionregistrationv1.ServiceReference) {
			for i := range c.Webhooks {
				all = append(all, c.Webhooks[i].ClientConfig.Service)
			}
			return all
		}})
	}
	for _, name := range mutatingLeftovers {
		c := &admissionregistrationv1.MutatingWebhookConfiguration{}
		c.Name = name
		out = append(out, admission{"MutatingWebhookConfiguration", c, func() (all []*admissionregistrationv1.ServiceReference) {
			for i := range c.Webhooks {
				all = append(all, c.Webhooks[i].ClientConfig.Service)
			}
			return all
		}})
	}
	return out
}

// calls says that webhooks, of which there are some, all call a Service.
func calls(services []*admissionregistrationv1.ServiceReference, is values.Conversion) bool {
	return len(services) > 0 && !slices.ContainsFunc(services, func(s *admissionregistrationv1.ServiceReference) bool {
		return s == nil || s.Namespace != is.Namespace || s.Name != is.Service
	})
}

// inRelease says that the Helm release that an object is annotated with has it in its newest manifest.
func (k *Kit) inRelease(ctx context.Context, kind string, o client.Object) (bool, error) {
	key := types.NamespacedName{Namespace: o.GetAnnotations()["meta.helm.sh/release-namespace"], Name: o.GetAnnotations()["meta.helm.sh/release-name"]}
	if key.Name == "" {
		return false, nil
	}
	r, err := k.Releases.Get(ctx, key.Namespace, key.Name)
	if errors.Is(err, release.ErrNotFound) {
		return false, nil
	}
	if fault.Classify(err) == fault.Denied { // a release in a namespace that is none of Karpenter's: it may have it
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return release.Has(r.Manifest, kind, o.GetName())
}
