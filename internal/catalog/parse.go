package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// RowError says what is wrong with a document of rows.
type RowError struct {
	// Row is the minor, or which row of the document it is; empty when it is about the document.
	Row string
	// Field of the row; empty when it is about the whole row.
	Field    string
	Why, Fix string
}

// Error implements error.
func (e *RowError) Error() string {
	return fmt.Sprintf("%s: %s; %s", e.Where(), e.Why, e.Fix)
}

// Where names the row and the field.
func (e *RowError) Where() string {
	switch {
	case e.Row == "":
		return "the document"
	case e.Field == "":
		return fmt.Sprintf("row %q", e.Row)
	default:
		return fmt.Sprintf("row %q, field %s", e.Row, e.Field)
	}
}

// Problem is a document of rows, of some object in the cluster, that was refused.
type Problem struct {
	// Object is the one that the document is in, as Kind/namespace/name.
	Object   string
	Why, Fix string
}

// overlay lays the rows of a document over others. The rows that it changes are copied.
func overlay(raw map[string]map[string]any, doc []byte) error {
	var parsed struct {
		Minors []map[string]any `json:"minors"`
	}
	if err := yaml.UnmarshalStrict(doc, &parsed); err != nil {
		return &RowError{Why: fmt.Sprintf("it is no list of rows: %v", err), Fix: "write `minors:` and under it a list of rows, each with its `minor`"}
	}
	if len(parsed.Minors) == 0 {
		return &RowError{Why: "it has no rows", Fix: "write `minors:` and under it a list of rows, or remove it"}
	}
	seen := map[string]bool{}
	for i, row := range parsed.Minors {
		minor, isString := row["minor"].(string)
		if !isString {
			return &RowError{Row: fmt.Sprint(i + 1), Field: "minor", Why: fmt.Sprintf("%v is no string", row["minor"]), Fix: `write the minor in quotes, such as "1.10"`}
		}
		if seen[minor] {
			return &RowError{Row: minor, Why: "it is there twice", Fix: "make one row of both"}
		}
		seen[minor] = true
		raw[minor] = merge(raw[minor], row, true)
	}
	return nil
}

// merge is a JSON merge patch (RFC 7396) of two objects. It changes neither. Nulls are kept where the result is itself a patch.
func merge(base, patch map[string]any, keepNulls bool) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range patch {
		switch value := value.(type) {
		case nil:
			if delete(out, key); keepNulls {
				out[key] = nil
			}
		case map[string]any:
			old, _ := out[key].(map[string]any)
			out[key] = merge(old, value, keepNulls)
		default:
			out[key] = value
		}
	}
	return out
}

// resolve makes a catalogue of rows as they were written: it orders them, gives each the state that it left out, and validates
// the whole.
func resolve(raw map[string]map[string]any) (*Catalog, error) {
	minors, err := inOrder(raw)
	if err != nil {
		return nil, err
	}
	c := &Catalog{raw: raw}
	state := map[string]any{}
	for _, minor := range minors {
		row := Row{}
		if err := decode(minor.Original(), "", raw[minor.Original()], &row); err != nil {
			return nil, err
		}
		own, _ := raw[minor.Original()]["state"].(map[string]any)
		state = merge(state, own, false)
		row.version = minor
		if err := row.resolve(state, raw[minor.Original()]["exceptions"]); err != nil {
			return nil, err
		}
		row.State = row.patches[0].state
		c.rows = append(c.rows, row)
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func inOrder(raw map[string]map[string]any) ([]*semver.Version, error) {
	out := make([]*semver.Version, 0, len(raw))
	for _, minor := range slices.Sorted(maps.Keys(raw)) {
		v, err := semver.NewVersion(minor)
		if err != nil || !isMinor.MatchString(minor) {
			return nil, &RowError{Row: minor, Field: "minor", Why: "it is no minor of Karpenter", Fix: `write one such as "1.15"`}
		}
		out = append(out, v)
	}
	slices.SortFunc(out, (*semver.Version).Compare)
	return out, nil
}

// resolve fills in what holds from which patch release on.
func (r *Row) resolve(state map[string]any, exceptions any) error {
	if err := r.add(0, "state", state); err != nil {
		return err
	}
	list, _ := exceptions.([]any)
	for i, e := range list {
		field := fmt.Sprintf("exceptions[%d]", i)
		exception, _ := e.(map[string]any)
		own, _ := exception["state"].(map[string]any)
		if len(own) == 0 {
			return &RowError{Row: r.Minor, Field: field + ".state", Why: "it says nothing", Fix: "write what the patch releases have otherwise, or remove the exception"}
		}
		state = merge(state, own, false)
		if err := r.add(r.Exceptions[i].From, field+".state", state); err != nil {
			return err
		}
	}
	return nil
}

func (r *Row) add(from uint64, field string, state map[string]any) error {
	p := patchState{from: from}
	if err := decode(r.Minor, field, state, &p.state); err != nil {
		return err
	}
	r.patches = append(r.patches, p)
	return nil
}

// decode reads an object of a row. Fields that do not exist are errors: a misspelt one would go unnoticed.
func decode(row, field string, in any, out any) error {
	doc, err := json.Marshal(in)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(doc))
		d.DisallowUnknownFields()
		err = d.Decode(out)
	}
	if err != nil {
		return &RowError{Row: row, Field: field, Why: err.Error(), Fix: "correct or remove it; docs/reference/versions.md lists the fields"}
	}
	return nil
}
