package catalog

import (
	_ "embed"
	"fmt"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

//go:embed data/versions.yaml
var embedded []byte

// Range is a range of Kubernetes minors, both ends included.
type Range struct {
	Min string `json:"min"`
	Max string `json:"max"`
}

// Bad is a patch release that must not be installed.
type Bad struct {
	Patch uint64 `json:"patch"`
	Why   string `json:"why"`
}

// Minor is what is known of one minor of Karpenter.
type Minor struct {
	// Name of the minor, such as 1.14.
	Name string `json:"minor"`
	// Patch is the newest patch known.
	Patch uint64 `json:"patch"`
	// Kubernetes minors that it supports. Below the minimum it does not work; above the maximum Karpenter logs an error and
	// goes on (pkg/providers/version of the provider, all releases).
	Kubernetes Range `json:"kubernetes"`
	// Served are the API versions of karpenter.sh that its CRDs serve.
	Served []string `json:"served"`
	// Stored is the API version that its CRDs store.
	Stored string `json:"stored"`
	// Conversion is the first patch whose CRDs convert by webhook; nil for none.
	Conversion *uint64 `json:"conversion,omitempty"`
	// Stop says why an upgrade across this minor must stop at it; empty for none.
	Stop string `json:"stop,omitempty"`
	// Bad are its patches that must not be installed.
	Bad []Bad `json:"bad,omitempty"`

	version *semver.Version
}

// Latest is the newest patch release known of the minor.
func (m Minor) Latest() *semver.Version {
	return semver.New(m.version.Major(), m.version.Minor(), m.Patch, "", "")
}

// BadPatch says why a patch must not be installed; empty when it may.
func (m Minor) BadPatch(patch uint64) string {
	for _, b := range m.Bad {
		if b.Patch == patch {
			return b.Why
		}
	}
	return ""
}

// Catalog is what is known of Karpenter's releases, oldest minor first.
type Catalog struct {
	minors []Minor
}

// Load reads the catalogue that is built in.
func Load() (*Catalog, error) {
	return parse(embedded)
}

func parse(data []byte) (*Catalog, error) {
	var doc struct {
		Minors []Minor `json:"minors"`
	}
	if err := yaml.UnmarshalStrict(data, &doc); err != nil {
		return nil, fmt.Errorf("reading the version catalogue: %w", err)
	}
	for i := range doc.Minors {
		v, err := semver.NewVersion(doc.Minors[i].Name)
		if err != nil {
			return nil, fmt.Errorf("version catalogue: minor %q: %w", doc.Minors[i].Name, err)
		}
		doc.Minors[i].version = v
		if i > 0 && !doc.Minors[i-1].version.LessThan(v) {
			return nil, fmt.Errorf("version catalogue: minor %q is not newer than the one before it", doc.Minors[i].Name)
		}
	}
	if len(doc.Minors) == 0 {
		return nil, fmt.Errorf("version catalogue: it has no minors")
	}
	return &Catalog{minors: doc.Minors}, nil
}

// Find is the row of the minor that v belongs to; false when the catalogue does not know it.
func (c *Catalog) Find(v *semver.Version) (Minor, bool) {
	for _, m := range c.minors {
		if m.version.Major() == v.Major() && m.version.Minor() == v.Minor() {
			return m, true
		}
	}
	return Minor{}, false
}

// Minors are all rows, oldest first.
func (c *Catalog) Minors() []Minor {
	return c.minors
}

// Newest is the newest row.
func (c *Catalog) Newest() Minor {
	return c.minors[len(c.minors)-1]
}

// Stops are the minors at which an upgrade from one version to another must stop, oldest first: those that it crosses and
// which say so. The minors of from and to themselves are no stops.
func (c *Catalog) Stops(from, to *semver.Version) []Minor {
	var stops []Minor
	for _, m := range c.minors {
		afterFrom := m.version.Major() > from.Major() || (m.version.Major() == from.Major() && m.version.Minor() > from.Minor())
		beforeTo := m.version.Major() < to.Major() || (m.version.Major() == to.Major() && m.version.Minor() < to.Minor())
		if m.Stop != "" && afterFrom && beforeTo {
			stops = append(stops, m)
		}
	}
	return stops
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
	minor := semver.New(kubernetes.Major(), kubernetes.Minor(), 0, "", "")
	switch {
	case minor.LessThan(lo):
		return -1, nil
	case minor.GreaterThan(hi):
		return 1, nil
	default:
		return 0, nil
	}
}
