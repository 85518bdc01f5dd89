package record

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// losses follows what nobody makes again.
type losses struct {
	bare map[string]Pod // living pods without a controller
	gone map[Key]bool   // names of such pods that are gone
	jobs map[string]Job
}

func newLosses() losses {
	return losses{bare: map[string]Pod{}, gone: map[Key]bool{}, jobs: map[string]Job{}}
}

func (l *losses) pod(p Pod) {
	if p.Owner == "" {
		l.bare[p.UID] = p
		delete(l.gone, p.Key) // somebody made it again
	}
}

// podGone notes the end of a bare pod that had not run to its end.
func (l *losses) podGone(synced bool, uid string) {
	p, ok := l.bare[uid]
	if !ok {
		return
	}
	delete(l.bare, uid)
	if synced && !p.Ended {
		l.gone[p.Key] = true
	}
}

func (l *losses) report(out *report.Report) {
	list := []report.Loss{}
	for key := range l.gone {
		list = append(list, report.Loss{Kind: report.BarePodGone, Object: "Pod/" + key.String(), Detail: "it had no controller and is gone"})
	}
	for _, j := range l.jobs {
		if j.Failed != "" {
			list = append(list, report.Loss{Kind: report.JobFailed, Object: "Job/" + j.Key.String(), Detail: j.Failed})
		}
	}
	slices.SortFunc(list, func(a, b report.Loss) int { return cmp.Compare(a.Object, b.Object) })
	out.Lost = append(list, out.Lost...)
}

// apply notes a Job that gives up while it is watched: one that had failed before is not the upgrade's doing.
func (e Job) apply(r *Recorder, _ time.Time) {
	if r.platform[e.Key.Namespace] || !r.synced && e.Failed != "" {
		return
	}
	r.losses.jobs[e.UID] = e
}

func ofPods(ready, wanted int) string { return fmt.Sprintf("%d of %d pods are ready", ready, wanted) }
