package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/window"
)

// gate says what a phase waits for before it begins: a person's approval, or a window. The first phase changes nothing and waits for
// neither.
func (e *Engine) gate(run *v1alpha1.KarpenterUpgrade, step *v1alpha1.Step, first bool) (out Outcome, waits bool) {
	if first {
		return Outcome{}, false
	}
	if run.Status.StartedAt == nil {
		e.noteApproval(run)
		if why := unapproved(run); why != "" {
			return Blocked(v1alpha1.ReasonAwaitingApproval, "%s", why), true
		}
	}
	if a := &run.Spec.Approval; slices.Contains(a.Gates, step.Phase) && !slices.Contains(a.Passed, step.Phase) {
		return Blocked(v1alpha1.ReasonAwaitingApproval, "%s waits for a person: kubectl karpenter-upgrade approve %s, or add %[1]s to spec.approval.passed",
			step.Phase, run.Name), true
	}
	return closed(step, window.Look(run.Spec.Windows, e.clock.Now()))
}

func closed(step *v1alpha1.Step, now window.State) (out Outcome, waits bool) {
	if now.Open {
		return Outcome{}, false
	}
	return Wait(now.Until, v1alpha1.ReasonOutsideWindow, "%s begins when the next of spec.windows opens, %s", step.Phase, now), true
}

// noteApproval writes down which plan was approved.
func (e *Engine) noteApproval(run *v1alpha1.KarpenterUpgrade) {
	approved, plan := run.Spec.Approval.PlanHash, run.Status.Plan
	if approved == "" || plan == nil || plan.Hash != approved || (run.Status.Approval != nil && run.Status.Approval.PlanHash == approved) {
		return
	}
	run.Status.Approval = &v1alpha1.ApprovalStatus{PlanHash: approved, At: e.now(), Parts: plan.Parts}
}

// unapproved says why a plan may not begin; empty when it may.
func unapproved(run *v1alpha1.KarpenterUpgrade) string {
	approval, plan := &run.Spec.Approval, run.Status.Plan
	if approval.Policy != v1alpha1.ApprovalManual || plan == nil || approval.PlanHash == plan.Hash {
		return ""
	}
	approve := fmt.Sprintf("kubectl karpenter-upgrade approve %s, or set spec.approval.planHash: %s", run.Name, plan.Hash)
	if approval.PlanHash == "" {
		return fmt.Sprintf("plan %s waits for approval: %s", plan.Hash, approve)
	}
	return fmt.Sprintf("plan %s was approved, and now it is plan %s%s: %s", approval.PlanHash, plan.Hash, changed(run.Status.Approval, plan), approve)
}

// changed says what differs between the plan that was approved and the one that there is.
func changed(approved *v1alpha1.ApprovalStatus, plan *v1alpha1.Plan) string {
	if approved == nil {
		return ""
	}
	var out []string
	for _, part := range plan.Parts {
		if !slices.Contains(approved.Parts, part) {
			out = append(out, part.Name)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ", changed: " + strings.Join(out, ", ")
}

// wait waits before a phase. What earlier phases did is kept up; before the first change, the plan is made anew now and then, for what is
// approved is what is done.
func (e *Engine) wait(ctx context.Context, run *v1alpha1.KarpenterUpgrade, step *v1alpha1.Step, out Outcome) Result {
	step.Reason, step.Message = out.Reason, v1alpha1.Truncate(out.Message)
	run.Status.Message = out.Message
	if run.Status.StartedAt != nil {
		if err := e.keep(ctx, run); err != nil {
			run.Status.Message = fmt.Sprintf("%s; %s", err, out.Message)
		}
		return again(min(max(out.After, keepInterval/2), keepInterval))
	}
	run.Status.Phase = v1alpha1.RunPlanned
	if made := run.Step(e.phases[0].Name()); run.Status.ObservedGeneration != run.Generation || made.EndedAt == nil || e.clock.Since(made.EndedAt.Time) >= planInterval {
		restart(made)
	}
	return again(keepInterval / 2)
}
