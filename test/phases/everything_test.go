package phases

import (
	"fmt"
	"strings"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	apidiscovery "k8s.io/client-go/discovery"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// groupsOfServer are those of whose objects the API server itself writes some, whenever it likes.
var groupsOfServer = sets.New("apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io")

// everything is all that the cluster holds, of all kinds that can be listed, but for what the API server writes itself.
func (w *world) everything() map[string]*metav1.PartialObjectMetadata {
	w.t.Helper()
	dc, err := apidiscovery.NewDiscoveryClientForConfig(shared.config)
	w.ok(err)
	var lists []*metav1.APIResourceList
	w.Eventually(func() (err error) {
		lists, err = apidiscovery.ServerPreferredResources(dc)
		return err
	}).WithTimeout(patience).WithPolling(glance).Should(Succeed())
	out := map[string]*metav1.PartialObjectMetadata{}
	for _, list := range apidiscovery.FilteredBy(apidiscovery.SupportsAllVerbs{Verbs: []string{"list", "get"}}, lists) {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		w.ok(err)
		if groupsOfServer.Has(gv.Group) {
			continue
		}
		for _, r := range list.APIResources {
			w.listInto(out, gv.WithKind(r.Kind))
		}
	}
	return out
}

func (w *world) listInto(out map[string]*metav1.PartialObjectMetadata, kind schema.GroupVersionKind) {
	w.t.Helper()
	found := &metav1.PartialObjectMetadataList{}
	found.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := w.api.List(w.ctx(), found)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return // its CRD has just gone, or it is no kind of objects that are kept
	}
	w.ok(err)
	for i := range found.Items {
		o := &found.Items[i]
		if kind.Kind == "Lease" && o.Namespace == "kube-system" {
			continue // the API server's own, which it renews
		}
		out[kind.GroupKind().String()+" "+o.Namespace+"/"+o.Name] = o
	}
}

// versions are the resource versions of everything. Those of CRDs do not count, for the API server writes their status when it
// gets to it; what they say does.
func (w *world) versions() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for name, o := range w.everything() {
		out[name] = o.ResourceVersion
		if strings.HasPrefix(name, "CustomResourceDefinition.") {
			out[name] = fmt.Sprint(o.Generation, o.Labels, o.Annotations)
		}
	}
	return out
}

// marked are all labels, annotations and finalizers of the operator, on whatever object, but for those of runs.
func (w *world) marked() []string {
	w.t.Helper()
	var out []string
	for name, o := range w.everything() {
		if strings.HasPrefix(name, "KarpenterUpgrade.") {
			continue
		}
		for _, keys := range []map[string]string{o.Labels, o.Annotations} {
			for key := range keys {
				if strings.HasPrefix(key, v1alpha1.MarkPrefix) {
					out = append(out, name+": "+key)
				}
			}
		}
		for _, f := range o.Finalizers {
			if strings.HasPrefix(f, v1alpha1.MarkPrefix) {
				out = append(out, name+": "+f)
			}
		}
	}
	return out
}
