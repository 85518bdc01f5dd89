package engine

import (
	"fmt"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// Kind says how a phase goes on after a step.
type Kind int

const (
	// KindDone has reached its end.
	KindDone Kind = iota
	// KindSkip had nothing to do.
	KindSkip
	// KindWait goes on by itself.
	KindWait
	// KindBlocked goes on when a person has done something.
	KindBlocked
	// KindRetry met an error that goes away by itself.
	KindRetry
	// KindFail cannot reach its end.
	KindFail
)

// Outcome is what one step of a phase came to.
type Outcome struct {
	Kind Kind
	// Reason is a CamelCase word.
	Reason string
	// Message names the object, the reason and, where a person is wanted, the next command.
	Message string
	// After is when to look again, for KindWait and KindBlocked; 0 for at once.
	After time.Duration
}

// Done says that the phase has reached its end.
func Done(format string, args ...any) Outcome {
	return Outcome{Kind: KindDone, Reason: "Done", Message: fmt.Sprintf(format, args...)}
}

// Skip says that the phase had nothing to do.
func Skip(format string, args ...any) Outcome {
	return Outcome{Kind: KindSkip, Reason: "Skipped", Message: fmt.Sprintf(format, args...)}
}

// Wait says that the phase goes on by itself, and when to look again.
func Wait(after time.Duration, reason, format string, args ...any) Outcome {
	return Outcome{Kind: KindWait, Reason: reason, Message: fmt.Sprintf(format, args...), After: after}
}

// Blocked says that a person has to do something.
func Blocked(reason, format string, args ...any) Outcome {
	return Outcome{Kind: KindBlocked, Reason: reason, Message: fmt.Sprintf(format, args...), After: blockedInterval}
}

// Fail says that the phase cannot reach its end.
func Fail(reason, format string, args ...any) Outcome {
	return Outcome{Kind: KindFail, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// FromError turns an error into what helps against it.
func FromError(err error) Outcome {
	switch fault.Classify(err) {
	case fault.Denied:
		return Outcome{Kind: KindBlocked, Reason: v1alpha1.ReasonPermissionDenied, Message: err.Error(), After: blockedInterval}
	case fault.Terminal:
		return Outcome{Kind: KindFail, Reason: "Error", Message: err.Error()}
	default:
		return Outcome{Kind: KindRetry, Reason: "Error", Message: err.Error()}
	}
}

const (
	// blockedInterval is how often a blocked phase looks whether the person has done it.
	blockedInterval = 15 * time.Second
	retryBase       = time.Second
	retryMax        = time.Minute
)

// Backoff is how long to wait after the n-th error in a row: doubling from one second to one minute.
func Backoff(attempts int32) time.Duration {
	d := retryBase
	for range min(max(attempts, 1), 16) - 1 {
		d *= 2
	}
	return min(d, retryMax)
}
