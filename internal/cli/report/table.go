package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// titles of the findings of each severity, worst first.
var titles = []struct {
	severity v1alpha1.Severity
	title    string
}{
	{v1alpha1.SeverityBlocker, "BLOCKERS"}, {v1alpha1.SeverityWarning, "WARNINGS"}, {v1alpha1.SeverityInfo, "TO KNOW"},
}

// Table writes a report for people who read it in a terminal.
func Table(w io.Writer, r *Report, s Style) error {
	var b strings.Builder
	fmt.Fprintln(&b, s.Bold(r.headline()))
	if r.Plan != nil {
		way(&b, r.Plan, s)
	}
	for _, t := range titles {
		section(&b, t.title, r.open(t.severity), s)
	}
	section(&b, "WAIVED", r.waived(), s)
	look := s.Green
	if len(r.open(v1alpha1.SeverityBlocker)) > 0 {
		look = s.Red
	}
	fmt.Fprintf(&b, "\n%s\n", look(r.verdict()))
	_, err := io.WriteString(w, b.String())
	return err
}

func way(b *strings.Builder, p *v1alpha1.Plan, s Style) {
	fmt.Fprintln(b, s.Wrap("", fmt.Sprintf("Release %s/%s, %s in %s, plan %s", p.Namespace, p.Release, count(int(p.Nodes), "node"), count(len(p.Pools), "NodePool"), p.Hash)))
	if p.TargetNamespace != "" {
		fmt.Fprintf(b, "Moves to namespace %s\n", p.TargetNamespace)
	}
	fmt.Fprintf(b, "\n%s\n", s.Bold("WAY"))
	for i := range p.Hops {
		how, back := hopLine(&p.Hops[i])
		fmt.Fprintf(b, "  %-8s %s; %s\n", p.Hops[i].Version, how, back)
		for _, change := range p.Hops[i].Changes {
			fmt.Fprintln(b, s.Dim(s.Wrap("           ", change)))
		}
		if p.Hops[i].PointOfNoReturn != "" {
			fmt.Fprintln(b, s.Yellow(s.Wrap("           ", "No return: "+p.Hops[i].PointOfNoReturn)))
		}
	}
}

func section(b *strings.Builder, title string, findings []v1alpha1.Finding, s Style) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", s.Bold(fmt.Sprintf("%s (%d)", title, len(findings))))
	for i := range findings {
		f := &findings[i]
		fmt.Fprintf(b, "  %s\n", s.severity(f.Severity, f.Code))
		if len(f.Objects) > 0 {
			fmt.Fprintln(b, s.Wrap("    ", strings.Join(f.Objects, ", ")))
		}
		fmt.Fprintln(b, s.Wrap("    ", f.Why))
		if f.Waived != "" {
			fmt.Fprintln(b, s.Dim(s.Wrap("    ", "Waived: "+f.Waived)))
			continue
		}
		fmt.Fprintln(b, s.Wrap("    ", "Fix: "+f.Fix))
	}
}
