package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

// barWidth is how wide the longest bar is.
const barWidth = 40

// phases shows how long each phase took.
func (s *screen) phases(r report.Report) {
	longest := 0.0
	for _, p := range r.Phases {
		longest = max(longest, p.Seconds)
	}
	s.linef("\n%s%s", indent, s.paint(bold, fmt.Sprintf("%-12s %-8s %7s", "Phase", "", "seconds")))
	for _, p := range r.Phases {
		bar := ""
		if longest > 0 {
			bar = strings.Repeat("▇", int(p.Seconds/longest*barWidth))
		}
		s.linef("%s%-12s %-8s %7.1f  %s", indent, p.Name, p.State, p.Seconds, s.paint(dim, bar))
	}
	s.linef("%s%-12s %-8s %7.1f", indent, "in all", "", r.DurationSeconds)
}

// figures shows what the observer measured that has no target.
func (s *screen) figures(r report.Report) {
	s.linef("\n%s%s", indent, s.paint(bold, "Observed"))
	show := func(name, format string, args ...any) {
		s.linef("%s%-34s %s", indent, name, fmt.Sprintf(format, args...))
	}
	show("nodes", "%d before, %d after, %d at most", r.Nodes.BlueBefore, r.Nodes.GreenAfter, r.Nodes.Peak)
	show("pod-seconds below desired", "%.1f", r.PodSecondsBelowDesired)
	show("longest outage of a workload", "%.1f s", r.LongestOutageSeconds)
	for _, g := range r.Leaderless {
		show("nobody leads", "%.1f s, between %s and %s", g.Seconds, g.From, orNobody(g.To))
	}
	clients := slices.SortedFunc(maps.Keys(r.Requests.ByClient), func(a, b string) int { return int(r.Requests.ByClient[b] - r.Requests.ByClient[a]) })
	for _, c := range clients {
		show("requests of "+c, "%d", r.Requests.ByClient[c])
	}
}

func orNobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

// checks shows what must hold, and whether it does.
func (s *screen) checks(checks []scenario.Check) {
	s.linef("\n%s%s", indent, s.paint(bold, "What must hold"))
	for _, c := range checks {
		mark := s.paint(green, "✓")
		wanted := ""
		switch {
		case !c.OK && c.Wished:
			mark, wanted = s.paint(yellow, "✗"), s.paint(yellow, "  wished for: "+c.Want+", and chance was against it")
		case !c.OK:
			mark, wanted = s.paint(red, "✗"), s.paint(red, "  wanted: "+c.Want)
		}
		s.linef("%s%s %-46s %s%s", indent, mark, c.Name, c.Got, wanted)
	}
}

func (s *screen) verdict(r report.Report, path string) {
	said := fmt.Sprintf("Karpenter %s is %s now, after %.0f seconds.", r.From, r.To, r.DurationSeconds)
	if r.LongestOutageSeconds == 0 {
		said += " At no time was any workload without a ready pod."
	}
	s.linef("\n%s%s", indent, s.paint(green, said))
	s.linef("%sThe whole report is %s", indent, path)
}
