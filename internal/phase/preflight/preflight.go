// Package preflight looks at the cluster, makes the plan and checks it. It writes nothing but the run's status.
package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/check"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// Snapshots takes snapshots of the cluster.
type Snapshots interface {
	Take(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (*snapshot.Snapshot, error)
}

// Catalogs knows Karpenter's releases, with what users added. The problems are what they added and what was refused.
type Catalogs interface {
	Catalog(ctx context.Context) (*catalog.Catalog, []catalog.Problem, error)
}

// Phase is the phase Preflight.
type Phase struct {
	Snapshots Snapshots
	Catalogs  Catalogs
}

var _ engine.Phase = (*Phase)(nil)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhasePreflight }

// Run implements engine.Phase. The plan that it leaves in status is the one that it checked.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	s, err := p.Snapshots.Take(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	versions, problems, err := p.Catalogs.Catalog(ctx)
	if err != nil {
		return engine.FromError(err)
	}
	s.CatalogProblems = problems
	made, refusal := plan.Make(s, &run.Spec, versions)
	findings := check.Run(check.Input{Snapshot: s, Spec: &run.Spec, Plan: made, Refusal: refusal, Catalog: versions})
	record(run, s, made, findings)
	switch {
	case queued(findings):
		return engine.Blocked(v1alpha1.ReasonQueued, "waits for KarpenterUpgrade %s", s.ActiveRuns[0])
	case check.Blocked(findings):
		return engine.Blocked(v1alpha1.ReasonPreflightBlocked, "%s", summary(findings))
	default:
		return engine.Done("%s", planned(made, findings))
	}
}

// Undo implements engine.Phase: there is nothing to take back.
func (*Phase) Undo(context.Context, *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return engine.Done("nothing was changed")
}

func record(run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot, made *v1alpha1.Plan, findings []v1alpha1.Finding) {
	if source, refusal := plan.Source(s, &run.Spec); refusal == nil {
		run.Status.From = source.Version
	}
	if made != nil && run.Status.Plan != nil && made.Hash == run.Status.Plan.Hash {
		made.MadeAt = run.Status.Plan.MadeAt // the same plan: status does not change for its time alone
	}
	run.Status.Plan = made
	run.Status.FindingsTotal = int32(len(findings))
	run.Status.Findings = findings[:min(len(findings), v1alpha1.MaxFindings)]
	run.Status.Nodes = v1alpha1.NodeCounts{}
	if made != nil {
		run.Status.Nodes.Total = made.Nodes
	}
}

// queued says that nothing but another run stands in the way.
func queued(findings []v1alpha1.Finding) bool {
	blockers := slices.DeleteFunc(slices.Clone(findings), func(f v1alpha1.Finding) bool { return !f.Blocks() })
	return len(blockers) == 1 && blockers[0].Code == check.CodeAnotherRunActive
}

func summary(findings []v1alpha1.Finding) string {
	blockers, warnings := count(findings)
	first := findings[0]
	object := ""
	if len(first.Objects) > 0 {
		object = first.Objects[0] + ": "
	}
	return fmt.Sprintf("%s, %s: %s%s; %s; all are in .status.findings", number(blockers, "blocker"), number(warnings, "warning"), object, first.Why, first.Fix)
}

func planned(p *v1alpha1.Plan, findings []v1alpha1.Finding) string {
	_, warnings := count(findings)
	return fmt.Sprintf("plan %s: %s in %s, %s", p.Hash, number(int(p.Nodes), "node"), number(len(p.Pools), "NodePool"), number(warnings, "warning"))
}

// count leaves out what is waived.
func count(findings []v1alpha1.Finding) (blockers, warnings int) {
	for i := range findings {
		f := &findings[i]
		if f.Waived != "" {
			continue
		}
		switch f.Severity {
		case v1alpha1.SeverityBlocker:
			blockers++
		case v1alpha1.SeverityWarning:
			warnings++
		case v1alpha1.SeverityInfo:
		}
	}
	return blockers, warnings
}

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
