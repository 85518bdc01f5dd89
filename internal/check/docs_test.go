package check

import (
	"fmt"
	"os"
	"testing"

	. "github.com/onsi/gomega"
)

func TestEveryCheckIsDocumented(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/reference/findings.md")
	g.Expect(err).NotTo(HaveOccurred())
	for _, c := range All() {
		g.Expect(string(page)).To(ContainSubstring(fmt.Sprintf("| `%s` | %s |", c.Code, c.Severity)))
	}
}
