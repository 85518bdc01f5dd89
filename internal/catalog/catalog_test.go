package catalog

import (
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
)

func TestEmbeddedCatalogIsConsistent(t *testing.T) {
	g := NewWithT(t)
	c, err := Load()
	g.Expect(err).NotTo(HaveOccurred())

	prev := semver.New(0, 24, 0, "", "")
	for _, m := range c.Minors() {
		next := semver.New(prev.Major(), prev.Minor()+1, 0, "", "")
		if prev.Major() == 0 && prev.Minor() == 37 {
			next = semver.New(1, 0, 0, "", "")
		}
		g.Expect(m.version.Equal(next)).To(BeTrue(), "minor %s follows %s: none may be missing", m.Name, prev)
		prev = m.version

		lo, hi := semver.MustParse(m.Kubernetes.Min), semver.MustParse(m.Kubernetes.Max)
		g.Expect(lo.LessThan(hi)).To(BeTrue(), "minor %s: Kubernetes range", m.Name)
		g.Expect(m.Served).To(ContainElement(m.Stored), "minor %s serves what it stores", m.Name)
		for _, b := range m.Bad {
			g.Expect(b.Patch).To(BeNumerically("<=", m.Patch), "minor %s", m.Name)
			g.Expect(b.Why).NotTo(BeEmpty())
		}
		g.Expect(m.BadPatch(m.Patch)).To(BeEmpty(), "the newest patch of %s can be installed", m.Name)
	}
}

func TestStops(t *testing.T) {
	c, err := Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, tc := range []struct {
		from, to string
		want     []string
	}{
		{"0.25.0", "1.14.1", []string{"0.32", "1.0"}},
		{"0.31.5", "0.37.0", []string{"0.32"}},
		{"0.32.1", "0.37.0", nil},
		{"0.37.0", "1.0.8", nil},
		{"0.37.0", "1.1.0", []string{"1.0"}},
		{"1.0.2", "1.14.1", nil},
		{"1.5.0", "1.14.1", nil},
	} {
		t.Run(tc.from+" to "+tc.to, func(t *testing.T) {
			g := NewWithT(t)
			var got []string
			for _, m := range c.Stops(semver.MustParse(tc.from), semver.MustParse(tc.to)) {
				got = append(got, m.Name)
			}
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

func TestParseRefusesBrokenCatalogs(t *testing.T) {
	for name, data := range map[string]string{
		"unknown key":   "minors: [{minor: \"1.0\", colour: green}]",
		"bad minor":     "minors: [{minor: one}]",
		"out of order":  "minors: [{minor: \"1.1\"}, {minor: \"1.0\"}]",
		"twice":         "minors: [{minor: \"1.1\"}, {minor: \"1.1\"}]",
		"empty":         "minors: []",
		"not a mapping": "- 1",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(data))
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

func TestKubernetesSupport(t *testing.T) {
	r := Range{Min: "1.26", Max: "1.36"}
	for v, want := range map[string]int{"v1.25.9": -1, "v1.26.0": 0, "v1.36.3-eks-1": 0, "1.37.0": 1} {
		t.Run(v, func(t *testing.T) {
			g := NewWithT(t)
			got, err := r.KubernetesSupport(semver.MustParse(v))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(want))
		})
	}
}
