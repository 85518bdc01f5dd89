package catalog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

var (
	isMinor      = regexp.MustCompile(`^[0-9]+[.][0-9]+$`)
	isCRD        = regexp.MustCompile(`^[a-z0-9]+([.][a-z0-9-]+)+$`)
	isAPIVersion = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)
	isAction     = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z]+( on [a-z-]+)?$`)
)

// validate finds what cannot be true in a catalogue whose rows are in order.
func (c *Catalog) validate() error {
	for i := range c.rows {
		row := &c.rows[i]
		if i > 0 && !follows(c.rows[i-1].version, row.version) {
			return &RowError{Row: row.Minor, Why: "the minors between " + c.rows[i-1].Minor + " and this one are missing", Fix: "add a row for each of them"}
		}
		if err := row.validate(); err != nil {
			return err
		}
		for j, p := range row.patches {
			field := "state"
			if j > 0 {
				field = fmt.Sprintf("exceptions[%d].state", j-1)
			}
			if e := c.validateState(row, &p.state); e != nil {
				e.Row, e.Field = row.Minor, field+"."+e.Field
				return e
			}
		}
	}
	return nil
}

// follows says that no minor can be between two: only the first of a major may follow any.
func follows(before, after *semver.Version) bool {
	if before.Major() == after.Major() {
		return after.Minor() == before.Minor()+1
	}
	return after.Major() == before.Major()+1 && after.Minor() == 0
}

func (r *Row) validate() error {
	wrong := func(field, fix, why string, args ...any) error {
		return &RowError{Row: r.Minor, Field: field, Why: fmt.Sprintf(why, args...), Fix: fix}
	}
	if len(r.Source) == 0 {
		return wrong("source", "say where the facts of the row come from", "it is missing")
	}
	for i, b := range r.Bad {
		if b.Patch > r.Patch || b.Why == "" {
			return wrong(fmt.Sprintf("bad[%d]", i), "give a patch up to `patch`, and say why", "patch %d of up to %d, why %q", b.Patch, r.Patch, b.Why)
		}
	}
	if r.BadPatch(r.Latest().Patch()) != "" {
		return wrong("bad", "leave one that may be installed", "no patch release is left")
	}
	for i, e := range r.Exceptions {
		if e.From == 0 || e.From > r.Patch || (i > 0 && e.From <= r.Exceptions[i-1].From) || len(e.Source) == 0 {
			return wrong(fmt.Sprintf("exceptions[%d]", i), "give a patch from 1 up to `patch`, after that of the exception before it, and a source",
				"from patch %d of up to %d, source %q", e.From, r.Patch, e.Source)
		}
	}
	return r.validateChanges(wrong)
}

func (r *Row) validateChanges(wrong func(field, fix, why string, args ...any) error) error {
	for _, action := range slices.Concat(r.IAM.Add, r.IAM.Remove) {
		if !isAction.MatchString(action) {
			return wrong("iam", "write one such as ec2:DescribeImages", "%q is no action", action)
		}
	}
	nothing := []string{""}
	for _, list := range []struct {
		field   string
		renames []Rename
		what    []string
	}{{"metrics", r.Metrics, nothing}, {"names", r.Names, []string{"label", "annotation", "taint", "tag"}}, {"values", r.Values, nothing}} {
		for i, n := range list.renames {
			if n.From == "" || !slices.Contains(list.what, n.What) {
				return wrong(fmt.Sprintf("%s[%d]", list.field, i), "give `from`, and for a name `what`: label, annotation, taint or tag", "from %q, what %q", n.From, n.What)
			}
		}
	}
	return nil
}

// validateState finds what cannot be true in a state. The error is without its row, its field relative to the state.
func (c *Catalog) validateState(row *Row, s *State) *RowError {
	if e := s.Kubernetes.validate(); e != nil {
		return e
	}
	if len(s.Kinds) == 0 {
		return &RowError{Field: "kinds", Why: "it is empty", Fix: "list the CRDs with what they serve and store"}
	}
	for _, crd := range slices.Sorted(maps.Keys(s.Kinds)) {
		if e := s.Kinds[crd].validate(crd); e != nil {
			return e
		}
	}
	if e := c.validateEnter(row, s.Enter); e != nil {
		return e
	}
	if !strings.HasPrefix(s.Chart.Repository, "oci://") {
		return &RowError{Field: "chart.repository", Why: fmt.Sprintf("%q is no OCI repository", s.Chart.Repository), Fix: "write one such as oci://public.ecr.aws/karpenter"}
	}
	if s.MetricsPort < 1 || s.MetricsPort > 65535 {
		return &RowError{Field: "metricsPort", Why: fmt.Sprintf("%d is no port", s.MetricsPort), Fix: "write one such as 8080"}
	}
	if _, err := semver.NewConstraint(s.Rollback); err != nil {
		return &RowError{Field: "rollback", Why: fmt.Sprintf("%q is no constraint on versions", s.Rollback), Fix: `write one such as ">=1.0.9"`}
	}
	return nil
}

func (c *Catalog) validateEnter(row *Row, e Enter) *RowError {
	first := &c.rows[0]
	oldest, err := semver.NewVersion(e.Oldest)
	if err == nil && isMinor.MatchString(e.Oldest) && !oldest.GreaterThan(row.version) && !oldest.LessThan(first.version) && e.Why != "" {
		return nil
	}
	return &RowError{Field: "enter", Why: fmt.Sprintf("oldest %q, why %q", e.Oldest, e.Why),
		Fix: fmt.Sprintf("give a minor from %s to %s, and say why older ones have to stop", first.Minor, row.Minor)}
}

func (r Range) validate() *RowError {
	if !isMinor.MatchString(r.Min) || !isMinor.MatchString(r.Max) {
		return &RowError{Field: "kubernetes", Why: fmt.Sprintf("min %q or max %q is no Kubernetes minor", r.Min, r.Max), Fix: `write both in quotes, such as "1.26"`}
	}
	if lo, hi := semver.MustParse(r.Min+".0"), semver.MustParse(r.Max+".0"); hi.LessThan(lo) {
		return &RowError{Field: "kubernetes", Why: fmt.Sprintf("min %s is above max %s", r.Min, r.Max), Fix: "put them in order"}
	}
	return nil
}

func (k Kind) validate(crd string) *RowError {
	switch {
	case !isCRD.MatchString(crd):
		return &RowError{Field: "kinds." + crd, Why: "it is no name of a CRD", Fix: "write one such as nodepools.karpenter.sh"}
	case !slices.Contains(k.Served, k.Stored):
		return &RowError{Field: "kinds." + crd, Why: fmt.Sprintf("it stores %q and serves %q", k.Stored, k.Served), Fix: "add what it stores to what it serves"}
	}
	for _, v := range k.Served {
		if !isAPIVersion.MatchString(v) {
			return &RowError{Field: "kinds." + crd, Why: fmt.Sprintf("%q is no API version", v), Fix: "write one such as v1"}
		}
	}
	return nil
}
