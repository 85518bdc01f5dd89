// Package window tells whether it is a time in which something new may begin.
package window

import (
	"fmt"
	"time"
	_ "time/tzdata" // images have no database of time zones

	"github.com/robfig/cron/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// State is how it stands at one time.
type State struct {
	// Open says that something new may begin.
	Open bool
	// Until is how long that stays so; 0 where there are no windows.
	Until time.Duration
	// at is when it changes.
	at time.Time
}

// String says when it changes.
func (s State) String() string {
	if s.at.IsZero() {
		return "never"
	}
	return s.at.Format("2006-01-02 15:04 MST")
}

// Look says how windows stand. Without any, it is always open. One that Validate refuses is never open.
func Look(windows []v1alpha1.Window, now time.Time) State {
	if len(windows) == 0 {
		return State{Open: true}
	}
	var out State
	for i := range windows {
		opens, closes, err := next(&windows[i], now)
		if err != nil || opens.IsZero() {
			continue
		}
		one := State{Open: !now.Before(opens), at: opens}
		if one.Open {
			one.at = closes
		}
		if better(one, out) {
			out = one
		}
	}
	if !out.at.IsZero() {
		out.Until = out.at.Sub(now)
	}
	return out
}

// better prefers an open window to a closed one, of open ones that which closes last, of closed ones that which opens first.
func better(a, b State) bool {
	switch {
	case b.at.IsZero() || a.Open != b.Open:
		return b.at.IsZero() || a.Open
	case a.Open:
		return a.at.After(b.at)
	default:
		return a.at.Before(b.at)
	}
}

// next is when a window opens that has not closed yet, and when it closes.
func next(w *v1alpha1.Window, now time.Time) (opens, closes time.Time, err error) {
	schedule, zone, err := parse(w)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	// The first opening after now less the duration is that of the window that is open, or else the next.
	opens = schedule.Next(now.In(zone).Add(-w.Duration.Duration))
	return opens, opens.Add(w.Duration.Duration), nil
}

// Validate says what is wrong with a window; nil when nothing is.
func Validate(w *v1alpha1.Window) error {
	_, _, err := parse(w)
	return err
}

func parse(w *v1alpha1.Window) (cron.Schedule, *time.Location, error) {
	name := w.TimeZone
	if name == "" {
		name = "UTC"
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, nil, fmt.Errorf("timeZone %q is none of the IANA database, such as Europe/Berlin", w.TimeZone)
	}
	schedule, err := cron.ParseStandard(w.Schedule)
	if err != nil {
		return nil, nil, fmt.Errorf("schedule %q: %w", w.Schedule, err)
	}
	return schedule, zone, nil
}
