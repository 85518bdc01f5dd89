package phase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// rewritePage rewrites the next page of the objects of a CRD. After the last page of a pass that found nothing to rewrite, it
// writes what that proves; after that of any other, the next pass begins.
func (k *Kit) rewritePage(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, entry *v1alpha1.StorageStatus) error {
	page, err := k.storedPage(ctx, crd, entry)
	if err != nil || page == nil {
		return err
	}
	for i := range page.Items {
		rewritten, err := k.rewrite(ctx, &page.Items[i])
		if err != nil {
			return err
		}
		if rewritten {
			entry.Rewritten++
		}
		entry.Seen++
	}
	entry.Continue = page.GetContinue()
	switch {
	case entry.Continue != "":
		return nil
	case entry.Rewritten > 0:
		entry.Pass, entry.Seen, entry.Rewritten = entry.Pass+1, 0, 0
		return nil
	default:
		return k.proven(ctx, crd.Name, entry)
	}
}

// storedPage reads the next page of a pass; nil when the pass has to begin anew.
func (k *Kit) storedPage(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, entry *v1alpha1.StorageStatus) (*unstructured.UnstructuredList, error) {
	limit := k.StoragePage
	if limit == 0 {
		limit = storagePage
	}
	page := &unstructured.UnstructuredList{}
	page.SetGroupVersionKind(schema.GroupVersionKind{Group: crd.Spec.Group, Version: entry.Version, Kind: crd.Spec.Names.Kind + "List"})
	err := k.Live.List(ctx, page, client.Limit(limit), client.Continue(entry.Continue))
	if entry.Continue != "" && (apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsBadRequest(err)) {
		entry.Continue, entry.Seen, entry.Rewritten = "", 0, 0 // etcd keeps a listing for some minutes: the pass begins anew
		return nil, nil
	}
	if meta.IsNoMatchError(err) {
		err = errors.New(err.Error()) // the CRD serves the version; discovery will show it in a moment
	}
	if err != nil {
		return nil, fmt.Errorf("objects of CustomResourceDefinition %s cannot be read as %s%s, and its status.storedVersions stay %v: %w",
			crd.Name, entry.Version, converter(crd), crd.Status.StoredVersions, err)
	}
	return page, nil
}

// converter names the webhook that converts, for errors.
func converter(crd *apiextensionsv1.CustomResourceDefinition) string {
	s := service(crd.Spec.Conversion)
	if s == nil {
		return ""
	}
	return fmt.Sprintf(" (Service %s/%s:%d converts them: kubectl get endpointslices -n %s -l kubernetes.io/service-name=%s)",
		s.Namespace, s.Name, ptr.Deref(s.Port, 443), s.Namespace, s.Name)
}

// rewrite has the API server store an object anew, and says whether it was stored otherwise before. It writes nothing but the
// resource version that was read, which makes it a precondition: when the resource version of the answer is another, then this
// very write changed what is stored. The API server skips a write of the same bytes, so when it is not, the object is stored in
// the version already.
//
// Entries of managedFields in other versions of the group are dropped with it: once the CRD has no such version, the API server refuses
// every server-side apply of an object that has one ("request to convert CR to an invalid group/version"; test/owner shows it on 1.36).
//
// A conflict means that somebody wrote the object since it was read, and with that had it stored in the version; one that is
// gone is stored no more. Neither is something to rewrite, so whoever writes all the time keeps no pass from ending. Nor does
// an admission webhook that changes the object at each write: then the answer holds something else than was read.
func (k *Kit) rewrite(ctx context.Context, o *unstructured.Unstructured) (rewritten bool, err error) {
	after := Object(o.GroupVersionKind(), o.GetName())
	after.SetNamespace(o.GetNamespace())
	patch, err := storePatch(o)
	if err != nil {
		return false, err
	}
	err = k.Live.Patch(ctx, after, client.RawPatch(types.MergePatchType, patch))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("storing %s %s anew as %s, with nothing changed in it: %w", o.GetKind(), o.GetName(), o.GroupVersionKind().Version, err)
	}
	return after.GetResourceVersion() != o.GetResourceVersion() && equality.Semantic.DeepEqual(content(o), content(after)), nil
}

// storePatch is the patch of rewrite. The API server takes a list without entries for no change, and one with an empty entry for none.
func storePatch(o *unstructured.Unstructured) ([]byte, error) {
	metadata := map[string]any{"resourceVersion": o.GetResourceVersion()}
	all := o.GetManagedFields()
	kept := slices.DeleteFunc(slices.Clone(all), func(e metav1.ManagedFieldsEntry) bool {
		version, err := schema.ParseGroupVersion(e.APIVersion)
		return err == nil && version.Group == o.GroupVersionKind().Group && version != o.GroupVersionKind().GroupVersion()
	})
	switch {
	case len(kept) == 0 && len(all) > 0:
		metadata["managedFields"] = []any{map[string]any{}}
	case len(kept) < len(all):
		metadata["managedFields"] = kept
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return patch, nil
}

// content of an object without what the API server keeps about its writes.
func content(o *unstructured.Unstructured) map[string]any {
	c := o.DeepCopy()
	c.SetResourceVersion("")
	c.SetManagedFields(nil)
	c.SetGeneration(0)
	return c.Object
}
