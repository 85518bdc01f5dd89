package aws

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

// faultList are the faults in force.
type faultList struct {
	clk    clock.Clock
	random func() float64

	mu     sync.Mutex
	last   int
	faults []*control.Fault
}

func newFaultList(clk clock.Clock, random func() float64) *faultList {
	return &faultList{clk: clk, random: random}
}

// add puts a fault in force.
func (l *faultList) add(f control.Fault) (control.Fault, error) {
	switch {
	case f.Code == "" && f.Latency.Duration == 0:
		return f, fmt.Errorf("the fault does nothing: give it a code, or a latency, or both")
	case f.Count < 0 || f.Latency.Duration < 0 || f.Probability < 0 || f.Probability > 1:
		return f, fmt.Errorf("count and latency must not be negative, and probability must be from 0 to 1")
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return f, fmt.Errorf("status %d: must be an HTTP error status, 400 to 599", f.Status)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	f.ID, f.Hits = "fault-"+strconv.Itoa(l.last), 0
	l.faults = append(l.faults, &f)
	return f, nil
}

// list returns copies of the faults, the oldest first.
func (l *faultList) list() []control.Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]control.Fault, 0, len(l.faults))
	for _, f := range l.faults {
		out = append(out, *f)
	}
	return out
}

// remove removes a fault, or all when the ID is empty, and tells whether there was one.
func (l *faultList) remove(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.faults)
	l.faults = slices.DeleteFunc(l.faults, func(f *control.Fault) bool { return id == "" || f.ID == id })
	return len(l.faults) < n
}

// hit finds the fault that a call meets and counts the hit.
func (l *faultList) hit(c wire.Call, pod string) (control.Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.faults {
		spent := f.Count > 0 && f.Hits >= f.Count
		if spent || !wire.MatchAny(f.Service, c.Service) || !wire.MatchAny(f.Action, c.Action) ||
			!matchCaller(f.Principal, c.Principal, pod) {
			continue
		}
		if f.Probability > 0 && l.random() >= f.Probability {
			continue
		}
		f.Hits++
		return *f, true
	}
	return control.Fault{}, false
}

// matchCaller tells whether a pattern fits a caller's access key id or its pod.
func matchCaller(pattern, principal, pod string) bool {
	return wire.MatchAny(pattern, principal) || wire.MatchAny(pattern, pod)
}

// apply lets a fault act on a call: it waits, and returns the refusal, nil if there is none.
func (l *faultList) apply(ctx context.Context, f control.Fault) *awserr.Error {
	if d := f.Latency.Duration; d > 0 {
		if !sleep(ctx, l.clk, d) {
			return awserr.New("RequestExpired", "The caller left during the latency of fault %s", f.ID)
		}
	}
	if f.Code == "" {
		return nil
	}
	e := awserr.New(f.Code, "%s", f.Message)
	if f.Message == "" {
		e.Message = "Injected by fault " + f.ID + " of the AWS emulator"
	}
	if f.Status != 0 {
		e.Status = f.Status
	}
	return e
}

// sleep waits on a clock; false if the context ended first.
func sleep(ctx context.Context, clk clock.Clock, d time.Duration) bool {
	t := clk.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C():
		return true
	}
}
