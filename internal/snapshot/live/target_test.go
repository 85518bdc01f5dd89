package live

import (
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func upgrade(values string) *v1alpha1.KarpenterUpgrade {
	run := &v1alpha1.KarpenterUpgrade{}
	run.Spec.Target.Version = "1.14.1"
	if values != "" {
		run.Spec.Target.Values = &apiextensionsv1.JSON{Raw: []byte(values)}
	}
	return run
}

func blue() map[string]any {
	return map[string]any{
		"settings":   map[string]any{"aws": map[string]any{"clusterName": "c", "assumeRoleARN": "arn", "tags": map[string]any{"a": "b"}}},
		"controller": map[string]any{"image": map[string]any{"tag": "v0.26.1"}},
	}
}

func TestTheTargetGetsTranslatedValuesAndTheSpecs(t *testing.T) {
	g := NewWithT(t)
	got, notes, err := TargetValues(blue(), upgrade(`{"settings": {"preferencePolicy": "Ignore", "aws": {"assumeRoleARN": null}}}`), "v0.26.1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got["settings"]).To(And(HaveKeyWithValue("clusterName", "c"), HaveKeyWithValue("preferencePolicy", "Ignore"), Not(HaveKey("assumeRoleARN"))))
	g.Expect(got["controller"]).To(Equal(map[string]any{"image": map[string]any{}}))
	g.Expect(notes).To(ConsistOf(HaveField("Key", "settings.aws.tags")), "the spec decides what it names")
}

func TestTheSpecsValuesAreForTheTargetOnly(t *testing.T) {
	g := NewWithT(t)
	got, notes, err := HopValues(blue(), upgrade(`{"settings": {"preferencePolicy": "Ignore", "aws": {"assumeRoleARN": null}}}`), "0.26.1", "1.0.8")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got["settings"]).To(Equal(map[string]any{"clusterName": "c"}))
	g.Expect(notes).To(ConsistOf(HaveField("Key", "settings.aws.tags"), HaveField("Key", "settings.aws.assumeRoleARN")))
}

func TestVersionsThatAreNone(t *testing.T) {
	g := NewWithT(t)
	_, _, err := HopValues(blue(), upgrade(""), "", "1.0.8")
	g.Expect(err).To(MatchError(ContainSubstring(`version "" of the release`)))
	_, _, err = HopValues(blue(), upgrade(""), "0.26.1", "next")
	g.Expect(err).To(MatchError(ContainSubstring(`version "next" to go to`)))
	_, _, err = TargetValues(blue(), upgrade(`[]`), "0.26.1")
	g.Expect(err).To(MatchError(ContainSubstring("spec.target.values")))
}
