package report

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestRunShowsWhatIsDoneAndWhatIsInTheWay(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-d)} }
	run := &v1alpha1.KarpenterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "up"}}
	run.Spec.Target.Version = "1.14.1"
	run.Status = v1alpha1.KarpenterUpgradeStatus{
		From: "1.0.8", Phase: "Migrate", Message: "moving nodes", StartedAt: ago(time.Hour), BlockersTotal: 1,
		Steps: []v1alpha1.Step{
			{Phase: v1alpha1.PhaseBackup, State: v1alpha1.StepDone, StartedAt: ago(20 * time.Minute), EndedAt: ago(19 * time.Minute)},
			{Phase: v1alpha1.PhaseMigrate, State: v1alpha1.StepRunning, StartedAt: ago(15 * time.Minute), HeldFor: &metav1.Duration{Duration: 5 * time.Minute}},
			{Phase: v1alpha1.PhaseCleanup, State: v1alpha1.StepPending},
		},
		Nodes:    v1alpha1.NodeCounts{Total: 30, Done: 10, InProgress: 2, Blocked: 1},
		Blockers: []v1alpha1.Blocker{{Node: "n-1", Pod: "shop/cart", Reason: "PodDisruptionBudget", Message: "PDB shop/cart allows none", Since: *ago(3 * time.Minute)}},
	}
	out := Run(run, now, Style{Width: 80})
	g.Expect(out).To(And(
		ContainSubstring("✓ Backup        60s"),
		ContainSubstring("▶ Migrate       15m"),
		ContainSubstring("nodes [##########....................] 10 of 30 moved, 2 on their way, 1 blocked, about 20m left"),
		ContainSubstring("n-1 shop/cart: PodDisruptionBudget for 3m"),
		ContainSubstring("PDB shop/cart allows none"),
	))
}
