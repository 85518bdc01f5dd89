package phase

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// Helm's annotation, which it reads on the object in the cluster, that keeps it from deleting what a chart has no more.
const (
	resourcePolicy = "helm.sh/resource-policy"
	keepPolicy     = "keep"
)

// ensureCRDRelease brings the release that has the CRDs to a chart and to the conversion webhook's values, and says whether it
// is there.
func (k *Kit) ensureCRDRelease(ctx context.Context, want *hopCRDs) (ready bool, err error) {
	if kept, err := k.keepCRDs(ctx, want); err != nil || kept {
		return false, err
	}
	ready, err = k.EnsureRelease(ctx, want.spec, true)
	if err != nil || !ready || sameWebhook(want.owner.Values, want.spec.Values) {
		return ready, err
	}
	return false, k.Releases.Apply(ctx, want.spec)
}

// keepCRDs keeps the CRDs that the release has and the chart has not: Helm would delete them, and with them their objects.
func (k *Kit) keepCRDs(ctx context.Context, want *hopCRDs) (changed bool, err error) {
	has, err := release.CRDs(want.owner.Manifest)
	if err != nil {
		return false, fmt.Errorf("release %s/%s: %w", want.owner.Namespace, want.owner.Name, err)
	}
	for i := range has {
		name := has[i].Name
		if slices.ContainsFunc(want.crds, func(c apiextensionsv1.CustomResourceDefinition) bool { return c.Name == name }) {
			continue
		}
		crd, err := k.crd(ctx, name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		if crd.Annotations[resourcePolicy] == keepPolicy {
			continue
		}
		kept := crd.DeepCopy()
		kept.Annotations = maps.Clone(crd.Annotations)
		if kept.Annotations == nil {
			kept.Annotations = map[string]string{}
		}
		kept.Annotations[resourcePolicy] = keepPolicy
		return true, k.Patch(ctx, crd, kept)
	}
	return false, nil
}

// sameWebhook says that given values name the conversion webhook that wanted ones do, if these name one.
func sameWebhook(given, wanted map[string]any) bool {
	want, ok := wanted[webhookValue].(map[string]any)
	if !ok {
		return true
	}
	is, _ := given[webhookValue].(map[string]any)
	for key, value := range want {
		if fmt.Sprint(is[key]) != fmt.Sprint(value) { // a port is a float64 or an int64, depending on who wrote it
			return false
		}
	}
	return true
}

// ensureCRD creates a CRD or replaces the spec of the one that is there, and says whether it wrote. It replaces by update:
// server-side apply cannot clear the conversion webhook that Karpenter 1.0 wrote into its CRDs (the caBundle belongs to
// Karpenter's own manager).
func (k *Kit) ensureCRD(ctx context.Context, current, target *apiextensionsv1.CustomResourceDefinition) (changed bool, err error) {
	if current == nil {
		if err := k.Live.Create(ctx, target.DeepCopy()); client.IgnoreAlreadyExists(err) != nil {
			return false, fmt.Errorf("creating CustomResourceDefinition %s: %w", target.Name, err)
		}
		return true, nil
	}
	want := current.DeepCopy()
	want.Spec = *target.Spec.DeepCopy()
	want.Spec.Conversion = conversion(current.Spec.Conversion, target.Spec.Conversion)
	want.Spec.Names.ListKind, want.Spec.Names.Singular = current.Spec.Names.ListKind, current.Spec.Names.Singular
	if equality.Semantic.DeepEqual(current.Spec, want.Spec) {
		return false, nil
	}
	if err := k.Live.Update(ctx, want); err != nil {
		return false, fmt.Errorf("updating CustomResourceDefinition %s: %w", target.Name, err)
	}
	return want.ResourceVersion != current.ResourceVersion, nil // the API server keeps the version of what did not change
}

// conversion is what a CRD's conversion is to be. As long as it stays with the same Service it keeps the CA and the path, which
// Karpenter's webhook controller writes (knative's webhook/resourcesemantics/conversion) and would write again. Those of another
// Service go: they are another release's.
func conversion(current, target *apiextensionsv1.CustomResourceConversion) *apiextensionsv1.CustomResourceConversion {
	if target == nil {
		return &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
	}
	out := target.DeepCopy()
	was, is := service(current), service(out)
	if was == nil || is == nil || was.Namespace != is.Namespace || was.Name != is.Name {
		return out
	}
	if len(out.Webhook.ClientConfig.CABundle) == 0 {
		out.Webhook.ClientConfig.CABundle = current.Webhook.ClientConfig.CABundle
	}
	if is.Path == nil {
		is.Path = was.Path
	}
	return out
}

// service that converts; nil when none does.
func service(c *apiextensionsv1.CustomResourceConversion) *apiextensionsv1.ServiceReference {
	if c == nil || c.Webhook == nil || c.Webhook.ClientConfig == nil {
		return nil
	}
	return c.Webhook.ClientConfig.Service
}
