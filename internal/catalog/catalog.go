package catalog

import (
	"embed"
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
)

//go:embed data/*.yaml
var embedded embed.FS

// Catalog is what is known of Karpenter's releases, oldest minor first. It does not change; With makes another one.
type Catalog struct {
	rows []Row
	// raw are the rows as they were written, by minor, for With.
	raw map[string]map[string]any
}

// Load reads the catalogue that is built in.
func Load() (*Catalog, error) {
	files, err := embedded.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("reading the version catalogue: %w", err)
	}
	raw := map[string]map[string]any{}
	for _, f := range files {
		doc, err := embedded.ReadFile("data/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the version catalogue: %w", err)
		}
		if err := overlay(raw, doc); err != nil {
			return nil, fmt.Errorf("version catalogue, %s: %w", f.Name(), err)
		}
	}
	c, err := resolve(raw)
	if err != nil {
		return nil, fmt.Errorf("version catalogue: %w", err)
	}
	return c, nil
}

// With is the catalogue with rows added to it, or laid over its own. The document has the form of the embedded ones: a list
// `minors`. A row of a minor that is there already changes only the fields that it has, by the rules of a JSON merge patch (RFC
// 7396): objects are merged, lists are replaced, null removes.
//
// Nothing is taken over of a document with an error. The error then is a *RowError, which names row, field and fix.
func (c *Catalog) With(doc []byte) (*Catalog, error) {
	raw := make(map[string]map[string]any, len(c.raw))
	for minor, row := range c.raw {
		raw[minor] = row
	}
	if err := overlay(raw, doc); err != nil {
		return nil, err
	}
	return resolve(raw)
}

// Find is the row of the minor that v belongs to; false when the catalogue does not know it.
func (c *Catalog) Find(v *semver.Version) (*Row, bool) {
	for i := range c.rows {
		if c.rows[i].version.Equal(minorOf(v)) {
			return &c.rows[i], true
		}
	}
	return nil, false
}

// Rows are all rows, oldest first.
func (c *Catalog) Rows() []Row {
	return slices.Clone(c.rows)
}

// Oldest is the oldest row.
func (c *Catalog) Oldest() *Row {
	return &c.rows[0]
}

// Newest is the newest row.
func (c *Catalog) Newest() *Row {
	return &c.rows[len(c.rows)-1]
}

// At is what holds for a release. For one whose minor the catalogue does not know that is false, and what holds for the newest
// release before it.
func (c *Catalog) At(v *semver.Version) (State, bool) {
	if row, known := c.Find(v); known {
		return row.At(v.Patch()), true
	}
	row := c.Oldest()
	for i := range c.rows {
		if c.rows[i].version.LessThan(v) {
			row = &c.rows[i]
		}
	}
	return row.At(row.Patch), false
}

// Entered are the rows of the minors that an upgrade from one version to another enters, oldest first: those after that of from,
// up to and with that of to.
func (c *Catalog) Entered(from, to *semver.Version) []*Row {
	var out []*Row
	for i := range c.rows {
		if minorOf(from).LessThan(c.rows[i].version) && !c.rows[i].version.GreaterThan(to) {
			out = append(out, &c.rows[i])
		}
	}
	return out
}
