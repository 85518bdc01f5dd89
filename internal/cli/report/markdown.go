package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Markdown writes a report for a pull request or a ticket.
func Markdown(w io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n**%s**, seen at %s.\n", r.headline(), r.verdict(), r.TakenAt.UTC().Format(time.RFC3339))
	if p := r.Plan; p != nil {
		fmt.Fprintf(&b, "\nRelease `%s/%s`, %s in %s, plan `%s`.\n\n| to | how | rollback |\n|---|---|---|\n",
			p.Namespace, p.Release, count(int(p.Nodes), "node"), count(len(p.Pools), "NodePool"), p.Hash)
		for i := range p.Hops {
			how, back := hopLine(&p.Hops[i])
			fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Hops[i].Version, how, back)
		}
	}
	for _, t := range titles {
		markdownSection(&b, t.title, r.open(t.severity))
	}
	markdownSection(&b, "WAIVED", r.waived())
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownSection(b *strings.Builder, title string, findings []v1alpha1.Finding) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s%s (%d)\n\n| code | objects | why | fix |\n|---|---|---|---|\n", title[:1], strings.ToLower(title[1:]), len(findings))
	for i := range findings {
		f := &findings[i]
		last := f.Fix
		if f.Waived != "" {
			last = "waived: " + f.Waived
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Code, cell(strings.Join(f.Objects, ", ")), cell(f.Why), cell(last))
	}
}

// cell is text that does not end a table's cell.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
