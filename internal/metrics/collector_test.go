package metrics

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func at(seconds int64) *metav1.Time { return ptr.To(metav1.NewTime(time.Unix(seconds, 0))) }

func TestCollector(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	run := &v1alpha1.KarpenterUpgrade{
		ObjectMeta: metav1.ObjectMeta{Name: "to-1-14"},
		Spec:       v1alpha1.KarpenterUpgradeSpec{Target: v1alpha1.Target{Version: "1.14.1"}},
		Status: v1alpha1.KarpenterUpgradeStatus{
			From: "1.0.8", Phase: "Migrate", Nodes: v1alpha1.NodeCounts{Total: 12, Done: 5, InProgress: 3, Blocked: 1},
			Conditions: []metav1.Condition{{Type: "Reconciling", Status: metav1.ConditionTrue}},
			Steps: []v1alpha1.Step{
				{Phase: v1alpha1.PhasePreflight, State: v1alpha1.StepDone, StartedAt: at(1000), EndedAt: at(1002)},
				{Phase: v1alpha1.PhaseMigrate, State: v1alpha1.StepRunning, StartedAt: at(1100), Attempts: 2},
				{Phase: v1alpha1.PhaseVerify, State: v1alpha1.StepPending},
			},
		},
	}
	c := &Collector{Reader: fake.NewClientBuilder().WithScheme(scheme).WithObjects(run).Build()}
	g.Expect(testutil.CollectAndCompare(c, strings.NewReader(`
# HELP karpenter_upgrade_info A run, with the versions it goes from and to and the phase it is in. Always 1.
# TYPE karpenter_upgrade_info gauge
karpenter_upgrade_info{from="1.0.8",name="to-1-14",phase="Migrate",to="1.14.1"} 1
# HELP karpenter_upgrade_last_step_timestamp_seconds When a phase of a run last began or ended, in seconds since 1970.
# TYPE karpenter_upgrade_last_step_timestamp_seconds gauge
karpenter_upgrade_last_step_timestamp_seconds{name="to-1-14"} 1100
# HELP karpenter_upgrade_nodes Nodes of a run: all that it has to move (total), those that are gone (done), being emptied (in_progress) and blocked.
# TYPE karpenter_upgrade_nodes gauge
karpenter_upgrade_nodes{name="to-1-14",state="blocked"} 1
karpenter_upgrade_nodes{name="to-1-14",state="done"} 5
karpenter_upgrade_nodes{name="to-1-14",state="in_progress"} 3
karpenter_upgrade_nodes{name="to-1-14",state="total"} 12
# HELP karpenter_upgrade_phase_duration_seconds How long a phase of a run took.
# TYPE karpenter_upgrade_phase_duration_seconds gauge
karpenter_upgrade_phase_duration_seconds{name="to-1-14",phase="Preflight"} 2
# HELP karpenter_upgrade_phase_errors Errors of a phase of a run that were retried.
# TYPE karpenter_upgrade_phase_errors gauge
karpenter_upgrade_phase_errors{name="to-1-14",phase="Migrate"} 2
karpenter_upgrade_phase_errors{name="to-1-14",phase="Preflight"} 0
`), "karpenter_upgrade_info", "karpenter_upgrade_last_step_timestamp_seconds", "karpenter_upgrade_nodes",
		"karpenter_upgrade_phase_duration_seconds", "karpenter_upgrade_phase_errors")).To(Succeed())
	problems, err := testutil.CollectAndLint(c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty())
}

func TestAListThatFailsIsNotShownAsNoRuns(t *testing.T) {
	g := NewWithT(t)
	_, err := testutil.CollectAndLint(&Collector{Reader: fake.NewClientBuilder().WithScheme(runtime.NewScheme()).Build()})
	g.Expect(err).To(HaveOccurred())
}
