package report

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// glyphs of the states of phases.
var glyphs = map[v1alpha1.StepState]string{
	v1alpha1.StepPending: "·", v1alpha1.StepRunning: "▶", v1alpha1.StepDone: "✓", v1alpha1.StepSkipped: "-",
	v1alpha1.StepFailed: "✗", v1alpha1.StepUndoing: "◀", v1alpha1.StepUndone: "↶",
}

// barWidth is how many characters the bar of nodes has.
const barWidth = 30

// Run is how a run stands, for people.
func Run(run *v1alpha1.KarpenterUpgrade, now time.Time, s Style) string {
	var b strings.Builder
	status := &run.Status
	fmt.Fprintf(&b, "%s  Karpenter %s to %s  %s\n", s.Bold(run.Name), orUnknown(status.From), run.Spec.Target.Version, phaseLook(run, s))
	if status.Message != "" {
		fmt.Fprintln(&b, s.Wrap("", status.Message))
	}
	fmt.Fprintln(&b)
	for i := range status.Steps {
		stepLine(&b, run, &status.Steps[i], now, s)
	}
	nodes(&b, run, now)
	blockers(&b, status, now, s)
	open := waiting(status.Findings)
	if status.StartedAt == nil && len(open) > 0 {
		section(&b, "FINDINGS", open, s)
	}
	if rollback := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionRollbackPossible); rollback != nil && !run.Ended() {
		fmt.Fprintf(&b, "\n%s\n", s.Dim(s.Wrap("", "Rollback: "+rollback.Message)))
	}
	return b.String()
}

func orUnknown(version string) string {
	if version == "" {
		return "?"
	}
	return version
}

func phaseLook(run *v1alpha1.KarpenterUpgrade, s Style) string {
	text := string(run.Status.Phase)
	switch {
	case run.Status.Phase == v1alpha1.RunSucceeded:
		return s.Green(text)
	case meta.IsStatusConditionTrue(run.Status.Conditions, v1alpha1.ConditionStalled):
		return s.Red(text)
	case run.GoesBack(), run.Status.Phase == v1alpha1.RunPaused:
		return s.Yellow(text)
	}
	return s.Bold(text)
}

func stepLine(b *strings.Builder, run *v1alpha1.KarpenterUpgrade, step *v1alpha1.Step, now time.Time, s Style) {
	took := ""
	if step.StartedAt != nil {
		end := now
		if step.EndedAt != nil {
			end = step.EndedAt.Time
		}
		took = duration.HumanDuration(end.Sub(step.StartedAt.Time))
	}
	line := fmt.Sprintf("  %s %-10s %6s", glyphs[step.State], step.Phase, took)
	switch step.State {
	case v1alpha1.StepRunning, v1alpha1.StepUndoing:
		line = s.Bold(line)
	case v1alpha1.StepFailed:
		line = s.Red(line)
	case v1alpha1.StepPending, v1alpha1.StepSkipped:
		line = s.Dim(line)
	case v1alpha1.StepDone, v1alpha1.StepUndone:
	}
	if step.Phase == run.RollbackFloor() {
		line += s.Dim("  no way back from here")
	}
	fmt.Fprintln(b, line)
}

func nodes(b *strings.Builder, run *v1alpha1.KarpenterUpgrade, now time.Time) {
	n := &run.Status.Nodes
	if n.Total == 0 {
		return
	}
	filled := int(n.Done) * barWidth / int(n.Total)
	fmt.Fprintf(b, "\n  nodes [%s%s] %d of %d moved, %d on their way, %d blocked%s\n",
		strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), n.Done, n.Total, n.InProgress, n.Blocked, remaining(run, now))
}

// remaining is how long the rest of the nodes takes at the pace so far, without the time that the run stood still.
func remaining(run *v1alpha1.KarpenterUpgrade, now time.Time) string {
	step := run.Step(v1alpha1.PhaseMigrate)
	n := &run.Status.Nodes
	if step == nil || step.State != v1alpha1.StepRunning || step.StartedAt == nil || n.Done == 0 || n.Done >= n.Total {
		return ""
	}
	spent := now.Sub(step.StartedAt.Time)
	if step.HeldFor != nil {
		spent -= step.HeldFor.Duration
	}
	if step.HeldSince != nil {
		spent -= now.Sub(step.HeldSince.Time)
	}
	return ", about " + duration.HumanDuration(spent/time.Duration(n.Done)*time.Duration(n.Total-n.Done)) + " left"
}

func blockers(b *strings.Builder, status *v1alpha1.KarpenterUpgradeStatus, now time.Time, s Style) {
	if len(status.Blockers) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", s.Bold(fmt.Sprintf("BLOCKED (%d)", status.BlockersTotal)))
	for i := range status.Blockers {
		blocker := &status.Blockers[i]
		what := blocker.Node
		if blocker.Pod != "" {
			what = strings.TrimSpace(blocker.Node + " " + blocker.Pod)
		}
		fmt.Fprintf(b, "  %s\n", s.Yellow(fmt.Sprintf("%s: %s for %s", what, blocker.Reason, duration.HumanDuration(now.Sub(blocker.Since.Time)))))
		fmt.Fprintln(b, s.Wrap("    ", blocker.Message))
	}
}

// waiting are the findings that somebody may have to do something about.
func waiting(findings []v1alpha1.Finding) []v1alpha1.Finding {
	var out []v1alpha1.Finding
	for i := range findings {
		if findings[i].Severity != v1alpha1.SeverityInfo && findings[i].Waived == "" {
			out = append(out, findings[i])
		}
	}
	return out
}
