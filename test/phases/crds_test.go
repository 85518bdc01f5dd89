package phases

import (
	"maps"
	"slices"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Names of Karpenter's CRDs. 1.14.1 has the last two as well.
const (
	nodePoolCRD       = "nodepools.karpenter.sh"
	nodeClaimCRD      = "nodeclaims.karpenter.sh"
	nodeClassCRD      = "ec2nodeclasses.karpenter.k8s.aws"
	nodeOverlayCRD    = "nodeoverlays.karpenter.sh"
	capacityBufferCRD = "capacitybuffers.autoscaling.x-k8s.io"
)

var allCRDs = []string{nodePoolCRD, nodeClaimCRD, nodeClassCRD, nodeOverlayCRD, capacityBufferCRD}

// crdState says what Karpenter's CRDs are to be.
type crdState struct {
	Version string
	// Namespace and Release that they belong to; empty for none.
	Namespace, Release string
	// Conversion takes the place of the chart's own; nil for none at all.
	Conversion *apiextensionsv1.CustomResourceConversion
}

// lastCRDs is the state that Karpenter's CRDs were brought to last, with their resource versions then.
var lastCRDs struct {
	state    crdState
	versions map[string]string
	// mixed says that a test stored objects in several versions, or in another one than v1: then nothing of it is kept.
	mixed bool
}

// setCRDs brings Karpenter's CRDs to a state, whatever they were.
func (w *world) setCRDs(s crdState) {
	w.t.Helper()
	if equality.Semantic.DeepEqual(lastCRDs.state, s) && maps.Equal(lastCRDs.versions, w.crdVersions()) {
		return
	}
	if lastCRDs.mixed {
		w.dropCRDs()
	}
	w.writeCRDs(s)
	lastCRDs.state, lastCRDs.versions = s, w.crdVersions()
}

// crdVersions are the resource versions of all CRDs.
func (w *world) crdVersions() map[string]string {
	w.t.Helper()
	found := &metav1.PartialObjectMetadataList{}
	found.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinitionList"))
	w.ok(w.api.List(w.ctx(), found))
	out := map[string]string{}
	for i := range found.Items {
		out[found.Items[i].Name] = found.Items[i].ResourceVersion
	}
	return out
}

func (w *world) writeCRDs(s crdState) {
	w.t.Helper()
	wanted := shared.crds[s.Version].CRDs
	for _, name := range allCRDs {
		at := slices.IndexFunc(wanted, func(c apiextensionsv1.CustomResourceDefinition) bool { return c.Name == name })
		if at < 0 {
			w.dropCRD(name)
			continue
		}
		want := wanted[at].DeepCopy()
		want.Spec.Conversion = s.Conversion
		if s.Release != "" {
			want.Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
			want.Annotations = map[string]string{"meta.helm.sh/release-name": s.Release, "meta.helm.sh/release-namespace": s.Namespace}
		}
		w.setCRD(want)
	}
	for i := range wanted {
		w.established(wanted[i].Name)
	}
}

func (w *world) setCRD(want *apiextensionsv1.CustomResourceDefinition) {
	w.t.Helper()
	w.Eventually(func() error {
		current := &apiextensionsv1.CustomResourceDefinition{}
		err := w.api.Get(w.ctx(), client.ObjectKeyFromObject(want), current)
		if apierrors.IsNotFound(err) {
			return w.api.Create(w.ctx(), want.DeepCopy())
		}
		if err != nil {
			return err
		}
		if !slices.Equal(current.Status.StoredVersions, []string{"v1"}) && !lastCRDs.mixed && want.Name != nodeOverlayCRD && want.Name != capacityBufferCRD {
			current.Status.StoredVersions = []string{"v1"}
			if err := w.api.Status().Update(w.ctx(), current); err != nil {
				return err
			}
		}
		update := current.DeepCopy()
		update.Labels, update.Annotations, update.Spec = want.Labels, want.Annotations, *want.Spec.DeepCopy()
		if equality.Semantic.DeepEqual(current, update) {
			return nil
		}
		return w.api.Update(w.ctx(), update)
	}).WithTimeout(patience).WithPolling(glance).Should(Succeed())
}

// dropCRDs removes Karpenter's CRDs with all that is stored, whether anybody converts it or not.
func (w *world) dropCRDs() {
	w.t.Helper()
	for _, name := range allCRDs {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if w.gone(crd, "", name) {
			continue
		}
		change(w, crd, func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Conversion = nil })
		w.dropCRD(name)
	}
	lastCRDs.mixed = false
}

func (w *world) dropCRD(name string) {
	w.t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.ok(client.IgnoreNotFound(w.api.Delete(w.ctx(), crd)))
	w.Eventually(func() bool {
		w.nudge(name)
		return w.gone(crd, "", name)
	}).WithTimeout(patience).WithPolling(glance).Should(BeTrue(), "CRD %s is gone", name)
}

// nudge has the API server look again at a CRD whose deletion it gave up: on a busy machine it may find that the storage is
// "(re)initializing", and then nothing but a change of the CRD, or its resync minutes later, makes it try once more.
func (w *world) nudge(name string) {
	w.t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	err := w.api.Get(w.ctx(), client.ObjectKey{Name: name}, crd)
	if err == nil && slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Terminating && c.Reason == "InstanceDeletionFailed"
	}) {
		before := crd.DeepCopy()
		metav1.SetMetaDataAnnotation(&crd.ObjectMeta, "test/nudged", crd.ResourceVersion)
		err = w.api.Patch(w.ctx(), crd, client.MergeFrom(before))
	}
	w.ok(client.IgnoreNotFound(err))
}

func (w *world) established(name string) {
	w.t.Helper()
	w.Eventually(func() bool {
		crd := get(w, &apiextensionsv1.CustomResourceDefinition{}, "", name)
		return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		})
	}).WithTimeout(patience).WithPolling(glance).Should(BeTrue(), "CRD %s is served", name)
}

func (w *world) crd(name string) *apiextensionsv1.CustomResourceDefinition {
	w.t.Helper()
	return get(w, &apiextensionsv1.CustomResourceDefinition{}, "", name)
}

// stored stages objects that may still be stored in older versions.
func (w *world) stored(name string, versions ...string) {
	w.t.Helper()
	crd := w.crd(name)
	crd.Status.StoredVersions = versions
	w.ok(w.api.Status().Update(w.ctx(), crd))
}

// blueConversion is the conversion webhook of 1.0: a Service of Karpenter's release.
func blueConversion() *apiextensionsv1.CustomResourceConversion {
	return &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ConversionReviewVersions: []string{"v1beta1", "v1"},
			ClientConfig: &apiextensionsv1.WebhookClientConfig{
				Service: &apiextensionsv1.ServiceReference{Namespace: karpenterNS, Name: "karpenter", Port: ptr.To[int32](8443)},
			},
		},
	}
}
