// Package nodepools makes the green NodePools and EC2NodeClasses, as copies of the blue ones, and waits until the controller
// that leads has found them ready: this is also the proof that it reconciles.
package nodepools

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/mover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

const (
	deadline = 10 * time.Minute
	look     = time.Second
	// settle is how long the caches get to show what was written.
	settle = 200 * time.Millisecond
)

// Phase is the phase NodePools.
type Phase struct{ *phase.Kit }

var (
	_ engine.Phase     = (*Phase)(nil)
	_ engine.Deadliner = (*Phase)(nil)
	_ engine.Releaser  = (*Phase)(nil)
)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseNodePools }

// Deadline implements engine.Deadliner.
func (*Phase) Deadline(*v1alpha1.KarpenterUpgrade) time.Duration { return deadline }

// Run implements engine.Phase: EC2NodeClasses first, since a NodePool is Ready only with its own.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	if run.KeepsPools() {
		return engine.Skip("the NodePools stay as they are")
	}
	for _, class := range plan.NodeClasses {
		waits, err := p.ensure(ctx, run, phase.NodeClassKind, class.Blue, class.Green, func(blue *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			return copyOf(blue, class.Green, run.Name, classPatch(run, class))
		})
		if err != nil {
			return engine.FromError(err)
		}
		if waits != "" {
			return engine.Wait(look, "WaitingForNodeClass", "%s", waits)
		}
	}
	for _, pool := range plan.Pools {
		waits, err := p.ensure(ctx, run, phase.NodePoolKind, pool.Blue, pool.Green, func(blue *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			out, err := greenPool(blue, pool, run.Name, patchOf(poolOverrides(run), pool.Blue))
			keepKubelet(run.Spec.Target.Version, blue, out)
			return out, err
		})
		if err != nil {
			return engine.FromError(err)
		}
		if waits != "" {
			return engine.Wait(look, "WaitingForNodePool", "%s", waits)
		}
	}
	return engine.Done("Ready: %s", green(plan))
}

// green lists the names of a plan's green objects.
func green(plan *v1alpha1.Plan) string {
	out := make([]string, 0, len(plan.NodeClasses)+len(plan.Pools))
	for _, class := range plan.NodeClasses {
		out = append(out, "EC2NodeClass/"+class.Green)
	}
	for _, pool := range plan.Pools {
		out = append(out, "NodePool/"+pool.Green)
	}
	return strings.Join(out, ", ")
}

// ensure creates a green object if it is not there, and says what it waits for until the object is Ready.
func (p *Phase) ensure(ctx context.Context, run *v1alpha1.KarpenterUpgrade, kind schema.GroupVersionKind, blue, green string,
	build func(*unstructured.Unstructured) (*unstructured.Unstructured, error),
) (waits string, err error) {
	current, err := p.Get(ctx, kind, green)
	if apierrors.IsNotFound(err) {
		source, err := p.Get(ctx, kind, blue)
		if err != nil {
			return "", err
		}
		want, err := build(source)
		if err != nil {
			return "", fault.NewTerminal(err)
		}
		if err := p.Live.Create(ctx, want); err != nil && !apierrors.IsAlreadyExists(err) {
			return "", fmt.Errorf("creating %s %s: %w", kind.Kind, green, err)
		}
		return fmt.Sprintf("%s %s was created", kind.Kind, green), nil
	}
	if err != nil {
		return "", err
	}
	if current.GetLabels()[v1alpha1.LabelRun] != run.Name {
		return "", fault.NewTerminal(fmt.Errorf("%s %s exists and was not made by this run: set spec.nodePools.suffix", kind.Kind, green))
	}
	status, message := snapshot.ConditionStatus(current, "Ready")
	if status != "True" {
		return fmt.Sprintf("%s %s is not Ready yet: %s", kind.Kind, green, message), nil
	}
	return "", nil
}

func poolOverrides(run *v1alpha1.KarpenterUpgrade) []v1alpha1.Override {
	if run.Spec.NodePools == nil {
		return nil
	}
	return run.Spec.NodePools.Overrides
}

func nodeClassOverrides(run *v1alpha1.KarpenterUpgrade) []v1alpha1.Override {
	if run.Spec.NodePools == nil {
		return nil
	}
	return run.Spec.NodePools.NodeClassOverrides
}

func patchOf(overrides []v1alpha1.Override, blue string) []byte {
	for _, o := range overrides {
		if o.Name == blue && o.Patch != nil {
			return o.Patch.Raw
		}
	}
	return nil
}

// classPatch is the override of an EC2NodeClass, or else of the one that it was split from.
func classPatch(run *v1alpha1.KarpenterUpgrade, class v1alpha1.NodeClassPlan) []byte {
	if own := patchOf(nodeClassOverrides(run), class.Blue); own != nil || class.CopyOf == "" {
		return own
	}
	return patchOf(nodeClassOverrides(run), class.CopyOf)
}

// Release implements engine.Releaser: green NodePools become what they are to be after the run, and are nobody's; and the nodes
// that a rollback had begun to empty, which are green ones, take workloads again.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if err := p.Finish(ctx, run); err != nil {
		return engine.FromError(err)
	}
	m := mover.Mover{Kit: p.Kit}
	done, err := m.Uncordon(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if !done {
		return engine.Wait(settle, "Uncordoning", "uncordoning nodes")
	}
	run.Status.Blockers, run.Status.BlockersTotal, run.Status.Nodes.Blocked, run.Status.Nodes.InProgress = nil, 0, 0, 0
	return engine.Done("no green NodePool, EC2NodeClass or node has a mark of the run")
}

// Finish gives green NodePools their own disruption budgets and, unless blue ones are kept, weights, and takes the run's marks off them and their
// EC2NodeClasses. Neither field drifts nodes (sigs.k8s.io/karpenter pkg/apis/v1/nodepool.go: hash:"ignore").
func (p *Phase) Finish(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	for _, pool := range run.Status.Plan.Pools {
		err := p.finish(ctx, phase.NodePoolKind, pool.Green, func(o *unstructured.Unstructured) (*unstructured.Unstructured, bool, error) {
			return released(o, pool, phase.KeepsBlue(run))
		})
		if err != nil {
			return err
		}
	}
	for _, class := range run.Status.Plan.NodeClasses {
		err := p.finish(ctx, phase.NodeClassKind, class.Green, func(o *unstructured.Unstructured) (*unstructured.Unstructured, bool, error) {
			_, marked := o.GetLabels()[v1alpha1.LabelRun]
			return unmarked(o), marked, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Phase) finish(ctx context.Context, kind schema.GroupVersionKind, name string, change func(*unstructured.Unstructured) (*unstructured.Unstructured, bool, error)) error {
	current, err := p.Get(ctx, kind, name)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	want, changed, err := change(current)
	if err != nil {
		return fault.NewTerminal(err)
	}
	if !changed {
		return nil
	}
	return p.Patch(ctx, current, want)
}
