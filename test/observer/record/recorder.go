package record

import (
	"math"
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// Options of a Recorder.
type Options struct {
	// Platform are namespaces whose pods and workloads are not those of users: Karpenter's, the operator's, kube-system.
	// Their PodDisruptionBudgets count like all others.
	Platform []string
}

// Recorder makes a report out of events. It is not safe for concurrent use.
type Recorder struct {
	platform map[string]bool
	synced   bool
	started  time.Time

	nodes     nodes
	workloads workloads
	budgets   budgets
	leaders   leaders
	losses    losses
	run       run
	series    series
	from, to  string
}

// New returns a Recorder that has seen nothing.
func New(opts Options) *Recorder {
	r := &Recorder{
		platform:  map[string]bool{},
		nodes:     newNodes(),
		workloads: newWorkloads(),
		budgets:   newBudgets(),
		leaders:   newLeaders(),
		losses:    newLosses(),
		series:    newSeries(),
	}
	for _, ns := range opts.Platform {
		r.platform[ns] = true
	}
	return r
}

// Apply takes an event in, at the time of its arrival.
func (r *Recorder) Apply(at time.Time, e Event) {
	r.leaders.expire(at)
	e.apply(r, at)
	if r.synced {
		r.series.add(at.Sub(r.started), r.point(at))
	}
}

// Controllers are the pods of Karpenter's releases that run now.
func (r *Recorder) Controllers() []Controller { return r.leaders.runningPods() }

// RunEnded says whether the KarpenterUpgrade of a name has ended.
func (r *Recorder) RunEnded(name string) bool { return r.run.ended(name) }

// Report is what was seen until a moment that is not before the last event. Marks and requests are not in it.
func (r *Recorder) Report(at time.Time) report.Report {
	out := report.Report{
		From: r.from, To: r.to, Started: r.started, Ended: at,
		Phases: r.run.phases(at), Nodes: r.nodes.report(), Series: r.series.list(),
		MarksLeft: -1, Marks: []report.Mark{}, MarksUnread: []string{}, Violations: []report.Violation{},
		Requests: report.Requests{ByClient: map[string]int64{}},
	}
	if !r.synced {
		out.Started = at
		return out
	}
	out.DurationSeconds = seconds(r.run.duration(at, r.started))
	r.leaders.report(at, &out)
	r.budgets.report(at, &out)
	r.workloads.report(at, &out)
	r.losses.report(&out)
	out.PodsLost = len(out.Lost)
	slices.SortStableFunc(out.Violations, func(a, b report.Violation) int { return a.At.Compare(b.At) })
	return out
}

func (r *Recorder) point(at time.Time) report.Point {
	p := report.Point{Leader: r.leaders.current(at)}
	p.Blue, p.Green, p.Other = r.nodes.count()
	p.Ready, p.Wanted, p.Pending = r.workloads.count()
	return p
}

func (e Synced) apply(r *Recorder, at time.Time) {
	if r.synced {
		return
	}
	r.synced, r.started = true, at
	r.nodes.begin(e.BluePools)
	r.workloads.begin(at)
	r.budgets.begin()
}

func (Tick) apply(*Recorder, time.Time) {}

func (e Release) apply(r *Recorder, _ time.Time) {
	if r.from == "" {
		r.from = e.Version
	}
	r.to = e.Version
}

// seconds rounds to milliseconds.
func seconds(d float64) float64 { return math.Round(d*1000) / 1000 }
