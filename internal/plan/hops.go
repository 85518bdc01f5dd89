package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

// Request asks for the way from one version to another.
type Request struct {
	From, To string
	// Strategy of the last hop; empty for BlueGreen.
	Strategy v1alpha1.Strategy
	// Stops are the releases to stop at, where the way has to stop; the newest good patch release otherwise.
	Stops []string
}

// RequestOf asks for the way from a version to the target of a spec.
func RequestOf(from string, spec *v1alpha1.KarpenterUpgradeSpec) Request {
	return Request{From: from, To: spec.Target.Version, Strategy: spec.Strategy, Stops: spec.Target.Stops}
}

// Hops finds the shortest way from one version to another on which no stop is left out, the target last, and says of each hop what
// it takes, what it changes and how far back it leads. It is pure: the same catalogue and request give the same hops.
func Hops(c *catalog.Catalog, req Request) ([]v1alpha1.Hop, *Refusal) {
	if req.Strategy == "" {
		req.Strategy = v1alpha1.StrategyBlueGreen
	}
	from, to, refusal := ends(c, req)
	if refusal != nil {
		return nil, refusal
	}
	path, refusal := stops(c, from, to, req.Stops)
	if refusal != nil {
		return nil, refusal
	}
	path = append(path, to)

	hops := make([]v1alpha1.Hop, 0, len(path))
	floor := &rollback{to: from}
	at := from
	for i, next := range path {
		l := leg{catalog: c, from: at, to: next}
		strategy, swapped := v1alpha1.StrategyInPlace, false
		if i == len(path)-1 {
			strategy = l.strategy(req.Strategy)
			swapped = strategy != req.Strategy
		}
		hop := v1alpha1.Hop{
			Version: next.String(), Strategy: strategy, StoredVersion: l.stored(), Preconditions: l.preconditions(), Changes: l.changes(swapped),
		}
		hop.RollbackTo, hop.PointOfNoReturn = floor.pass(l)
		hops = append(hops, hop)
		at = next
	}
	return hops, nil
}

// stops are the releases to stop at: those preferred, or else the newest good patch release of the newest minor that will do.
func stops(c *catalog.Catalog, from, to *semver.Version, preferred []string) ([]*semver.Version, *Refusal) {
	legs := c.Stops(from, to)
	out := make([]*semver.Version, len(legs))
	for _, p := range preferred {
		v, i, refusal := stop(legs, p)
		switch {
		case refusal != nil:
			return nil, refusal
		case i < 0:
			return nil, &Refusal{CodeStopInvalid, stopsField, fmt.Sprintf("%s is no stop on the way from %s to %s", p, from, to), whichStops(legs)}
		case out[i] != nil:
			return nil, &Refusal{CodeStopInvalid, stopsField, fmt.Sprintf("%s and %s are one stop on the way from %s to %s", out[i], p, from, to), "remove one of them"}
		}
		out[i] = v
	}
	for i, leg := range legs {
		if out[i] == nil {
			out[i] = leg[len(leg)-1].Latest()
		}
	}
	return out, nil
}

// stop finds the stop that a preferred release is for; -1 for none.
func stop(legs [][]*catalog.Row, preferred string) (*semver.Version, int, *Refusal) {
	v, err := semver.StrictNewVersion(preferred)
	if err != nil {
		return nil, -1, &Refusal{CodeStopInvalid, stopsField, fmt.Sprintf("%q is no version", preferred), "write a release such as 1.0.8, or remove it"}
	}
	for i, leg := range legs {
		for _, row := range leg {
			if row.Latest().Major() != v.Major() || row.Latest().Minor() != v.Minor() {
				continue
			}
			if why := row.BadPatch(v.Patch()); why != "" {
				return nil, -1, &Refusal{CodeStopInvalid, stopsField, fmt.Sprintf("Karpenter %s must not be used: %s", v, why), "set it to " + row.Latest().String()}
			}
			return v, i, nil
		}
	}
	return v, -1, nil
}

func whichStops(legs [][]*catalog.Row) string {
	if len(legs) == 0 {
		return "remove it: this way has no stop"
	}
	var names []string
	for _, leg := range legs {
		minors := make([]string, 0, len(leg))
		for _, row := range leg {
			minors = append(minors, row.Minor)
		}
		names = append(names, "a release of "+strings.Join(minors, " or "))
	}
	return "remove it; the stops are " + strings.Join(names, ", and ")
}

// leg is the way between two neighbours of a path.
type leg struct {
	catalog  *catalog.Catalog
	from, to *semver.Version
}

// states are what holds before and after the leg.
func (l leg) states() (before, after catalog.State) {
	before, _ = l.catalog.At(l.from)
	after, _ = l.catalog.At(l.to)
	return before, after
}

// strategy of the last hop. While a CRD converts between two versions, one release alone can serve the webhook for it, so a hop
// that changes what is stored is in place.
func (l leg) strategy(asked v1alpha1.Strategy) v1alpha1.Strategy {
	if l.stored() != "" {
		return v1alpha1.StrategyInPlace
	}
	return asked
}

// stored is the version in which all objects have to be stored when the leg ends; empty when there is nothing to rewrite.
func (l leg) stored() string {
	before, after := l.states()
	for _, crd := range kinds(before) {
		if now, stays := after.Kinds[crd]; stays && now.Stored != before.Kinds[crd].Stored {
			return now.Stored
		}
	}
	return ""
}

// dropped are the versions that are served before the leg and not after it, of kinds that stay.
func (l leg) dropped() []string {
	before, after := l.states()
	var out []string
	for _, crd := range kinds(before) {
		if _, stays := after.Kinds[crd]; !stays {
			continue
		}
		for _, version := range before.Kinds[crd].Served {
			if !after.Serves(crd, version) && !slices.Contains(out, version) {
				out = append(out, version)
			}
		}
	}
	return out
}

// replacesKinds says that the kinds that users write are others after the leg than before it: Provisioners become NodePools.
func (l leg) replacesKinds() bool {
	const pools = "nodepools.karpenter.sh"
	before, after := l.states()
	_, had := before.Kinds[pools]
	_, has := after.Kinds[pools]
	return has && !had
}
