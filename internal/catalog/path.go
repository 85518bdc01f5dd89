package catalog

import (
	"github.com/Masterminds/semver/v3"
)

// Direct says that a release may be upgraded to a newer one without a stop on the way.
func (c *Catalog) Direct(from, to *semver.Version) bool {
	return from.LessThan(to) && !minorOf(from).LessThan(c.oldestInto(to))
}

// oldestInto is the oldest minor from which a release may be entered. validate has seen that it is a version.
func (c *Catalog) oldestInto(to *semver.Version) *semver.Version {
	state, _ := c.At(to)
	oldest, err := semver.NewVersion(state.Enter.Oldest)
	if err != nil {
		return to
	}
	return oldest
}

// Stops are the stops of a shortest way from one version to another, oldest first; none when there is no need to stop. Each stop
// is one minor out of several: those between the neighbours that lead just as far, oldest first, so that the last is the one
// to prefer.
//
// It is nil too where there is no way, which is when from is older than all rows.
func (c *Catalog) Stops(from, to *semver.Version) [][]*Row {
	var stops [][]*Row
	for at := to; !c.Direct(from, at); {
		stop := c.before(from, at)
		if len(stop) == 0 {
			return nil
		}
		stops = append([][]*Row{stop}, stops...)
		at = stop[len(stop)-1].version
	}
	return stops
}

// before are the minors after from that lead to a release and can themselves be entered from furthest back.
func (c *Catalog) before(from, at *semver.Version) []*Row {
	var best []*Row
	var reach *semver.Version
	for i := range c.rows {
		row := &c.rows[i]
		if !minorOf(from).LessThan(row.version) || !row.version.LessThan(minorOf(at)) || !c.Direct(row.version, at) {
			continue
		}
		back := c.oldestInto(row.version)
		if reach == nil || back.LessThan(reach) {
			best, reach = nil, back
		}
		if back.Equal(reach) {
			best = append(best, row)
		}
	}
	return best
}

// RollbackTargets are the newest patch releases of each minor, oldest first, to which a release can be taken back together with
// its CRDs.
func (c *Catalog) RollbackTargets(v *semver.Version) []*semver.Version {
	state, _ := c.At(v)
	constraint, err := semver.NewConstraint(state.Rollback)
	if err != nil {
		return nil // validate has seen that it is one
	}
	var out []*semver.Version
	for i := range c.rows {
		row := &c.rows[i]
		for patch := int64(row.Patch); patch >= 0; patch-- {
			back := semver.New(row.version.Major(), row.version.Minor(), uint64(patch), "", "")
			if back.LessThan(v) && row.BadPatch(back.Patch()) == "" && constraint.Check(back) {
				out = append(out, back)
				break
			}
		}
	}
	return out
}

// CanGoBack says that a release can be taken back to an older one together with its CRDs.
func (c *Catalog) CanGoBack(from, to *semver.Version) bool {
	state, _ := c.At(from)
	constraint, err := semver.NewConstraint(state.Rollback)
	return err == nil && to.LessThan(from) && constraint.Check(to)
}
