// Package freeze keeps Karpenter from disrupting nodes by itself while its controller is replaced: a new version may see
// drift on every node at once.
//
// It annotates Nodes with karpenter.sh/do-not-disrupt: "true". Nodes are in nobody's Git; the same annotation on a NodeClaim
// alone does nothing (measured on 0.36.2, 1.0.8 and 1.14.1: StateNode.Annotations reads the Node once it is registered).
// It stops drift, consolidation and emptiness; it does not stop expiry, interruption or a deletion.
package freeze

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

const (
	// batch is how many nodes one step writes.
	batch = 50
	// settle is how long the caches get to show what was written.
	settle = 200 * time.Millisecond
	// patience is for how long nodes that have drifted stay frozen when the run has gone back: two rounds of Karpenter's, which looks
	// for drift every 5 minutes (sigs.k8s.io/karpenter pkg/controllers/nodeclaim/disruption), and some more.
	patience = 12 * time.Minute
	look     = 2 * time.Second
)

// Phase is the phase Freeze.
type Phase struct{ *phase.Kit }

var (
	_ engine.Phase    = (*Phase)(nil)
	_ engine.Keeper   = (*Phase)(nil)
	_ engine.Releaser = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseFreeze }

// Run implements engine.Phase: all nodes that the Karpenter of the run owns now are frozen, those of excluded NodePools too.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	nodes, err := p.managed(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	written, err := p.freeze(ctx, run, nodes)
	if err != nil {
		return engine.FromError(err)
	}
	if written > 0 {
		return engine.Wait(settle, "Freezing", "froze %d of %d nodes", written, len(nodes))
	}
	return engine.Done("%[1]d of %[1]d nodes frozen", len(nodes))
}

// Keep implements engine.Keeper: nodes that joined later are frozen as well, but for green ones, whose NodePools have a budget
// of their own.
func (p *Phase) Keep(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	ours, err := p.pools(ctx, run)
	if err != nil {
		if step := run.Step(v1alpha1.PhaseHops); step == nil || (step.State != v1alpha1.StepRunning && step.State != v1alpha1.StepUndoing) {
			return err
		}
		ours = phase.BluePools(run.Status.Plan) // nobody converts between the CRDs of a hop and its controller: the rest comes later
	}
	nodes, err := p.of(ctx, ours)
	if err != nil {
		return err
	}
	green := sets.New[string]()
	if !run.KeepsPools() {
		green = phase.GreenPools(run.Status.Plan)
	}
	var others []corev1.Node
	for _, n := range nodes {
		if pool := n.Labels[karpv1.NodePoolLabelKey]; !green.Has(pool) && n.Labels[v1alpha1.LabelRun] == "" {
			others = append(others, n)
		}
	}
	_, err = p.freeze(ctx, run, others)
	return err
}

// Undo implements engine.Phase. Nodes that drifted by what the run did stay frozen until Karpenter has seen that it was taken back.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	drifted, err := p.drifted(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if step := run.Step(p.Name()); len(drifted) > 0 && step != nil && step.UndoStartedAt != nil && p.Clock.Since(step.UndoStartedAt.Time) < patience {
		return engine.Wait(look, "WaitingForDrift", "%d NodeClaims have drifted since the run began, and their nodes stay frozen for now: Karpenter looks "+
			"again every 5 minutes; the first is %s", len(drifted), drifted[0])
	}
	out := p.Release(ctx, run)
	if out.Kind == engine.KindDone && len(drifted) > 0 {
		out.Message += fmt.Sprintf("; %d NodeClaims have drifted since the run began and Karpenter replaces their nodes within the budgets of their NodePools; "+
			"the first is %s", len(drifted), drifted[0])
	}
	return out
}

// Release implements engine.Releaser: what was not annotated before is not annotated after.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	nodes, err := p.all(ctx)
	if err != nil {
		return engine.FromError(err)
	}
	written := 0
	for i := range nodes {
		after := nodes[i].DeepCopy()
		if !thaw(after, run.Name) {
			continue
		}
		if err := p.PatchMark(ctx, &nodes[i], after); err != nil {
			return engine.FromError(err)
		}
		if written++; written == batch {
			break
		}
	}
	if written > 0 {
		return engine.Wait(settle, "Thawing", "took the freeze back on %d of %d nodes", written, len(nodes))
	}
	return engine.Done("no node is frozen by the run")
}

// managed are the nodes of NodePools that refer to EC2NodeClasses. Others carry the same label: EKS Auto Mode runs a Karpenter
// of its own, with NodePools of its own kind of NodeClass, and what it does is none of the run's business.
func (p *Phase) managed(ctx context.Context, run *v1alpha1.KarpenterUpgrade) ([]corev1.Node, error) {
	ours, err := p.pools(ctx, run)
	if err != nil {
		return nil, err
	}
	return p.of(ctx, ours)
}

// pools are the NodePools that refer to EC2NodeClasses.
func (p *Phase) pools(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (sets.Set[string], error) {
	pools, err := live.ListServed(ctx, p.Live, phase.NodePoolKind)
	if err != nil {
		return nil, err
	}
	ours := phase.BluePools(run.Status.Plan)
	for i := range pools {
		if plan.Managed(&pools[i]) {
			ours.Insert(pools[i].GetName())
		}
	}
	return ours, nil
}

func (p *Phase) of(ctx context.Context, ours sets.Set[string]) ([]corev1.Node, error) {
	all, err := p.all(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(n corev1.Node) bool { return !ours.Has(n.Labels[karpv1.NodePoolLabelKey]) }), nil
}

func (p *Phase) all(ctx context.Context) ([]corev1.Node, error) {
	var nodes corev1.NodeList
	if err := p.Client.List(ctx, &nodes, client.HasLabels{karpv1.NodePoolLabelKey}); err != nil {
		return nil, err
	}
	return nodes.Items, nil
}

func (p *Phase) freeze(ctx context.Context, run *v1alpha1.KarpenterUpgrade, nodes []corev1.Node) (written int, err error) {
	for i := range nodes {
		after := nodes[i].DeepCopy()
		if !frost(after, run.Name) {
			continue
		}
		if err := p.PatchMark(ctx, &nodes[i], after); err != nil {
			return written, err
		}
		if written++; written == batch {
			return written, nil
		}
	}
	return written, nil
}

// frost freezes a node and says whether it changed. A node that its user froze is left as it is.
func frost(n *corev1.Node, run string) bool {
	previous, there := n.Annotations[karpv1.DoNotDisruptAnnotationKey]
	if previous == "true" || !n.DeletionTimestamp.IsZero() {
		return false
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	if there && previous == "" {
		previous = emptyValue
	}
	n.Annotations[karpv1.DoNotDisruptAnnotationKey] = "true"
	n.Annotations[v1alpha1.AnnotationFrozenBy] = phase.Mark(run, previous)
	return true
}

// emptyValue stands in a mark for an annotation that was there and empty.
const emptyValue = "="

// thaw takes back what frost did and says whether it changed anything. A value that somebody has written since is his.
func thaw(n *corev1.Node, run string) bool {
	owner, previous := phase.SplitMark(n.Annotations[v1alpha1.AnnotationFrozenBy])
	if owner != run {
		return false
	}
	delete(n.Annotations, v1alpha1.AnnotationFrozenBy)
	if n.Annotations[karpv1.DoNotDisruptAnnotationKey] != "true" {
		return true
	}
	switch previous {
	case "":
		delete(n.Annotations, karpv1.DoNotDisruptAnnotationKey)
	case emptyValue:
		n.Annotations[karpv1.DoNotDisruptAnnotationKey] = ""
	default:
		n.Annotations[karpv1.DoNotDisruptAnnotationKey] = previous
	}
	return true
}
