package record

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// budget follows one PodDisruptionBudget.
type budget struct {
	last     Budget
	known    bool // a status was seen
	settled  bool // it had enough healthy pods once
	episodes []*episode
	open     *episode
}

// episode is a time in which a budget had fewer healthy pods than it wants.
type episode struct {
	span
	worst Budget
}

// see takes a status in. Only the loss of pods breaks a budget: one that has too few because it began to want more, as when
// its workload is scaled up, is growing.
func (b *budget) see(at time.Time, e Budget) {
	fell := b.known && e.Healthy < b.last.Healthy
	switch {
	case e.Healthy >= e.Desired:
		b.settled = true
		b.close(at)
	case b.open == nil && b.settled && fell:
		b.open = &episode{span: span{from: at}, worst: e}
		b.episodes = append(b.episodes, b.open)
	case b.open != nil && e.Healthy < b.open.worst.Healthy:
		b.open.worst = e
	}
	b.last, b.known = e, true
}

func (b *budget) close(at time.Time) {
	if b.open != nil {
		b.open.to, b.open = at, nil
	}
}

type budgets struct {
	all  map[string]*budget
	gone []*budget
}

func newBudgets() budgets { return budgets{all: map[string]*budget{}} }

// begin forgets what happened before.
func (b *budgets) begin() {
	b.gone = nil
	for _, each := range b.all {
		each.settled, each.episodes, each.open = each.last.Healthy >= each.last.Desired, nil, nil
	}
}

func (b *budgets) report(at time.Time, out *report.Report) {
	for _, each := range slices.Concat(b.gone, slices.Collect(maps.Values(b.all))) {
		for _, e := range each.episodes {
			to := e.to
			if e == each.open {
				to = at
			}
			out.PDBViolations++
			out.Violations = append(out.Violations, report.Violation{
				At: e.from, Kind: report.BudgetBroken, Object: "PodDisruptionBudget/" + each.last.Key.String(),
				Detail:  fmt.Sprintf("%d healthy pods of %d wanted", e.worst.Healthy, e.worst.Desired),
				Seconds: seconds(to.Sub(e.from).Seconds()),
			})
		}
	}
}

func (e Budget) apply(r *Recorder, at time.Time) {
	b, ok := r.budgets.all[e.UID]
	if !ok {
		b = &budget{}
		r.budgets.all[e.UID] = b
	}
	b.see(at, e)
}

func (e BudgetGone) apply(r *Recorder, at time.Time) {
	if b, ok := r.budgets.all[e.UID]; ok {
		b.close(at)
		delete(r.budgets.all, e.UID)
		r.budgets.gone = append(r.budgets.gone, b)
	}
}
