package values

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, doc string) map[string]any {
	t.Helper()
	out := map[string]any{}
	NewWithT(t).Expect(yaml.Unmarshal([]byte(doc), &out)).To(Succeed())
	return out
}

func TestCarryDropsThePinnedImageAndKeepsTheMirror(t *testing.T) {
	for name, tc := range map[string]struct{ blue, want string }{
		"digest and tag": {
			"{replicas: 3, controller: {image: {repository: mirror/controller, tag: 1.0.8, digest: 'sha256:aa'}, env: [{name: A, value: b}]}}",
			"{replicas: 3, controller: {image: {repository: mirror/controller}, env: [{name: A, value: b}]}}",
		},
		"image as a string": {"{controller: {image: 'x/y:1'}}", "{controller: {}}"},
		"no controller":     {"{settings: {clusterName: a}}", "{settings: {clusterName: a}}"},
		"nothing":           {"{}", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			blue := read(t, tc.blue)
			g.Expect(Carry(blue)).To(BeComparableTo(read(t, tc.want)))
			g.Expect(blue).To(Equal(read(t, tc.blue)), "the release's own values are not changed")
		})
	}
	NewWithT(t).Expect(Carry(nil)).To(BeEmpty())
}

func TestMerge(t *testing.T) {
	g := NewWithT(t)
	base := read(t, "{a: {b: 1, c: 2}, d: [1, 2]}")
	got, err := Merge(base, []byte(`{"a": {"b": null, "e": 3}, "d": [3]}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(read(t, "{a: {c: 2, e: 3}, d: [3]}")))
	g.Expect(base).To(Equal(read(t, "{a: {b: 1, c: 2}, d: [1, 2]}")))

	_, err = Merge(base, []byte(`[1]`))
	g.Expect(err).To(HaveOccurred(), "a list is no mapping of values")
}

func TestStandby(t *testing.T) {
	g := NewWithT(t)
	got := Standby(read(t, "{fullnameOverride: karpenter, serviceAccount: {annotations: {a: b}}, settings: {clusterName: c}}"), "karpenter-green", "karpenter", 2)
	g.Expect(got).To(BeComparableTo(map[string]any{
		"serviceAccount":      map[string]any{"annotations": map[string]any{"a": "b"}, "create": false, "name": "karpenter"},
		"podDisruptionBudget": map[string]any{"name": "karpenter-green"},
		"settings":            map[string]any{"clusterName": "c"},
		"replicas":            int64(2),
	}))
}

func TestUnknown(t *testing.T) {
	defaults := read(t, `
settings: {clusterName: "", featureGates: {nodeRepair: false}}
affinity: {nodeAffinity: {}}
serviceAccount: {annotations: {}}
controller: {env: [], resources: {}}
terminationGracePeriodSeconds:
`)
	given := read(t, `
settings: {clusterName: a, aws: {clusterName: a}, featureGates: {drift: true}}
affinity: {podAffinity: {}}
serviceAccount: {annotations: {anything: goes}}
controller: {env: [{name: A}], resources: {limits: {cpu: 1}}}
terminationGracePeriodSeconds: 30
webhook: {enabled: true}
emptied: {}
unset:
`)
	NewWithT(t).Expect(Unknown(given, defaults)).To(Equal([]string{"settings.aws", "settings.featureGates.drift", "webhook"}))
}

func TestServiceAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		given       string
		made        bool
		annotations map[string]string
	}{
		"nothing said":    {"{}", true, map[string]string{}},
		"annotated":       {"{serviceAccount: {annotations: {role: a}}}", true, map[string]string{"role": "a"}},
		"annotated twice": {"{additionalAnnotations: {role: a, team: b}, serviceAccount: {create: true, annotations: {role: c}}}", true, map[string]string{"role": "c", "team": "b"}},
		"somebody else's": {"{serviceAccount: {create: false, name: x}}", false, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			made, annotations := ServiceAccount(read(t, tc.given))
			g.Expect(made).To(Equal(tc.made))
			g.Expect(annotations).To(Equal(tc.annotations))
		})
	}
}
