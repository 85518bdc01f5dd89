package plan

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

// releases are all releases that the catalogue knows, oldest first.
func releases(c *catalog.Catalog) []*semver.Version {
	var out []*semver.Version
	for _, row := range c.Rows() {
		first := semver.MustParse(row.Minor + ".0")
		for patch := range row.Patch + 1 {
			out = append(out, semver.New(first.Major(), first.Minor(), patch, "", ""))
		}
	}
	return out
}

// legal says, by other means than the planner, that a release may be upgraded to another one directly: the other one is newer, not
// bad, serves what the first one stores, and where the first one is 0.32 it is not 1.0 yet, whose guide begins at 0.33.
func legal(c *catalog.Catalog, from, to *semver.Version) bool {
	if !from.LessThan(to) {
		return false
	}
	if row, known := c.Find(to); known && row.BadPatch(to.Patch()) != "" {
		return false
	}
	before, _ := c.At(from)
	after, _ := c.At(to)
	if _, alpha := before.Kinds["provisioners.karpenter.sh"]; alpha && to.Major() >= 1 {
		return false
	}
	for crd, kind := range before.Kinds {
		if after.Serves(crd, kind.Stored) && slices.Contains(userKinds, crd) {
			return true
		}
	}
	return false
}

// userKinds are the kinds that nodes are launched by.
var userKinds = []string{"provisioners.karpenter.sh", "nodepools.karpenter.sh"}

// fewest is how many hops the shortest legal way has, found by looking at all ways over the newest releases of each minor.
func fewest(c *catalog.Catalog, from, to *semver.Version) int {
	reached := []*semver.Version{from}
	for hops := 1; hops < 10; hops++ {
		var next []*semver.Version
		for _, at := range reached {
			if legal(c, at, to) {
				return hops
			}
			for _, row := range c.Rows() {
				v := row.Latest()
				if legal(c, at, v) && v.LessThan(to) && !slices.ContainsFunc(next, v.Equal) {
					next = append(next, v)
				}
			}
		}
		reached = next
	}
	return -1
}

func TestEveryWayIsLegalShortestAndTheSameAgain(t *testing.T) {
	c := versions(t)
	all := releases(c)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		from, to := all[r.IntN(len(all))], all[r.IntN(len(all))]
		if r.IntN(10) == 0 {
			to = semver.New(1, c.Newest().Latest().Minor()+1+uint64(r.IntN(3)), uint64(r.IntN(3)), "", "")
		}
		req := Request{From: from.String(), To: to.String(), Strategy: v1alpha1.StrategyBlueGreen}
		g := NewWithT(t)
		hops, refusal := Hops(c, req)
		again, _ := Hops(c, req)
		g.Expect(again).To(Equal(hops), "%s to %s", from, to)
		if refusal != nil {
			row, known := c.Find(to)
			bad := known && row.BadPatch(to.Patch()) != ""
			g.Expect(bad || !from.LessThan(to) || to.Major() == 0).To(BeTrue(), "%s to %s is refused: %s", from, to, refusal.Why)
			continue
		}
		at := from
		for i, h := range hops {
			next := semver.MustParse(h.Version)
			g.Expect(legal(c, at, next)).To(BeTrue(), "%s to %s: the hop from %s to %s", from, to, at, next)
			strategy := v1alpha1.StrategyBlueGreen
			if i < len(hops)-1 || h.StoredVersion != "" {
				strategy = v1alpha1.StrategyInPlace
			}
			g.Expect(h.Strategy).To(Equal(strategy), "%s to %s at %s", from, to, next)
			if h.RollbackTo != "" {
				g.Expect(semver.MustParse(h.RollbackTo).LessThan(next)).To(BeTrue(), "%s to %s: back from %s", from, to, next)
			}
			g.Expect(len(h.Changes)).To(BeNumerically("<=", 32))
			g.Expect(len(h.Preconditions)).To(And(BeNumerically(">=", 1), BeNumerically("<=", 32)))
			for _, text := range slices.Concat(h.Changes, h.Preconditions, []string{h.PointOfNoReturn}) {
				g.Expect(len(text)).To(BeNumerically("<=", 1024))
			}
			at = next
		}
		g.Expect(at.Equal(to)).To(BeTrue())
		g.Expect(hops).To(HaveLen(fewest(c, from, to)), "%s to %s", from, to)
	}
}

// Whatever a user prefers, the way is refused or keeps to it, and stays legal.
func TestPreferredStopsAreKeptOrRefused(t *testing.T) {
	c := versions(t)
	all := releases(c)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	kept := 0
	for range 2000 {
		from, to := all[r.IntN(len(all))], all[r.IntN(len(all))]
		var stops []string
		for range 1 + r.IntN(2) {
			stops = append(stops, all[r.IntN(len(all))].String())
		}
		g := NewWithT(t)
		plain, refused := Hops(c, Request{From: from.String(), To: to.String()})
		hops, refusal := Hops(c, Request{From: from.String(), To: to.String(), Stops: stops})
		if refused != nil {
			g.Expect(refusal).To(Equal(refused), "stops do not make a way of what is none")
			continue
		}
		if refusal != nil {
			g.Expect(refusal).To(And(HaveField("Code", CodeStopInvalid), HaveField("Object", stopsField)))
			continue
		}
		kept++
		g.Expect(hops).To(HaveLen(len(plain)))
		at := from
		var names []string
		for _, h := range hops {
			next := semver.MustParse(h.Version)
			g.Expect(legal(c, at, next)).To(BeTrue(), "%s to %s with %v: the hop from %s to %s", from, to, stops, at, next)
			at = next
			names = append(names, h.Version)
		}
		g.Expect(names).To(ContainElements(stops))
	}
	NewWithT(t).Expect(kept).To(BeNumerically(">", 0))
}
