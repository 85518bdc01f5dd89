package check

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// waiverCheck is what finds waivers that do nothing. It is not among All: it looks at what the others found.
var waiverCheck = Check{Code: "WaiverWithoutEffect", Severity: v1alpha1.SeverityWarning}

// waivers are those of a spec.
type waivers struct {
	all  []v1alpha1.Waiver
	now  time.Time
	used []bool
}

func waiversOf(in Input) *waivers {
	all := in.Spec.Waivers
	return &waivers{all: all, now: in.Snapshot.TakenAt, used: make([]bool, len(all))}
}

// findings are what a hit comes to: one for the objects that no waiver covers, and one for each waiver that covers some.
func (w *waivers) findings(c Check, h Hit) []v1alpha1.Finding {
	var out []v1alpha1.Finding
	rest := h
	for i := range w.all {
		if !w.counts(&w.all[i], c) {
			continue
		}
		covered := covers(&w.all[i], rest.Objects)
		if len(covered) == 0 && (len(h.Objects) > 0 || len(w.all[i].Objects) > 0) {
			continue
		}
		w.used[i] = true
		waived := finding(c, Hit{Objects: covered, Why: h.Why, Fix: h.Fix})
		waived.Waived = w.all[i].Reason
		out = append(out, waived)
		rest.Objects = slices.DeleteFunc(slices.Clone(rest.Objects), func(o string) bool { return slices.Contains(covered, o) })
		if len(rest.Objects) == 0 {
			return out
		}
	}
	return append([]v1alpha1.Finding{finding(c, rest)}, out...)
}

// counts says that a waiver is for findings of a check, and may be.
func (w *waivers) counts(waiver *v1alpha1.Waiver, c Check) bool {
	return waiver.Code == c.Code && waivable(c) && !w.expired(waiver)
}

func waivable(c Check) bool { return c.Severity != v1alpha1.SeverityBlocker || c.Waivable }

func (w *waivers) expired(waiver *v1alpha1.Waiver) bool {
	return waiver.Expires != nil && !w.now.Before(waiver.Expires.Time)
}

// covers are the objects that a waiver covers.
func covers(waiver *v1alpha1.Waiver, objects []string) []string {
	if len(waiver.Objects) == 0 {
		return objects
	}
	var out []string
	for _, o := range objects {
		if slices.ContainsFunc(waiver.Objects, func(pattern string) bool { return fits(pattern, o) }) {
			out = append(out, o)
		}
	}
	return out
}

func fits(pattern, object string) bool {
	matched, err := path.Match(pattern, object)
	return pattern == object || (err == nil && matched)
}

// useless are the waivers that cover nothing, each with the reason.
func (w *waivers) useless() []Hit {
	var out []Hit
	for i := range w.all {
		if w.used[i] {
			continue
		}
		waiver := &w.all[i]
		at := slices.IndexFunc(All(), func(c Check) bool { return c.Code == waiver.Code })
		why, fix := "no finding of the code has an object that it covers", "remove it, or name the objects as the finding does"
		switch {
		case at < 0:
			why, fix = "there is no such code", "take the code from status.findings"
		case !waivable(All()[at]):
			why, fix = "a run cannot go on in spite of this finding", "resolve the finding and remove the waiver"
		case w.expired(waiver):
			why, fix = fmt.Sprintf("it expired at %s", waiver.Expires.UTC().Format(time.RFC3339)), "remove it, or set another expires"
		}
		out = append(out, Hit{Objects: []string{fmt.Sprintf("spec.waivers[%d]", i)}, Why: fmt.Sprintf("the waiver of %s has no effect: %s", waiver.Code, why), Fix: fix})
	}
	return out
}
