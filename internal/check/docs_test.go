package check

import (
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestEveryCheckIsDocumented(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/reference/findings.md")
	g.Expect(err).NotTo(HaveOccurred())
	rows := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			rows[strings.Trim(cells[1], " `")] = line
		}
	}
	for _, c := range append(All(), waiverCheck) {
		g.Expect(rows[c.Code]).To(HavePrefix(fmt.Sprintf("| `%s` | %s |", c.Code, c.Severity)))
		g.Expect(strings.Contains(rows[c.Code], "(can be waived)")).To(Equal(c.Waivable), c.Code)
	}
}
