package record

import (
	"cmp"
	"slices"
	"time"
)

// span is a time in which something held.
type span struct{ from, to time.Time }

func (s span) seconds() float64 { return s.to.Sub(s.from).Seconds() }

// spans are the times in which something held, in order.
type spans struct {
	closed []span
	open   *time.Time
}

// set says whether it holds from now on.
func (s *spans) set(at time.Time, holds bool) {
	switch {
	case holds && s.open == nil:
		s.open = &at
	case !holds && s.open != nil:
		if at.After(*s.open) {
			s.closed = append(s.closed, span{*s.open, at})
		}
		s.open = nil
	}
}

// until are the spans as they are at a moment: one that holds still ends there.
func (s *spans) until(at time.Time) []span {
	if s.open == nil || !at.After(*s.open) {
		return s.closed
	}
	return append(slices.Clone(s.closed), span{*s.open, at})
}

// union joins spans that touch or overlap, in order.
func union(all ...[]span) []span {
	in := slices.Concat(all...)
	slices.SortFunc(in, func(a, b span) int { return a.from.Compare(b.from) })
	var out []span
	for _, s := range in {
		if n := len(out); n > 0 && !s.from.After(out[n-1].to) {
			out[n-1].to = later(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// overlaps are the times in which two or more of the lists hold. The spans of each list must not overlap one another.
func overlaps(lists ...[]span) []span {
	type edge struct {
		at   time.Time
		step int
	}
	var edges []edge
	for _, list := range lists {
		for _, s := range list {
			edges = append(edges, edge{s.from, 1}, edge{s.to, -1})
		}
	}
	// At the same moment ends come before beginnings: touching is not overlapping.
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), a.step-b.step) })
	var out []span
	depth := 0
	for _, e := range edges {
		depth += e.step
		switch {
		case e.step > 0 && depth == 2:
			out = append(out, span{from: e.at})
		case e.step < 0 && depth == 1:
			out[len(out)-1].to = e.at
		}
	}
	return slices.DeleteFunc(out, func(s span) bool { return !s.to.After(s.from) })
}

func total(list []span) float64 {
	sum := 0.0
	for _, s := range list {
		sum += s.seconds()
	}
	return sum
}

// meter integrates a number over time.
type meter struct {
	since time.Time
	value int
	sum   float64
}

func (m *meter) set(at time.Time, value int) {
	m.sum = m.until(at)
	m.since, m.value = at, value
}

// until is the integral at a moment, in units times seconds.
func (m *meter) until(at time.Time) float64 {
	return m.sum + float64(m.value)*at.Sub(m.since).Seconds()
}
