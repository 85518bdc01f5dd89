// Package migrate moves the workloads from blue nodes to green ones and removes the blue nodes.
package migrate

import (
	"context"
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/mover"
)

// Phase is the phase Migrate.
type Phase struct{ *phase.Kit }

var (
	_ engine.Phase    = (*Phase)(nil)
	_ engine.Releaser = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseMigrate }

// Run implements engine.Phase. There is no deadline: a node that cannot be emptied is reported, and waits.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if run.Spec.Nodes == v1alpha1.NodesKeep {
		return engine.Skip("the nodes stay")
	}
	m := mover.Mover{Kit: p.Kit}
	job := mover.Job{From: phase.BluePools(run.Status.Plan), Rank: Rank(run), Since: run.Step(p.Name()).StartedAt.Time, Doing: "moved"}
	if run.KeepsPools() {
		job.Before = job.Since
	}
	nodes, err := m.NodesOf(ctx, job)
	if err != nil {
		return engine.FromError(err)
	}
	count(&run.Status.Nodes, int32(len(nodes)))
	out := m.Step(ctx, run, job)
	if out.Kind == engine.KindDone {
		out = m.Finish(ctx, job)
	}
	if out.Kind == engine.KindDone {
		run.Status.Nodes.InProgress, run.Status.Nodes.Blocked = 0, 0
		return engine.Done("%d of %d nodes replaced", run.Status.Nodes.Done, run.Status.Nodes.Total)
	}
	return out
}

// count brings the counts in step with how many nodes are left. Nodes that joined since count too.
func count(c *v1alpha1.NodeCounts, left int32) {
	c.Total = max(c.Total, c.Done+left)
	c.Done = c.Total - left
}

// Rank orders the NodePools of a run: as the spec says now, or else as the plan does.
func Rank(run *v1alpha1.KarpenterUpgrade) func(pool string) int {
	var order []string
	if o := run.Spec.Migration.Order; o != nil && o.Nodes != nil {
		order = slices.Clone(o.Nodes.Pools)
	}
	for _, p := range run.Status.Plan.Pools {
		if !slices.Contains(order, p.Blue) {
			order = append(order, p.Blue)
		}
	}
	return func(pool string) int {
		if at := slices.Index(order, pool); at >= 0 {
			return at
		}
		return len(order)
	}
}

// Undo implements engine.Phase: blue nodes take workloads again. What moved to green nodes comes back when those go.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	return p.Release(ctx, run)
}

// Release implements engine.Releaser.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	m := mover.Mover{Kit: p.Kit}
	done, err := m.Uncordon(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if !done {
		return engine.Wait(200*time.Millisecond, "Uncordoning", "uncordoning nodes")
	}
	run.Status.NamespaceTurn = nil
	run.Status.Blockers, run.Status.BlockersTotal, run.Status.Nodes.Blocked, run.Status.Nodes.InProgress = nil, 0, 0, 0
	return engine.Done("no node is cordoned by the run")
}
