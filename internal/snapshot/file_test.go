package snapshot

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

const secret = "hunter2"

func secretive() *Snapshot {
	values := func() map[string]any {
		return map[string]any{
			"settings":   map[string]any{"clusterName": "prod", "token": secret},
			"controller": map[string]any{"env": []any{map[string]any{"name": "TOKEN", "value": secret}}},
			"replicas":   int64(2),
		}
	}
	object := func(kind string, rest map[string]any) unstructured.Unstructured {
		o := map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{
			"name": "a", "annotations": map[string]any{lastApplied: secret, "team": "web"},
		}}
		for k, v := range rest {
			o[k] = v
		}
		return unstructured.Unstructured{Object: o}
	}
	container := map[string]any{"name": "main", "env": []any{map[string]any{"name": "TOKEN", "value": secret}}}
	return &Snapshot{
		TakenAt: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Kubernetes: "v1.36.3",
		Installations: []Installation{{
			Name: "karpenter", Annotations: map[string]string{lastApplied: secret},
			Release: &Release{Name: "karpenter", Values: values(), Manifest: secret},
		}},
		GreenRelease: &Release{Values: values(), Manifest: secret}, CRDReleases: []Release{{Values: values(), Manifest: secret}},
		Destination: &Destination{Release: &Release{Values: values()}},
		NodeClasses: []unstructured.Unstructured{object("EC2NodeClass", map[string]any{"spec": map[string]any{"userData": secret}})},
		Target: Target{
			Values: values(),
			Green: []unstructured.Unstructured{
				object("Secret", map[string]any{"data": map[string]any{"a": secret}, "stringData": map[string]any{"a": secret}}),
				object("ConfigMap", map[string]any{"data": map[string]any{"a": secret}}),
				object("Deployment", map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
					"containers": []any{container}, "initContainers": []any{container},
				}}}}),
			},
		},
		Stops: []Stop{{Version: "1.0.8", Objects: []unstructured.Unstructured{object("Secret", map[string]any{"data": map[string]any{"a": secret}})}}},
	}
}

func TestASavedSnapshotHasNoSecrets(t *testing.T) {
	g := NewWithT(t)
	spec := &v1alpha1.KarpenterUpgradeSpec{Target: v1alpha1.Target{Version: "1.14.1", Values: &apiextensionsv1.JSON{Raw: []byte(`{"a": "hunter2"}`)}}}
	s := secretive()
	var file bytes.Buffer
	g.Expect(Save(&file, spec, s)).To(Succeed())
	z, err := gzip.NewReader(bytes.NewReader(file.Bytes()))
	g.Expect(err).NotTo(HaveOccurred())
	plain, err := io.ReadAll(z)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(plain)).NotTo(ContainSubstring(secret))
	g.Expect(string(plain)).To(And(ContainSubstring("prod"), ContainSubstring("TOKEN")), "what plans need stays")
	g.Expect(s).To(Equal(secretive()), "what was seen is not changed by saving it")
	g.Expect(string(spec.Target.Values.Raw)).To(ContainSubstring(secret))
}

func TestASavedSnapshotIsReadBack(t *testing.T) {
	g := NewWithT(t)
	spec := &v1alpha1.KarpenterUpgradeSpec{Target: v1alpha1.Target{Version: "1.14.1"}}
	var file bytes.Buffer
	g.Expect(Save(&file, spec, secretive())).To(Succeed())
	f, err := Load(&file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Spec).To(Equal(*spec))
	g.Expect(f.Snapshot.TakenAt).To(BeTemporally("==", secretive().TakenAt))
	g.Expect(f.Snapshot.Target.Green).To(HaveLen(3))
	g.Expect(f.Snapshot.Target.Green[2].GetKind()).To(Equal("Deployment"))
	g.Expect(f.Snapshot.Installations[0].Release.Values).To(HaveKeyWithValue("settings", HaveKeyWithValue("clusterName", "prod")))
}
