package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/check"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cli/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// readTimeout is for one pass over a cluster.
const readTimeout = 5 * time.Minute

func (p *program) plan() *cobra.Command {
	w := &wish{}
	var output, fromFile string
	cmd := &cobra.Command{
		Use:   "plan --to VERSION",
		Short: "Say what an upgrade would do, and what would bite",
		Long: `Reads the cluster once, makes the plan of an upgrade and checks it, as the operator
does with mode: Plan. It needs read rights (Secrets too, where Helm keeps its releases), and
neither the operator nor its API. Nothing is written.

Exit codes: 0 nothing in the way; 2 warnings; 3 blockers; 1 the plan could not be made.`,
		Example: `  kubectl karpenter-upgrade plan --to 1.14.1
  kubectl karpenter-upgrade plan --to 1.14.1 --strategy InPlace --nodes Keep
  kubectl karpenter-upgrade plan -f upgrade.yaml -o markdown > plan.md
  kubectl karpenter-upgrade plan --from-file cluster.snapshot.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, err := report.Writer(output)
			if err != nil {
				return err
			}
			r, err := p.assess(cmd.Context(), w, fromFile)
			if err != nil {
				return err
			}
			if err := write(p.Out, r, report.Screen(p.Out)); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			return exit(r.Findings)
		},
	}
	w.addFlags(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Format: "+report.Formats()+".")
	cmd.Flags().StringVar(&fromFile, "from-file", "", "Plan on what `snapshot save` wrote, for the upgrade that it was saved for, and read no cluster.")
	cmd.MarkFlagsMutuallyExclusive("from-file", "to")
	cmd.MarkFlagsMutuallyExclusive("from-file", "filename")
	return cmd
}

// exit is how the program ends after a plan.
func exit(findings []v1alpha1.Finding) error {
	if check.Blocked(findings) {
		return ErrBlocked
	}
	for i := range findings {
		if findings[i].Severity == v1alpha1.SeverityWarning && findings[i].Waived == "" {
			return ErrWarnings
		}
	}
	return nil
}

// assess makes the plan and its findings.
func (p *program) assess(ctx context.Context, w *wish, fromFile string) (*report.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if fromFile != "" {
		return assessFile(fromFile)
	}
	spec, err := w.spec(p.In)
	if err != nil {
		return nil, err
	}
	c, err := p.connect()
	if err != nil {
		return nil, err
	}
	s, err := c.take(ctx, spec)
	if err != nil {
		return nil, err
	}
	versions, problems, err := c.catalogs.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	s.CatalogProblems = problems
	return assessed(s, spec, versions), nil
}

func assessFile(name string) (*report.Report, error) {
	in, err := os.Open(name) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f, err := snapshot.Load(in)
	if err != nil {
		return nil, err
	}
	versions, err := catalog.Load()
	if err != nil {
		return nil, err
	}
	return assessed(f.Snapshot, &f.Spec, versions), nil
}

func assessed(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec, versions *catalog.Catalog) *report.Report {
	made, refusal := plan.Make(s, spec, versions)
	findings := check.Run(check.Input{Snapshot: s, Spec: spec, Plan: made, Refusal: refusal, Catalog: versions})
	r := &report.Report{TakenAt: s.TakenAt, Kubernetes: s.Kubernetes, To: spec.Target.Version, Plan: made, Findings: findings}
	if source, refusal := plan.Source(s, spec); refusal == nil {
		r.From = source.Version
	}
	return r
}
