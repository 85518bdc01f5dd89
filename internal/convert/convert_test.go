package convert

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// object reads an object as an API client decodes it.
func object(t *testing.T, doc string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(doc))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	o := &unstructured.Unstructured{}
	NewWithT(t).Expect(o.UnmarshalJSON(data)).To(Succeed())
	return o
}

// mapping reads a mapping as an API client decodes it.
func mapping(t *testing.T, doc string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(doc))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	out := map[string]any{}
	NewWithT(t).Expect(json.Unmarshal(data, &out)).To(Succeed())
	return out
}

// brief are losses as "Severity field".
func brief(losses []Loss) []string {
	out := make([]string, 0, len(losses))
	for _, l := range losses {
		out = append(out, string(l.Severity)+" "+l.Field)
	}
	slices.Sort(out)
	return out
}

// expectComplete asserts that losses name object, reason and fix.
func expectComplete(t *testing.T, losses []Loss) {
	t.Helper()
	for _, l := range losses {
		NewWithT(t).Expect([]string{l.Object, l.Field, l.Why, l.Fix}).NotTo(ContainElement(""), l.String())
		NewWithT(t).Expect(l.Severity).To(BeElementOf(Info, Warning, Blocker))
		NewWithT(t).Expect(l.Object).To(ContainSubstring("/"))
	}
}

// indented puts a YAML document below a key.
func indented(doc string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(doc), "\n", "\n  ")
}

// marshal writes a mapping as YAML.
func marshal(t *testing.T, m map[string]any) string {
	t.Helper()
	data, err := yaml.Marshal(m)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(data)
}
