// Package metrics shows runs as Prometheus metrics. They are read from the runs' status at each scrape, so they are right after
// a restart, and gone with the run.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// scrapeTimeout bounds the list behind one scrape, which comes from a cache.
const scrapeTimeout = 5 * time.Second

var (
	info = prometheus.NewDesc("karpenter_upgrade_info",
		"A run, with the versions it goes from and to and the phase it is in. Always 1.", []string{"name", "from", "to", "phase"}, nil)
	nodes = prometheus.NewDesc("karpenter_upgrade_nodes",
		"Nodes of a run: all that it has to move (total), those that are gone (done), being emptied (in_progress) and blocked.", []string{"name", "state"}, nil)
	condition = prometheus.NewDesc("karpenter_upgrade_condition",
		"A condition of a run: 1 when it is True, else 0.", []string{"name", "type"}, nil)
	changed = prometheus.NewDesc("karpenter_upgrade_last_step_timestamp_seconds",
		"When a phase of a run last began or ended, in seconds since 1970.", []string{"name"}, nil)
	seconds = prometheus.NewDesc("karpenter_upgrade_phase_duration_seconds",
		"How long a phase of a run took.", []string{"name", "phase"}, nil)
	attempts = prometheus.NewDesc("karpenter_upgrade_phase_errors",
		"Errors of a phase of a run that were retried.", []string{"name", "phase"}, nil)
)

// Conditions that are shown.
var conditions = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionPaused,
	v1alpha1.ConditionPreflightPassed, v1alpha1.ConditionRollbackPossible,
}

// Collector collects the metrics of all runs.
type Collector struct {
	// Reader lists runs, from a cache.
	Reader client.Reader
}

var _ prometheus.Collector = (*Collector)(nil)

// Describe implements prometheus.Collector.
func (*Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{info, nodes, condition, changed, seconds, attempts} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. While runs cannot be listed there are no metrics of them.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var runs v1alpha1.KarpenterUpgradeList
	if err := c.Reader.List(ctx, &runs); err != nil {
		ch <- prometheus.NewInvalidMetric(info, err)
		return
	}
	for i := range runs.Items {
		collect(ch, &runs.Items[i])
	}
}

func collect(ch chan<- prometheus.Metric, run *v1alpha1.KarpenterUpgrade) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{run.Name}, labels...)...)
	}
	s := &run.Status
	gauge(info, 1, s.From, run.Spec.Target.Version, string(s.Phase))
	gauge(nodes, float64(s.Nodes.Total), "total")
	gauge(nodes, float64(s.Nodes.Done), "done")
	gauge(nodes, float64(s.Nodes.InProgress), "in_progress")
	gauge(nodes, float64(s.Nodes.Blocked), "blocked")
	for _, kind := range conditions {
		value := 0.0
		if meta.IsStatusConditionTrue(s.Conditions, kind) {
			value = 1
		}
		gauge(condition, value, kind)
	}
	var last time.Time
	for j := range s.Steps {
		step := &s.Steps[j]
		if step.StartedAt == nil {
			continue
		}
		last = later(last, step.StartedAt.Time)
		if step.UndoStartedAt != nil {
			last = later(last, step.UndoStartedAt.Time)
		}
		gauge(attempts, float64(step.Attempts), string(step.Phase))
		if step.EndedAt != nil {
			last = later(last, step.EndedAt.Time)
			gauge(seconds, step.EndedAt.Sub(step.StartedAt.Time).Seconds(), string(step.Phase))
		}
	}
	if !last.IsZero() {
		gauge(changed, float64(last.Unix()))
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
