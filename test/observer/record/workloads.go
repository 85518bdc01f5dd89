package record

import (
	"cmp"
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// maxOutages is how many outages a report lists.
const maxOutages = 20

const kindDaemonSet = "DaemonSet"

// workload follows one controller of pods.
type workload struct {
	Workload
	ready   int
	settled bool // it was complete once
	gone    bool

	missing meter
	down    spans // it wants pods and has none ready
	single  spans // the same, of one that wants one pod
}

func (w *workload) name() string { return w.Kind + "/" + w.Key.String() }

// counted says that the time counts in which the workload is incomplete. Pods of a DaemonSet are missing whenever a node
// is new.
func (w *workload) counted() bool { return w.Kind != kindDaemonSet }

// update takes the state since at in. Nothing counts before the workload was complete.
func (w *workload) update(at time.Time) {
	missing := max(0, w.Desired-w.ready)
	w.settled = w.settled || missing == 0
	if !w.settled || !w.counted() {
		return
	}
	if w.gone {
		missing = 0
	}
	w.missing.set(at, missing)
	w.down.set(at, missing > 0 && w.ready == 0)
	w.single.set(at, missing == 1 && w.Desired == 1)
}

// workloads follows those of users.
type workloads struct {
	synced bool
	all    map[string]*workload
	ended  []*workload
	pods   map[string]Pod
	ready  map[string]int    // ready pods by owner
	parent map[string]string // Deployments of ReplicaSets
}

func newWorkloads() workloads {
	return workloads{all: map[string]*workload{}, pods: map[string]Pod{}, ready: map[string]int{}, parent: map[string]string{}}
}

func (ws *workloads) begin(at time.Time) {
	ws.synced = true
	for uid := range ws.all {
		ws.changed(at, uid)
	}
}

// changed counts the pods of an owner anew, or of the Deployment that the owner belongs to.
func (ws *workloads) changed(at time.Time, owner string) {
	if deployment, ok := ws.parent[owner]; ok {
		owner = deployment
	}
	w, ok := ws.all[owner]
	if !ok {
		return
	}
	w.ready = ws.ready[owner]
	for rs, deployment := range ws.parent {
		if deployment == owner {
			w.ready += ws.ready[rs]
		}
	}
	if ws.synced {
		w.update(at)
	}
}

func (ws *workloads) count() (ready, wanted, pending int) {
	for _, w := range ws.all {
		if w.counted() {
			ready, wanted = ready+w.ready, wanted+w.Desired
		}
	}
	for _, p := range ws.pods {
		if p.Pending && !p.Terminating {
			pending++
		}
	}
	return ready, wanted, pending
}

func (ws *workloads) report(at time.Time, out *report.Report) {
	out.Outages = []report.Outage{}
	sum, single, longest := 0.0, 0.0, 0.0
	for _, w := range ws.sorted() {
		sum += w.missing.until(at)
		single += total(w.single.until(at))
		for _, s := range w.down.until(at) {
			longest = max(longest, s.seconds())
			out.Outages = append(out.Outages, report.Outage{Workload: w.name(), At: s.from, Seconds: seconds(s.seconds())})
		}
		if missing := w.Desired - w.ready; missing > 0 && !w.gone {
			out.Lost = append(out.Lost, report.Loss{Kind: report.Incomplete, Object: w.name(), Detail: ofPods(w.ready, w.Desired)})
		}
	}
	slices.SortStableFunc(out.Outages, func(a, b report.Outage) int { return cmp.Compare(b.Seconds, a.Seconds) })
	out.Outages = out.Outages[:min(len(out.Outages), maxOutages)]
	out.PodSecondsBelowDesired, out.SingletonDowntimeSeconds, out.LongestOutageSeconds = seconds(sum), seconds(single), seconds(longest)
}

// sorted are all workloads, those that have ended too, by name.
func (ws *workloads) sorted() []*workload {
	list := slices.Clone(ws.ended)
	for _, w := range ws.all {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *workload) int { return cmp.Or(cmp.Compare(a.name(), b.name()), cmp.Compare(a.UID, b.UID)) })
	return list
}

func (e Workload) apply(r *Recorder, at time.Time) {
	if r.platform[e.Key.Namespace] {
		return
	}
	w, ok := r.workloads.all[e.UID]
	if !ok {
		w = &workload{missing: meter{since: at}}
		r.workloads.all[e.UID] = w
	}
	w.Workload = e
	r.workloads.changed(at, e.UID)
}

func (e WorkloadGone) apply(r *Recorder, at time.Time) {
	w, ok := r.workloads.all[e.UID]
	if !ok {
		return
	}
	w.gone = true
	w.update(at)
	delete(r.workloads.all, e.UID)
	if r.synced {
		r.workloads.ended = append(r.workloads.ended, w)
	}
}

func (e ReplicaSet) apply(r *Recorder, at time.Time) {
	r.workloads.parent[e.UID] = e.Deployment
	r.workloads.changed(at, e.UID)
}

func (e Pod) apply(r *Recorder, at time.Time) {
	if r.platform[e.Key.Namespace] {
		return
	}
	r.losses.pod(e)
	r.workloads.put(at, e)
}

func (e PodGone) apply(r *Recorder, at time.Time) {
	r.losses.podGone(r.synced, e.UID)
	r.workloads.remove(at, e.UID)
}

func (ws *workloads) put(at time.Time, p Pod) {
	before, known := ws.pods[p.UID]
	ws.pods[p.UID] = p
	if known && serves(before) == serves(p) {
		return
	}
	if known && serves(before) {
		ws.ready[p.Owner]--
	}
	if serves(p) {
		ws.ready[p.Owner]++
	}
	ws.changed(at, p.Owner)
}

func (ws *workloads) remove(at time.Time, uid string) {
	p, ok := ws.pods[uid]
	if !ok {
		return
	}
	delete(ws.pods, uid)
	if serves(p) {
		ws.ready[p.Owner]--
		ws.changed(at, p.Owner)
	}
}

// serves says that a pod counts as ready: one that is on its way out does not, as for Kubernetes' own controllers.
func serves(p Pod) bool { return p.Ready && !p.Terminating }
