package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// expiryWindow is how long a run may take, for what comes by itself meanwhile: a few hours for most, a day for thousands of nodes or with
// maintenance windows.
const expiryWindow = 24 * time.Hour

// A mass expires when so many NodeClaims of one NodePool, and so many of a hundred of its nodes, expire within an hour: Karpenter's own
// budget for everything else is ten of a hundred.
const (
	massAtLeast  = 3
	massPercent  = 20
	massInterval = time.Hour
)

// expiryChecks are about NodeClaims that become too old. From 1.0 on Karpenter deletes them then, whatever budgets, PodDisruptionBudgets
// and do-not-disrupt annotations say of the node, and before there is another node (sigs.k8s.io/karpenter
// pkg/controllers/nodeclaim/expiration; the 1.0 migration guide). That is so whatever the run does with the nodes, so these hold with
// spec.nodes: Keep too.
func expiryChecks() []Check {
	return []Check{
		{Code: "MassExpiry", Severity: v1alpha1.SeverityWarning, Find: massExpiry},
		{Code: "NodeClaimsExpire", Severity: v1alpha1.SeverityWarning, Find: nodeClaimsExpire},
	}
}

// expiring are the NodeClaims that expire within the window, or have expired, by when, the first first.
func (in Input) expiring() []*snapshot.NodeClaim {
	if in.Plan == nil {
		return nil
	}
	end := in.Snapshot.TakenAt.Add(expiryWindow)
	var out []*snapshot.NodeClaim
	for _, c := range in.claims() {
		if at, ok := c.Expires(); ok && c.Deleted.IsZero() && at.Before(end) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *snapshot.NodeClaim) int { return expires(a).Compare(expires(b)) })
	return out
}

func expires(c *snapshot.NodeClaim) time.Time {
	at, _ := c.Expires()
	return at
}

// forceful says that the way enters 1.0, where expiry becomes forceful: all that has expired until then goes at the first start of 1.0.
func (in Input) forceful() bool {
	source := in.source()
	if source == nil {
		return false
	}
	v, err := semver.NewVersion(source.Version)
	return err == nil && v.Major() < 1
}

const (
	expiryFixBefore = "before the run, kubectl patch nodepool NAME --type merge -p '{\"spec\":{\"disruption\":{\"expireAfter\":\"Never\"}}}' for their NodePools, which causes no drift before 1.0 and holds for the nodes that are there; the run replaces them"
	expiryFixAfter  = "start the run afterwards, or replace them a few at a time before: kubectl delete nodeclaim NAME; a change of the NodePool's expireAfter does not reach NodeClaims that are there, and drifts them"
)

func (in Input) expiryFix() string {
	if in.forceful() {
		return expiryFixBefore
	}
	return expiryFixAfter
}

func nodeClaimsExpire(in Input) []Hit {
	all := in.expiring()
	if len(all) == 0 {
		return nil
	}
	now := in.Snapshot.TakenAt
	expired := 0
	for _, c := range all {
		if !expires(c).After(now) {
			expired++
		}
	}
	when := fmt.Sprintf("%d have expired, and %d will within %d hours (%s)", expired, len(all)-expired, int(expiryWindow.Hours()), byPool(all))
	if expired < len(all) {
		when += ", the next at " + expires(all[expired]).UTC().Format(time.RFC3339)
	}
	why := "Karpenter deletes them then, before there is another node, and neither budgets of NodePools nor karpenter.sh/do-not-disrupt on the node hold that up"
	if in.forceful() {
		why = "Karpenter from 1.0 on deletes such NodeClaims at once, before there is another node, and budgets of NodePools do not hold that up, as they did before"
	}
	return one(claimNames(all), in.expiryFix(), "%s: %s", when, why)
}

// massExpiry finds NodePools of which so many nodes expire at about the same time that what runs there is away at once.
func massExpiry(in Input) []Hit {
	by := map[string][]*snapshot.NodeClaim{}
	for _, c := range in.expiring() {
		by[c.NodePool] = append(by[c.NodePool], c)
	}
	sizes := map[string]int{}
	for _, c := range in.claims() {
		sizes[c.NodePool]++
	}
	var out []Hit
	for _, pool := range sortedKeys(by) {
		n, at := in.mostWithin(by[pool])
		if n < massAtLeast || n*100 < sizes[pool]*massPercent {
			continue
		}
		when := "within the hour from " + at.UTC().Format(time.RFC3339)
		if !at.After(in.Snapshot.TakenAt) {
			when = "now"
			if in.forceful() {
				when = "as soon as Karpenter 1.0 starts"
			}
		}
		out = append(out, Hit{
			Objects: []string{"NodePool/" + pool},
			Why:     fmt.Sprintf("%d of its %d nodes expire %s, and Karpenter from 1.0 on drains them all at the same time, without nodes in their place", n, sizes[pool], when),
			Fix:     in.expiryFix(),
		})
	}
	return out
}

// mostWithin is the largest number of NodeClaims that expire within an interval, and when that begins. What has expired goes at once.
// The NodeClaims are in order.
func (in Input) mostWithin(claims []*snapshot.NodeClaim) (most int, from time.Time) {
	at := func(i int) time.Time {
		if t := expires(claims[i]); t.After(in.Snapshot.TakenAt) {
			return t
		}
		return in.Snapshot.TakenAt
	}
	first := 0
	for last := range claims {
		for at(last).Sub(at(first)) > massInterval {
			first++
		}
		if n := last - first + 1; n > most {
			most, from = n, at(first)
		}
	}
	return most, from
}
