package record

import (
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

const (
	// seriesInterval is the least time between two points, at first.
	seriesInterval = 250 * time.Millisecond
	// maxPoints bounds the series: when it is reached, every second point goes and the interval doubles.
	maxPoints = 2000
)

// series keeps how the cluster changed, one point for each change.
type series struct {
	points   []report.Point
	interval time.Duration
	// waiting is the newest change that came too soon after the last point.
	waiting *report.Point
}

func newSeries() series { return series{interval: seriesInterval} }

// add takes in how the cluster looks some time after the start.
func (s *series) add(t time.Duration, p report.Point) {
	p.T = seconds(t.Seconds())
	if n := len(s.points); n > 0 {
		last := s.points[n-1]
		if same(last, p) {
			s.waiting = nil
			return
		}
		if p.T-last.T < s.interval.Seconds() {
			s.waiting = &p
			return
		}
	}
	s.waiting = nil
	s.points = append(s.points, p)
	if len(s.points) >= maxPoints {
		s.thin()
	}
}

func (s *series) thin() {
	kept := s.points[:0]
	for i, p := range s.points {
		if i%2 == 0 {
			kept = append(kept, p)
		}
	}
	s.points, s.interval = kept, 2*s.interval
}

// list are the points, and the newest change whether it came too soon or not.
func (s *series) list() []report.Point {
	out := slices.Clone(s.points)
	if s.waiting != nil {
		out = append(out, *s.waiting)
	}
	if out == nil {
		out = []report.Point{}
	}
	return out
}

// same compares points but for their time.
func same(a, b report.Point) bool {
	a.T = b.T
	return a == b
}
