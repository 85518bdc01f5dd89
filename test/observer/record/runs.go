package record

import (
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// run follows the KarpenterUpgrade that was seen last.
type run struct {
	last        Run
	begun, done time.Time
}

func (r *run) ended(name string) bool { return r.last.Name == name && r.last.Ended }

// duration is that of the run, or else of the observation, in seconds.
func (r *run) duration(at, started time.Time) float64 {
	switch {
	case r.begun.IsZero():
		return at.Sub(started).Seconds()
	case r.last.Ended:
		return r.done.Sub(r.begun).Seconds()
	default:
		return at.Sub(r.begun).Seconds()
	}
}

func (r *run) phases(at time.Time) []report.Phase {
	out := []report.Phase{}
	for _, s := range r.last.Steps {
		if s.Started.IsZero() {
			continue
		}
		end := s.End
		if end.IsZero() {
			end = at
		}
		out = append(out, report.Phase{Name: s.Name, State: s.State, Seconds: seconds(max(0, end.Sub(s.Started).Seconds()))})
	}
	return out
}

func (e Run) apply(r *Recorder, at time.Time) {
	if r.run.last.Name != e.Name {
		r.run = run{begun: at}
	}
	if e.Ended && !r.run.last.Ended {
		r.run.done = at
	}
	r.run.last = e
}
