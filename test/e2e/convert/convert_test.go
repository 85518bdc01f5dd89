//go:build e2e && linux

package convert_test

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/convert/corpus"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

const (
	version = "1.0.8"
	// random is how many random objects of each kind there are.
	random = 50
	soon   = time.Minute
	poll   = 200 * time.Millisecond
)

// rig is a cluster in which Karpenter 1.0.8 leads and serves its conversion webhook.
type rig struct {
	*WithT
	t    *testing.T
	api  client.Client
	kube kubernetes.Interface
	// crds are those of 1.0.8 by kind.
	crds map[string]*apiextensionsv1.CustomResourceDefinition
}

func up(t *testing.T) *rig {
	t.Helper()
	g := NewWithT(t)
	sb, err := sandbox.Up(t.Context(), sandbox.Options{Name: "e2e-convert", Karpenter: []string{version}, Operator: sandbox.NoOperator, Progress: t.Output()})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		g.Expect(sb.Down(ctx)).To(Succeed())
	})
	scheme := runtime.NewScheme()
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	api, err := client.New(sb.RESTConfig(), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	kube, err := kubernetes.NewForConfig(sb.RESTConfig())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(workloads.InstallBlue(t.Context(), sb, api, version)).To(Succeed())

	r := &rig{WithT: g, t: t, api: api, kube: kube, crds: map[string]*apiextensionsv1.CustomResourceDefinition{}}
	for kind, name := range map[string]string{"NodePool": "nodepools.karpenter.sh", "EC2NodeClass": "ec2nodeclasses.karpenter.k8s.aws"} {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		g.Expect(api.Get(t.Context(), types.NamespacedName{Name: name}, crd)).To(Succeed())
		r.crds[kind] = crd
	}
	return r
}

// The conversion equals that of Karpenter's webhook, called with what an API server would send it: object by object, to the last
// byte of the spec and of all annotations; and it is what the API server serves for objects that were created as v1beta1.
func TestConversionEqualsTheWebhooks(t *testing.T) {
	r := up(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	objects, err := corpus.Written()
	r.Expect(err).NotTo(HaveOccurred())
	more, err := corpus.Random(rand.New(rand.NewPCG(seed, 0)), random)
	r.Expect(err).NotTo(HaveOccurred())
	objects = append(objects, more...)

	for _, o := range objects {
		r.fill(o)
	}
	for _, kind := range []string{"NodePool", "EC2NodeClass"} {
		var these []*unstructured.Unstructured
		for _, o := range objects {
			if o.GetKind() == kind {
				these = append(these, o)
			}
		}
		answers := r.askWebhook(these)
		for i, o := range these {
			t.Run("asked/"+kind+"/"+o.GetName(), func(t *testing.T) { sameAsAnswered(t, o, answers[i]) })
		}
		t.Logf("%d objects of kind %s were compared with the webhook's answers", len(these), kind)
	}
	for _, o := range objects {
		t.Run("served/"+o.GetKind()+"/"+o.GetName(), func(t *testing.T) { r.sameAsServed(t, o) })
	}
}

// fill puts in what the schema of 1.0.8 fills in, as the API server does before it asks the webhook, and when it reads what is stored.
func (r *rig) fill(o *unstructured.Unstructured) {
	for _, v := range r.crds[o.GetKind()].Spec.Versions {
		if v.Name == o.GroupVersionKind().Version {
			fill(r.WithT, o.Object, v.Schema.OpenAPIV3Schema)
		}
	}
}

// fill puts the defaults of a schema into a value.
func fill(g *WithT, value any, s *apiextensionsv1.JSONSchemaProps) {
	switch v := value.(type) {
	case map[string]any:
		for name, property := range s.Properties {
			if v[name] == nil && property.Default != nil {
				var def any
				g.Expect(json.Unmarshal(property.Default.Raw, &def)).To(Succeed())
				v[name] = whole(def)
			}
			if v[name] != nil {
				fill(g, v[name], &property)
			}
		}
	case []any:
		for _, item := range v {
			if s.Items != nil && s.Items.Schema != nil {
				fill(g, item, s.Items.Schema)
			}
		}
	}
}

// whole makes whole numbers of those that were decoded as floats.
func whole(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k := range t {
			t[k] = whole(t[k])
		}
	case []any:
		for i := range t {
			t[i] = whole(t[i])
		}
	case float64:
		return int64(t)
	}
	return v
}

// askWebhook has Karpenter's webhook convert objects of one group to v1.
func (r *rig) askWebhook(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	r.t.Helper()
	group := objects[0].GroupVersionKind().Group
	review := &apiextensionsv1.ConversionReview{Request: &apiextensionsv1.ConversionRequest{UID: "differential", DesiredAPIVersion: group + "/v1"}}
	review.APIVersion, review.Kind = "apiextensions.k8s.io/v1", "ConversionReview"
	for _, o := range objects {
		data, err := o.MarshalJSON()
		r.Expect(err).NotTo(HaveOccurred())
		review.Request.Objects = append(review.Request.Objects, runtime.RawExtension{Raw: data})
	}
	body, err := json.Marshal(review)
	r.Expect(err).NotTo(HaveOccurred())
	data, err := r.kube.CoreV1().RESTClient().Post().Namespace(workloads.Namespace).Resource("services").
		Name("https:"+workloads.Release+":8443").SubResource("proxy").Suffix("conversion", group).
		SetHeader("Content-Type", "application/json").Body(body).DoRaw(r.t.Context())
	r.Expect(err).NotTo(HaveOccurred(), string(data))
	answer := &apiextensionsv1.ConversionReview{}
	r.Expect(json.Unmarshal(data, answer)).To(Succeed())
	r.Expect(answer.Response.Result.Status).To(Equal(metav1.StatusSuccess), answer.Response.Result.Message)
	r.Expect(answer.Response.ConvertedObjects).To(HaveLen(len(objects)))
	out := make([]*unstructured.Unstructured, 0, len(objects))
	for _, converted := range answer.Response.ConvertedObjects {
		o := &unstructured.Unstructured{}
		r.Expect(o.UnmarshalJSON(converted.Raw)).To(Succeed())
		out = append(out, o)
	}
	return out
}

// ours converts by the operator's own conversion.
func ours(beta *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if beta.GetKind() == "NodePool" {
		out, _, err := convert.NodePoolToV1(beta)
		return out, err
	}
	out, _, err := convert.EC2NodeClassToV1(beta)
	return out, err
}

func sameAsAnswered(t *testing.T, beta, answer *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	got, err := ours(beta)
	g.Expect(err).NotTo(HaveOccurred())
	if metadata := answer.Object["metadata"].(map[string]any); metadata["creationTimestamp"] == nil {
		delete(metadata, "creationTimestamp") // Go's types write null
	}
	if status, _ := answer.Object["status"].(map[string]any); len(status) == 0 {
		delete(answer.Object, "status")
	}
	if len(got.GetAnnotations()) == 0 {
		got.SetAnnotations(nil)
	}
	g.Expect(got.Object).To(BeComparableTo(answer.Object))
	spec, err := json.Marshal(got.Object["spec"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Marshal(answer.Object["spec"])).To(Equal(spec))
}

// sameAsServed creates an object as v1beta1 and reads it as v1.
func (r *rig) sameAsServed(t *testing.T, beta *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	want, err := ours(beta)
	g.Expect(err).NotTo(HaveOccurred())
	r.fill(want)
	g.Eventually(func() error {
		err := r.api.Create(t.Context(), beta.DeepCopy())
		if apierrors.IsInvalid(err) {
			return StopTrying("it is no object of v1beta1").Wrap(err)
		}
		return err
	}, soon, poll).Should(Succeed())
	got := &unstructured.Unstructured{}
	got.SetGroupVersionKind(schema.GroupVersionKind{Group: beta.GroupVersionKind().Group, Version: "v1", Kind: beta.GetKind()})
	g.Eventually(func() error { return r.api.Get(t.Context(), client.ObjectKeyFromObject(beta), got) }, soon, poll).Should(Succeed())
	g.Expect(got.Object["spec"]).To(BeComparableTo(want.Object["spec"]))
	g.Expect(got.GetLabels()).To(Equal(want.GetLabels()))
	// Karpenter's controllers add marks of their own at any time.
	g.Expect(notKarpenters(got.GetAnnotations())).To(Equal(notKarpenters(want.GetAnnotations())))
}

func notKarpenters(annotations map[string]string) map[string]string {
	out := maps.Clone(annotations)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return strings.Contains(name, "-hash") || name == "karpenter.sh/stored-version-migrated"
	})
	if len(out) == 0 {
		return nil
	}
	return out
}
