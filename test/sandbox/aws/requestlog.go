package aws

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

const (
	// maxCounters bounds the counters; calls of further principals count as those of otherPrincipal.
	maxCounters    = 10000
	otherPrincipal = "(other)"
	// maxParams and maxParam bound the summary of a call's parameters, and of one of them.
	maxParams = 400
	maxParam  = 80
)

// requestLog holds the last calls and counts all of them.
type requestLog struct {
	out io.Writer
	log *slog.Logger

	mu       sync.Mutex
	seq      uint64
	size     int
	ring     []control.Request
	dropped  uint64
	counters map[counterKey]*control.Count
}

type counterKey struct {
	principal, service, action string
	dryRun                     bool
}

func newRequestLog(size int, out io.Writer, log *slog.Logger) *requestLog {
	return &requestLog{out: out, log: log, size: size, counters: map[counterKey]*control.Count{}}
}

// add appends a call and writes its line.
func (l *requestLog) add(r control.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	r.Seq = l.seq
	l.ring = append(l.ring, r)
	if len(l.ring) > l.size {
		l.ring = l.ring[1:]
		l.dropped++
	}
	l.count(r)
	if l.out == nil {
		return
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = l.out.Write(append(line, '\n'))
	}
	if err != nil {
		l.log.Warn("writing the AWS request log", "error", err)
	}
}

// count counts a call.
func (l *requestLog) count(r control.Request) {
	key := counterKey{r.Principal, r.Service, r.Action, r.DryRun}
	c, ok := l.counters[key]
	if !ok && len(l.counters) >= maxCounters {
		key.principal, r.Pod = otherPrincipal, ""
		c, ok = l.counters[key]
	}
	if !ok {
		c = &control.Count{
			Principal: key.principal, Pod: r.Pod, Service: key.service, Action: key.action, DryRun: key.dryRun,
		}
		l.counters[key] = c
	}
	c.Calls++
	if r.Error != "" && r.Error != "DryRunOperation" {
		c.Errors++
	}
}

// page returns the calls that fit a filter.
func (l *requestLog) page(f control.RequestFilter) control.RequestPage {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := control.RequestPage{Requests: []control.Request{}, Next: max(l.seq, f.Since), Dropped: l.dropped}
	for _, r := range l.ring {
		if r.Seq <= f.Since || !wire.MatchAny(f.Service, r.Service) || !wire.MatchAny(f.Action, r.Action) ||
			!matchCaller(f.Principal, r.Principal, r.Pod) {
			continue
		}
		if f.Limit > 0 && len(p.Requests) == f.Limit {
			p.Next = p.Requests[f.Limit-1].Seq
			break
		}
		p.Requests = append(p.Requests, r)
	}
	return p
}

// counts returns the counters in the order of principal, service and action.
func (l *requestLog) counts() []control.Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]control.Count, 0, len(l.counters))
	for _, c := range l.counters {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b control.Count) int {
		return cmp.Or(cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Action, b.Action), cmp.Compare(strconv.FormatBool(a.DryRun), strconv.FormatBool(b.DryRun)))
	})
	return out
}

// clear forgets calls and counters. Sequence numbers go on.
func (l *requestLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.dropped = nil, 0
	clear(l.counters)
}

// summarize puts parameters on one line of bounded length. User data is left out: it is long, and in State.
func summarize(form url.Values) string {
	keys := make([]string, 0, len(form))
	for k := range form {
		if k != "Action" && k != "Version" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		value := form.Get(k)
		if strings.HasSuffix(k, "UserData") || strings.HasSuffix(k, "Token") {
			value = "(" + strconv.Itoa(len(value)) + " characters)"
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(k + "=" + shorten(value, maxParam))
		if b.Len() > maxParams {
			break
		}
	}
	return shorten(b.String(), maxParams)
}

// shorten cuts a text to n bytes.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
