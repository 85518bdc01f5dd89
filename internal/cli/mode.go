package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// modes are the commands that change spec.mode of a run.
func (p *program) modes() []*cobra.Command {
	return []*cobra.Command{
		p.mode("pause", "Start nothing new, and keep everything as it is", "The run stands still, marks included, until it is resumed.",
			func(*v1alpha1.KarpenterUpgrade) (v1alpha1.Mode, string) { return v1alpha1.ModePause, "stands still" }),
		p.mode("resume", "Go on: with a plan that waits, with a paused run, or with a phase that failed",
			"Sets spec.mode to Run, or to Rollback where the run was on its way back.", resumed),
		p.mode("abort", "Stop, and take the operator's marks back", "Releases, NodePools and nodes stay as they are. An aborted run cannot be continued.",
			func(*v1alpha1.KarpenterUpgrade) (v1alpha1.Mode, string) {
				return v1alpha1.ModeAbort, "takes its marks back and ends; releases, NodePools and nodes stay as they are"
			}),
		p.mode("rollback", "Go back to the version before the run", "Goes back as far as the plan says. A run that goes back cannot run forward again.",
			func(run *v1alpha1.KarpenterUpgrade) (v1alpha1.Mode, string) {
				return v1alpha1.ModeRollback, "goes back to Karpenter " + run.Status.From
			}),
	}
}

func resumed(run *v1alpha1.KarpenterUpgrade) (v1alpha1.Mode, string) {
	for i := range run.Status.Steps {
		switch run.Status.Steps[i].State {
		case v1alpha1.StepUndoing, v1alpha1.StepUndone:
			return v1alpha1.ModeRollback, "goes on back to Karpenter " + run.Status.From
		case v1alpha1.StepPending, v1alpha1.StepRunning, v1alpha1.StepDone, v1alpha1.StepSkipped, v1alpha1.StepFailed:
		}
	}
	return v1alpha1.ModeRun, "goes on to Karpenter " + run.Spec.Target.Version
}

func (p *program) mode(name, short, long string, decide func(*v1alpha1.KarpenterUpgrade) (v1alpha1.Mode, string)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " NAME",
		Short:   short,
		Long:    long,
		Example: "  kubectl karpenter-upgrade " + name + " to-1-14-1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, run, err := p.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := refusal(run, name); err != nil {
				return err
			}
			mode, says := decide(run)
			if err := setMode(cmd.Context(), c, run, mode); err != nil {
				return err
			}
			fmt.Fprintf(p.Out, "karpenterupgrade/%s: spec.mode is %s: the run %s\n", run.Name, mode, says)
			return nil
		},
	}
}

func (p *program) approve() *cobra.Command {
	var hash string
	cmd := &cobra.Command{
		Use:   "approve NAME",
		Short: "Approve the plan of a run, or open the gate that it waits at",
		Long: `Approves the plan that a run with spec.approval.policy: Manual waits with, or opens the gate
of spec.approval.gates that it waits at. With --plan, only the plan of that hash is approved: take
the one that was looked at.`,
		Example: `  kubectl karpenter-upgrade approve to-1-14-1
  kubectl karpenter-upgrade approve to-1-14-1 --plan 3f2a9c0d1e4b`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, run, err := p.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			after := run.DeepCopy()
			says, err := grant(after, hash)
			if err != nil {
				return err
			}
			if err := patch(cmd.Context(), c, run, after); err != nil {
				return err
			}
			fmt.Fprintf(p.Out, "karpenterupgrade/%s: %s\n", run.Name, says)
			return nil
		},
	}
	cmd.Flags().StringVar(&hash, "plan", "", "Hash of the plan that was looked at; left out, the plan that there is now.")
	return cmd
}

// grant writes an approval into the spec of a run and says which.
func grant(run *v1alpha1.KarpenterUpgrade, hash string) (says string, err error) {
	if err := refusal(run, "approve"); err != nil {
		return "", err
	}
	approval, plan := &run.Spec.Approval, run.Status.Plan
	if run.Status.StartedAt == nil && approval.Policy == v1alpha1.ApprovalManual && (plan == nil || approval.PlanHash != plan.Hash) {
		return grantPlan(run, hash)
	}
	for i := range run.Status.Steps {
		step := &run.Status.Steps[i]
		if step.State == v1alpha1.StepPending && step.Reason == v1alpha1.ReasonAwaitingApproval && !slices.Contains(approval.Passed, step.Phase) {
			approval.Passed = append(approval.Passed, step.Phase)
			return fmt.Sprintf("the gate before %s is open", step.Phase), nil
		}
	}
	return "", fmt.Errorf("KarpenterUpgrade %s waits for no approval: %s", run.Name, run.Status.Message)
}

func grantPlan(run *v1alpha1.KarpenterUpgrade, hash string) (says string, err error) {
	plan := run.Status.Plan
	switch {
	case plan == nil:
		return "", fmt.Errorf("KarpenterUpgrade %s has no plan to approve: %s", run.Name, run.Status.Message)
	case hash != "" && hash != plan.Hash:
		return "", fmt.Errorf("KarpenterUpgrade %s has plan %s now, not %s: look at it again", run.Name, plan.Hash, hash)
	}
	run.Spec.Approval.PlanHash = plan.Hash
	return fmt.Sprintf("plan %s is approved", plan.Hash), nil
}

// refusal says why a command means nothing for a run. What the API refuses it says itself.
func refusal(run *v1alpha1.KarpenterUpgrade, command string) error {
	switch {
	case run.Ended():
		return fmt.Errorf("KarpenterUpgrade %s has ended (%s): there is nothing to %s", run.Name, run.Status.Phase, command)
	case command == "rollback" && run.Status.StartedAt == nil:
		return fmt.Errorf("KarpenterUpgrade %s has changed nothing yet: delete it", run.Name)
	case command == "rollback" && !run.RollbackPossible():
		return fmt.Errorf("KarpenterUpgrade %s has passed its rollback floor, %s: there is no way back", run.Name, run.RollbackFloor())
	}
	return nil
}

func setMode(ctx context.Context, c client.Client, run *v1alpha1.KarpenterUpgrade, mode v1alpha1.Mode) error {
	after := run.DeepCopy()
	after.Spec.Mode = mode
	return patch(ctx, c, run, after)
}

// patch writes a changed spec, unless somebody else has changed the run meanwhile.
func patch(ctx context.Context, c client.Client, before, after *v1alpha1.KarpenterUpgrade) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
