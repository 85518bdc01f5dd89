package values

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Note says what a translation could not carry over, and what somebody has to do about it.
//
// It names keys and never a value of the user's, which may be a secret.
type Note struct {
	// Key of the value as it was given, such as settings.aws.tags.
	Key string
	// Why it matters, and the Fix: a change or a command.
	Why, Fix string
	// Severity is a Warning where something is lost that can be done without, and a Blocker where the new release would do
	// harm without it.
	Severity v1alpha1.Severity
}

// Translate carries the values of a release at version from to what the chart of version to understands, from 0.25 on. given
// is not changed. As with Carry, the image's tag and digest are never carried.
//
// Versions that lie between are gone through one after the other, so that going there in several steps gives the same values.
// Where to is not later than from, nothing is translated. A key that no rule knows stays as it is: Unknown finds it.
func Translate(given map[string]any, from, to *semver.Version) (map[string]any, []Note) {
	t := &translation{values: runtime.DeepCopyJSON(orEmpty(given)), from: released(from), to: released(to), origins: map[string]string{}}
	if t.from.LessThan(t.to) {
		for _, r := range rules {
			if r.due(t.from, t.to) {
				r.apply(t)
			}
		}
	}
	return Carry(t.values), t.notes
}

// Unanswered are the notes whose keys patch, a JSON merge patch as a mapping, does not decide. Whoever sets such a key or the
// one it stands in, to null too, has decided.
func Unanswered(notes []Note, patch map[string]any) []Note {
	var out []Note
	for _, n := range notes {
		if !sets(patch, n.Key) {
			out = append(out, n)
		}
	}
	return out
}

func sets(patch map[string]any, key string) bool {
	head, rest, deeper := strings.Cut(key, ".")
	v, ok := patch[head]
	if !ok || !deeper {
		return ok
	}
	below, isMap := v.(map[string]any)
	return !isMap || sets(below, rest)
}

// rule is one change of the chart's values.
type rule struct {
	// since is the first version whose chart has the change.
	since *semver.Version
	// when replaces since where that is not enough.
	when func(from, to *semver.Version) bool
	// source of the fact: P is github.com/aws/karpenter-provider-aws, C is sigs.k8s.io/karpenter, UG the upgrade guide.
	source string
	apply  func(*translation)
}

func (r rule) due(from, to *semver.Version) bool {
	if r.when != nil {
		return r.when(from, to)
	}
	return crosses(from, to, r.since)
}

// crosses says that since lies on the way.
func crosses(from, to, since *semver.Version) bool {
	return from.LessThan(since) && !to.LessThan(since)
}

// translation is one run of the rules.
type translation struct {
	values   map[string]any
	from, to *semver.Version
	// origins are the keys under which values that were moved had been given.
	origins map[string]string
	notes   []Note
}

// origin is the key under which the user knows what now stands at path.
func (t *translation) origin(path string) string {
	if o, ok := t.origins[path]; ok {
		return o
	}
	return path
}

func (t *translation) note(severity v1alpha1.Severity, path, why, fix string) {
	n := Note{Key: t.origin(path), Why: why, Fix: fix, Severity: severity}
	if !slices.Contains(t.notes, n) {
		t.notes = append(t.notes, n)
	}
}

func (t *translation) warn(path, why, fix string) { t.note(v1alpha1.SeverityWarning, path, why, fix) }

// move puts a value where the chart looks for it now. The old key decides as long as it says something: so did the charts that
// knew both (P@v0.32.10:charts/karpenter/templates/deployment.yaml).
func (t *translation) move(from, to string) {
	v, ok := remove(t.values, from)
	if !ok || v == nil {
		return
	}
	if _, both := get(t.values, to); both && empty(v) {
		return
	}
	t.origins[to] = t.origin(from)
	put(t.values, to, v)
}

// released is the version without what comes before a release, so that a release candidate counts as the release.
func released(v *semver.Version) *semver.Version {
	return semver.New(v.Major(), v.Minor(), v.Patch(), "", "")
}

func version(major, minor, patch uint64) *semver.Version {
	return semver.New(major, minor, patch, "", "")
}
