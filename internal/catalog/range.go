package catalog

import (
	"fmt"

	"github.com/Masterminds/semver/v3"
)

// Range is a range of Kubernetes minors, both ends included.
type Range struct {
	Min string `json:"min"`
	Max string `json:"max"`
}

// KubernetesSupport compares a Kubernetes version with a range: -1 below, 0 inside, +1 above it.
func (r Range) KubernetesSupport(kubernetes *semver.Version) (int, error) {
	lo, err := semver.NewVersion(r.Min)
	if err != nil {
		return 0, fmt.Errorf("minimum Kubernetes version %q: %w", r.Min, err)
	}
	hi, err := semver.NewVersion(r.Max)
	if err != nil {
		return 0, fmt.Errorf("maximum Kubernetes version %q: %w", r.Max, err)
	}
	minor := minorOf(kubernetes)
	switch {
	case minor.LessThan(lo):
		return -1, nil
	case minor.GreaterThan(hi):
		return 1, nil
	default:
		return 0, nil
	}
}

// minorOf is the first release of the minor that a version belongs to.
func minorOf(v *semver.Version) *semver.Version {
	return semver.New(v.Major(), v.Minor(), 0, "", "")
}
