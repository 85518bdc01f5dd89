package record

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// controller follows one pod of a Karpenter release.
type controller struct {
	Controller
	gone bool
	// leads are the times in which it held an unexpired Lease and its process lived; serves those of them in which it had
	// not been told to stop. What counts as leading alone must be the first, and what counts as led at all the second.
	leads, serves spans
	// metric are the times in which its own metric said that it leads.
	metric metric
}

// name is the pod's, with the version that it runs.
func (c *controller) name() string {
	if c.Version == "" {
		return c.Key.String()
	}
	return c.Key.String() + " (" + c.Version + ")"
}

// metric makes times out of samples: between two samples in a row that say so, a pod led. One that came between a loss of
// the Lease and the next sample proves nothing about the time after it.
type metric struct {
	spans []span
	last  *time.Time // when the answer to the last sample came, if that said that the pod leads
}

func (m *metric) see(s Sample) {
	if !s.Read || !s.Leads {
		m.last = nil
		return
	}
	if m.last == nil {
		m.spans = append(m.spans, span{s.Received, s.Received})
	} else {
		m.spans[len(m.spans)-1].to = s.Sent
	}
	m.last = &s.Received
}

// list are the times that lasted.
func (m *metric) list() []span {
	return slices.DeleteFunc(slices.Clone(m.spans), func(s span) bool { return !s.to.After(s.from) })
}

// election follows one Lease.
type election struct {
	Lease
	expired bool
}

func (e *election) expires() time.Time { return e.Renewed.Add(e.Duration) }

// leaders follows who leads.
type leaders struct {
	pods   map[string]*controller
	ended  []*controller
	leases map[string]*election
	// dead are identities whose process has ended: the pod lives on with a new process, which has an identity of its own.
	dead map[string]bool
}

func newLeaders() leaders {
	return leaders{pods: map[string]*controller{}, leases: map[string]*election{}, dead: map[string]bool{}}
}

// expire ends what Leases that ran out before a moment made somebody, each at its own time.
func (l *leaders) expire(at time.Time) {
	var due []*election
	for _, e := range l.leases {
		if e.Holder != "" && !e.expired && !e.expires().After(at) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *election) int { return a.expires().Compare(b.expires()) })
	for _, e := range due {
		e.expired = true
		l.refresh(e.expires())
	}
}

// refresh says of every pod whether it leads from now on.
func (l *leaders) refresh(at time.Time) {
	for _, c := range l.pods {
		leads := l.holds(c)
		c.leads.set(at, leads)
		c.serves.set(at, leads && !c.Stopping)
	}
}

func (l *leaders) holds(c *controller) bool {
	e, ok := l.leases[c.Key.Namespace]
	return ok && c.Running && !c.gone && !e.expired && podOf(e.Holder) == c.Key.Name && !l.dead[e.Holder]
}

// podOf is the name of the pod in an identity: Karpenter's are pod_uuid.
func podOf(identity string) string {
	pod, _, _ := strings.Cut(identity, "_")
	return pod
}

// kill notes that the process of a pod has ended, and with it the identity under which it may hold a Lease.
func (l *leaders) kill(c *controller) {
	if e, ok := l.leases[c.Key.Namespace]; ok && podOf(e.Holder) == c.Key.Name {
		l.dead[e.Holder] = true
	}
	c.metric.last = nil
}

func (l *leaders) runningPods() []Controller {
	var out []Controller
	for _, c := range l.pods {
		if c.Running {
			out = append(out, c.Controller)
		}
	}
	slices.SortFunc(out, func(a, b Controller) int { return cmp.Compare(a.UID, b.UID) })
	return out
}

// current is the pod that leads, by name.
func (l *leaders) current(time.Time) string {
	for _, c := range l.pods {
		if c.serves.open != nil {
			return c.Key.String()
		}
	}
	return ""
}

// everybody are all pods there are and have been, in a stable order.
func (l *leaders) everybody() []*controller {
	list := slices.Concat(l.ended, slices.Collect(maps.Values(l.pods)))
	slices.SortFunc(list, func(a, b *controller) int {
		return cmp.Or(cmp.Compare(a.Key.String(), b.Key.String()), cmp.Compare(a.UID, b.UID))
	})
	return list
}

func (e Controller) apply(r *Recorder, at time.Time) {
	l := &r.leaders
	c, ok := l.pods[e.UID]
	if !ok {
		c = &controller{}
		l.pods[e.UID] = c
	} else if c.Running && (!e.Running || e.Restarts > c.Restarts) {
		l.kill(c)
	}
	c.Controller = e
	l.refresh(at)
}

func (e ControllerGone) apply(r *Recorder, at time.Time) {
	l := &r.leaders
	c, ok := l.pods[e.UID]
	if !ok {
		return
	}
	l.kill(c)
	c.gone = true
	l.refresh(at)
	delete(l.pods, e.UID)
	l.ended = append(l.ended, c)
}

func (e Lease) apply(r *Recorder, at time.Time) {
	l := &r.leaders
	l.leases[e.Namespace] = &election{Lease: e, expired: e.Holder != "" && !e.Renewed.Add(e.Duration).After(at)}
	l.refresh(at)
}

func (e LeaseGone) apply(r *Recorder, at time.Time) {
	delete(r.leaders.leases, e.Namespace)
	r.leaders.refresh(at)
}

func (e Sample) apply(r *Recorder, _ time.Time) {
	if c, ok := r.leaders.pods[e.UID]; ok {
		c.metric.see(e)
	}
}
