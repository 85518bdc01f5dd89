package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

// The API takes so many texts of a hop, each so long (v1alpha1.Truncate).
const maxTexts, maxText = 32, 1000

// preconditions are what must hold before the controller of the leg's end starts.
func (l leg) preconditions() []string {
	_, after := l.states()
	out := []string{fmt.Sprintf("Kubernetes %s or later (Karpenter %s is tested up to %s)", after.Kubernetes.Min, l.to, after.Kubernetes.Max)}
	if dropped := l.dropped(); len(dropped) > 0 && l.stored() == "" {
		out = append(out, fmt.Sprintf("no object is stored as %s (status.storedVersions of the CRDs): the run rewrites those that may be", strings.Join(dropped, " or ")))
	}
	var texts texts
	var actions []string
	for _, row := range l.catalog.Entered(l.from, l.to) {
		texts.add(row.Minor, row.Requires...)
		texts.add(row.Minor+", AWS", row.IAM.Notes...)
		for _, a := range row.IAM.Add {
			actions = append(actions, fmt.Sprintf("%s (%s)", a, row.Minor))
		}
	}
	if len(actions) > 0 {
		texts.add("the controller's role allows", strings.Join(actions, ", "))
	}
	return bounded(append(out, texts...))
}

// changes are what the leg changes. swapped says that it is in place although another strategy was asked for.
func (l leg) changes(swapped bool) []string {
	var texts texts
	if swapped {
		texts = append(texts, "the controller is replaced in place, since one release alone can serve the conversion between the versions of the API; "+
			"nodes are replaced afterwards")
	}
	texts = append(texts, l.apiChanges()...)
	for _, row := range l.catalog.Entered(l.from, l.to) {
		texts.add(row.Minor, row.Breaks...)
		texts.add(row.Minor+", drift", row.Drift...)
		texts.add(row.Minor+", going back", row.Loses...)
		texts.add(row.Minor+", names", renames(row.Names)...)
		texts.add(row.Minor+", metrics", renames(row.Metrics)...)
		texts.add(row.Minor+", chart values", renames(row.Values)...)
		if len(row.IAM.Remove) > 0 {
			texts.add(row.Minor+", no longer needed of AWS", strings.Join(row.IAM.Remove, ", "))
		}
	}
	return bounded(texts)
}

// apiChanges are what the leg changes in Karpenter's API.
func (l leg) apiChanges() []string {
	before, after := l.states()
	var out, added, gone []string
	for _, crd := range kinds(after) {
		if _, had := before.Kinds[crd]; !had {
			added = append(added, crd)
		}
	}
	for _, crd := range kinds(before) {
		if _, has := after.Kinds[crd]; !has {
			gone = append(gone, crd)
		}
	}
	if len(added) > 0 {
		out = append(out, "new CRDs: "+strings.Join(added, ", "))
	}
	if len(gone) > 0 {
		out = append(out, "no longer read: "+strings.Join(gone, ", "))
	}
	if l.replacesKinds() {
		out = append(out, "Provisioners and AWSNodeTemplates are converted to NodePools and EC2NodeClasses, all nodes are replaced, and the former deleted")
	}
	if stored := l.stored(); stored != "" {
		out = append(out, fmt.Sprintf("objects are stored as %s: all are rewritten, and status.storedVersions is cut to [%s]", stored, stored))
	}
	if dropped := l.dropped(); len(dropped) > 0 {
		out = append(out, strings.Join(dropped, " and ")+" is not served any more")
	}
	return append(out, hashChanges(before.Hashes, after.Hashes)...)
}

func hashChanges(before, after catalog.Hashes) []string {
	if before == after {
		return nil
	}
	word := func(h catalog.Hashes) string {
		if h.NodePool == "" {
			return "without versions"
		}
		return fmt.Sprintf("NodePool %s, EC2NodeClass %s", h.NodePool, h.NodeClass)
	}
	return []string{fmt.Sprintf("hashes (%s) become %s: nodes are stamped anew, and do not drift for that", word(before), word(after))}
}

func renames(in []catalog.Rename) []string {
	out := make([]string, 0, len(in))
	for _, n := range in {
		text := strings.TrimSpace(n.What + " " + n.From)
		if n.To == "" {
			out = append(out, text+" is gone")
		} else {
			out = append(out, text+" is now "+n.To)
		}
	}
	return out
}

// texts are lines, each with what it is about in front.
type texts []string

// add adds clauses about one thing, as few lines as hold them.
func (t *texts) add(about string, clauses ...string) {
	line := ""
	for _, clause := range clauses {
		switch {
		case line == "":
			line = about + ": " + clause
		case len(line)+len(clause) > maxText:
			*t = append(*t, line)
			line = about + ": " + clause
		default:
			line += "; " + clause
		}
	}
	if line != "" {
		*t = append(*t, line)
	}
}

// bounded cuts texts to what the API takes.
func bounded(in []string) []string {
	out := slices.Clone(in)
	if len(out) > maxTexts {
		out = append(out[:maxTexts-1:maxTexts-1], fmt.Sprintf("and %d more: see docs/reference/versions.md", len(in)-maxTexts+1))
	}
	for i := range out {
		out[i] = v1alpha1.Truncate(out[i])
	}
	return out
}

// rollback is how far back a rollback leads from where the way has come to; to is nil for nowhere.
type rollback struct {
	to *semver.Version
}

// pass says how far back a rollback during or after a leg leads, and what in it cannot be taken back.
func (r *rollback) pass(l leg) (to, pointOfNoReturn string) {
	switch {
	case l.replacesKinds():
		pointOfNoReturn = fmt.Sprintf("once Provisioners and AWSNodeTemplates have been deleted, at the end of the hop, a rollback ends at %s", l.to)
		if r.to != nil && !l.catalog.CanGoBack(l.to, l.from) {
			r.to = nil
			pointOfNoReturn = fmt.Sprintf("the hop itself: Karpenter %s cannot be taken back to %s", l.to, l.from)
		}
		to = r.word()
		r.to = l.to
		return to, pointOfNoReturn
	case l.stored() == "" && len(l.dropped()) > 0 && !r.to.Equal(l.from):
		pointOfNoReturn = fmt.Sprintf("its CRDs no longer serve %s: from here a rollback ends at %s, and %s does not come back",
			strings.Join(l.dropped(), " and "), l.from, r.to)
		r.to = l.from
	}
	return r.word(), pointOfNoReturn
}

func (r *rollback) word() string {
	if r.to == nil {
		return ""
	}
	return r.to.String()
}

// irreversible says what a rollback of a run over these hops does not bring back.
func irreversible(hops []v1alpha1.Hop) []string {
	var out []string
	for _, h := range hops {
		if h.PointOfNoReturn != "" {
			out = append(out, fmt.Sprintf("hop to %s: %s", h.Version, h.PointOfNoReturn))
		}
	}
	if last := hops[len(hops)-1]; last.StoredVersion == "" {
		out = append(out, fmt.Sprintf("Karpenter's CRDs stay at %s, which serves all that %s stores; older served versions do not come back", last.Version, last.RollbackTo))
	}
	return append(out, "nodes that were replaced are not restored: after a rollback their workloads run on new nodes of the same NodePools")
}

// kinds are the names of the CRDs of a state, in order.
func kinds(s catalog.State) []string {
	return slices.Sorted(maps.Keys(s.Kinds))
}
