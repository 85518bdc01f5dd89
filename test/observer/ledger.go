package observer

import (
	"sync"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// ledger is a Recorder for several writers. Events get the time at which they get in.
type ledger struct {
	clock clock.PassiveClock
	// awaited is the KarpenterUpgrade whose end closes done; none when empty.
	awaited string
	done    chan struct{}

	mu       sync.Mutex
	recorder *record.Recorder
	closed   bool
}

func newLedger(clk clock.PassiveClock, platform []string, awaited string) *ledger {
	return &ledger{clock: clk, awaited: awaited, done: make(chan struct{}), recorder: record.New(record.Options{Platform: platform})}
}

func (l *ledger) apply(events ...record.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for _, e := range events {
		l.recorder.Apply(now, e)
	}
	if !l.closed && l.awaited != "" && l.recorder.RunEnded(l.awaited) {
		l.closed = true
		close(l.done)
	}
}

func (l *ledger) controllers() []record.Controller {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recorder.Controllers()
}

func (l *ledger) report() report.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recorder.Report(l.clock.Now())
}
