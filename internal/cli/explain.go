package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/docs"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cli/report"
)

// explanation is a row of the page about findings.
type explanation struct{ code, severity, text string }

// explanations are the rows of the page about findings, by code.
func explanations() []explanation {
	var out []explanation
	for line := range strings.Lines(docs.Findings) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) < 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		out = append(out, explanation{
			strings.Trim(cells[0], "|` "), strings.TrimSpace(cells[1]), strings.TrimSpace(strings.TrimSuffix(strings.Join(cells[2:], " | "), "|")),
		})
	}
	slices.SortFunc(out, func(a, b explanation) int { return strings.Compare(a.code, b.code) })
	return out
}

func (p *program) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Say what a finding means; without a code, list all",
		Example: `  kubectl karpenter-upgrade explain WorkloadPinned
  kubectl karpenter-upgrade explain`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			all := explanations()
			codes := make([]string, 0, len(all))
			for _, e := range all {
				codes = append(codes, e.code)
			}
			return codes, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			style, all := report.Screen(p.Out), explanations()
			if len(args) == 0 {
				for _, e := range all {
					fmt.Fprintf(p.Out, "%-8s %s\n", e.severity, e.code)
				}
				return nil
			}
			at := slices.IndexFunc(all, func(e explanation) bool { return strings.EqualFold(e.code, args[0]) })
			if at < 0 {
				return fmt.Errorf("there is no finding %q: `kubectl karpenter-upgrade explain` lists them", args[0])
			}
			fmt.Fprintf(p.Out, "%s (%s)\n%s\n", style.Bold(all[at].code), all[at].severity, style.Wrap("", "Found when "+all[at].text+"."))
			return nil
		},
	}
}
