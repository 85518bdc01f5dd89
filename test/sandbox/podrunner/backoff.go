package podrunner

import "time"

// Backoff is how long a kubelet waits before it starts a container again, or pulls an image again.
type Backoff struct {
	// Base is the first delay, doubled each time up to Max. A container that ran for twice Max starts afresh.
	Base, Max time.Duration
}

// DefaultBackoff is the kubelet's own.
func DefaultBackoff() Backoff { return Backoff{Base: 10 * time.Second, Max: 5 * time.Minute} }

// backoffState is the back-off of one container.
type backoffState struct {
	delay time.Duration // of the last attempt, 0 before the second
	last  time.Time     // when the last attempt was made
}

// next returns how long to wait at now before the next attempt, which is made right away the first time, and the
// state after it.
func (s backoffState) next(b Backoff, now time.Time) (time.Duration, backoffState) {
	if s.last.IsZero() || now.Sub(s.last) > 2*b.Max {
		return 0, backoffState{last: now}
	}
	delay := b.Base
	if s.delay > 0 {
		delay = min(2*s.delay, b.Max)
	}
	return delay, backoffState{delay: delay, last: now.Add(delay)}
}
