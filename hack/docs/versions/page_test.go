package main

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

func TestTheReferenceIsInStepWithTheCatalogue(t *testing.T) {
	g := NewWithT(t)
	c, err := catalog.Load()
	g.Expect(err).NotTo(HaveOccurred())
	want, err := os.ReadFile("../../../docs/reference/versions.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page(c)).To(Equal(string(want)), "make manifests writes it anew")
}

// An exception that the page has no words for would be an empty line.
func TestEveryExceptionIsSaid(t *testing.T) {
	g := NewWithT(t)
	c, err := catalog.Load()
	g.Expect(err).NotTo(HaveOccurred())
	for _, row := range c.Rows() {
		for _, e := range row.Exceptions {
			g.Expect(difference(row.At(e.From-1), row.At(e.From))).NotTo(BeEmpty(), "%s.%d", row.Minor, e.From)
		}
	}
}

// The document that the page shows is one that can be used.
func TestTheExampleIsGood(t *testing.T) {
	g := NewWithT(t)
	c, err := catalog.Load()
	g.Expect(err).NotTo(HaveOccurred())
	_, example, _ := strings.Cut(head, "versions.yaml: |\n")
	example, _, _ = strings.Cut(example, "```")
	more, err := c.With([]byte(example))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(more.Newest().Minor).To(Equal("1.15"))
}
