package record

import (
	"slices"
	"strings"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// report says who led, when nobody did, and when more than one did.
func (l *leaders) report(at time.Time, out *report.Report) {
	out.Leaderless, out.Leaders = []report.Gap{}, []report.Leader{}
	all := l.everybody()
	var terms []term
	either := make([][]span, len(all))
	for i, c := range all {
		served := c.serves.until(at)
		for _, s := range served {
			terms = append(terms, term{span: s, by: c})
		}
		either[i] = union(c.leads.until(at), c.metric.list())
	}
	slices.SortStableFunc(terms, func(a, b term) int { return a.from.Compare(b.from) })
	out.Leaders = leadersOf(terms)
	out.Leaderless = gaps(terms, at)
	sum := 0.0
	for i := range out.Leaderless {
		out.Leaderless[i].StoppingSeconds = l.stopping(&out.Leaderless[i], at)
		sum += out.Leaderless[i].Seconds
	}
	out.LeaderlessSeconds = seconds(sum)

	both := overlaps(either...)
	out.TwoLeaderSeconds = seconds(total(both))
	for _, s := range both {
		out.Violations = append(out.Violations, report.Violation{
			At: s.from, Kind: report.TwoLeaders, Object: strings.Join(names(all, either, s), ", "),
			Detail: "more than one pod leads", Seconds: seconds(s.seconds()),
		})
	}
}

// stopping is how long, within a gap, the Lease was held by a process that had been told to stop.
func (l *leaders) stopping(g *report.Gap, at time.Time) float64 {
	gap := span{g.At, g.At.Add(time.Duration(g.Seconds * float64(time.Second)))}
	everybody := l.everybody()
	held := make([][]span, 0, len(everybody))
	for _, c := range everybody {
		held = append(held, c.leads.until(at))
	}
	return seconds(total(overlaps([]span{gap}, union(held...))))
}

// term is a time in which a pod led.
type term struct {
	span
	by *controller
}

func leadersOf(terms []term) []report.Leader {
	out := []report.Leader{}
	at := map[string]int{}
	for _, t := range terms {
		i, ok := at[t.by.UID]
		if !ok {
			i = len(out)
			at[t.by.UID] = i
			out = append(out, report.Leader{
				Pod: t.by.Key.String(), Version: t.by.Version, Release: t.by.Release, MetricSeconds: seconds(total(t.by.metric.list())),
			})
		}
		out[i].Seconds = seconds(out[i].Seconds + t.seconds())
	}
	return out
}

// gaps are the times between the first term and the end in which there is none.
func gaps(terms []term, end time.Time) []report.Gap {
	out := []report.Gap{}
	if len(terms) == 0 {
		return out
	}
	last := terms[0]
	for _, t := range terms[1:] {
		if t.from.After(last.to) {
			out = append(out, report.Gap{At: last.to, From: last.by.name(), To: t.by.name(), Seconds: seconds(t.from.Sub(last.to).Seconds())})
		}
		if t.to.After(last.to) {
			last = t
		}
	}
	if end.After(last.to) {
		out = append(out, report.Gap{At: last.to, From: last.by.name(), Seconds: seconds(end.Sub(last.to).Seconds())})
	}
	return out
}

// names are the pods that led at some time within a span.
func names(all []*controller, times [][]span, within span) []string {
	var out []string
	for i, c := range all {
		for _, s := range times[i] {
			if s.from.Before(within.to) && s.to.After(within.from) {
				out = append(out, c.name())
				break
			}
		}
	}
	return out
}
