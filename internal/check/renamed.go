package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// renamedChecks are about names that Karpenter no longer uses. They are about the controller and not about what moves, so they hold
// with spec.nodes: Keep too.
func renamedChecks() []Check {
	return []Check{
		{Code: "RenamedLabelDemanded", Severity: v1alpha1.SeverityWarning, Find: renamedLabelDemanded},
		{Code: "RenamedTaintTolerated", Severity: v1alpha1.SeverityWarning, Find: renamedTaintTolerated},
	}
}

// rename is a name that the target does not use.
type rename struct {
	catalog.Rename
	// minor of Karpenter from which on it is not used, and whether the way enters it: the cluster may be past it already.
	minor   string
	entered bool
}

// renames of a kind up to the target. Names of Kubernetes that Karpenter has given up are left out where the cluster is past that:
// others use them.
func (in Input) renames(what string) []rename {
	source := in.source()
	if source == nil || in.Catalog == nil {
		return nil
	}
	from, err := semver.NewVersion(source.Version)
	if err != nil {
		return nil
	}
	to, err := semver.NewVersion(in.Spec.Target.Version)
	if err != nil {
		return nil
	}
	entered := in.Catalog.Entered(from, to)
	var out []rename
	for _, row := range in.Catalog.Entered(semver.New(0, 0, 0, "", ""), to) {
		now := slices.Contains(entered, row)
		for _, n := range row.Names {
			if n.What == what && (now || strings.HasPrefix(n.From, "karpenter.")) {
				out = append(out, rename{n, row.Minor, now})
			}
		}
	}
	return out
}

// become says what is to be written instead.
func (r rename) become() string {
	if r.To == "" {
		return fmt.Sprintf("%s is gone since %s", r.From, r.minor)
	}
	return fmt.Sprintf("%s is %s since %s", r.From, r.To, r.minor)
}

func renamedLabelDemanded(in Input) []Hit {
	return in.renamed("label", demandsLabel, "demand the label that Karpenter has now: ",
		"no new node has labels that they demand or avoid, so that their pods find no node, or one that they mean to avoid: ")
}

func renamedTaintTolerated(in Input) []Hit {
	return in.renamed("taint", toleratesTaint, "tolerate both for the time of the run: ",
		"they tolerate a taint that Karpenter no longer sets, and not the one that it sets instead: their pods leave a node that is being removed, or do not come: ")
}

// renamed finds who uses names of a kind that are out of use.
func (in Input) renamed(what string, uses func(*snapshot.Demands, catalog.Rename) bool, fix, why string) []Hit {
	renames := in.renames(what)
	if len(renames) == 0 {
		return nil
	}
	var objects, said []string
	seen := map[string]bool{}
	in.demanding(func(object string, d *snapshot.Demands) {
		for _, r := range renames {
			if seen[object] || !uses(d, r.Rename) {
				continue
			}
			seen[object] = true
			objects = append(objects, object)
			if !slices.Contains(said, r.become()) {
				said = append(said, r.become())
			}
		}
	})
	if len(objects) == 0 {
		return nil
	}
	return one(objects, fix+strings.Join(said, "; "), "%s%s (%s)", why, strings.Join(said, "; "), plural(len(objects), "object"))
}

// demanding calls each with all that demands something of nodes: workloads by their templates, and pods that have no template which is in
// the snapshot.
func (in Input) demanding(each func(object string, d *snapshot.Demands)) {
	for i := range in.Snapshot.Workloads {
		if w := &in.Snapshot.Workloads[i]; w.Demands != nil {
			each(w.Object(), w.Demands)
		}
	}
	for i := range in.Snapshot.Pods {
		p := &in.Snapshot.Pods[i]
		switch {
		case p.Demands == nil || p.Deployment() != "" || p.Owner.Kind == "StatefulSet": // their templates have been looked at
		case p.Owner.Kind == "":
			each(podObject(p), p.Demands)
		default:
			each(p.Owner.Kind+"/"+p.Namespace+"/"+p.Owner.Name, p.Demands)
		}
	}
}

// demandsLabel says that a pod demands a label that was renamed. One that avoids nodes with it is fine where it avoids the new name too.
func demandsLabel(d *snapshot.Demands, r catalog.Rename) bool {
	if _, ok := d.NodeSelector[r.From]; ok {
		return true
	}
	for i := range d.Terms {
		both := slices.ContainsFunc(d.Terms[i].MatchExpressions, func(e corev1.NodeSelectorRequirement) bool { return r.To != "" && e.Key == r.To })
		for _, e := range d.Terms[i].MatchExpressions {
			avoids := e.Operator == corev1.NodeSelectorOpDoesNotExist || e.Operator == corev1.NodeSelectorOpNotIn
			if e.Key == r.From && (!avoids || !both) {
				return true
			}
		}
	}
	return false
}

// toleratesTaint says that a pod tolerates, by its key, a taint that was renamed, and not the new one.
func toleratesTaint(d *snapshot.Demands, r catalog.Rename) bool {
	from, to := parseTaint(r.From), parseTaint(r.To)
	old := slices.ContainsFunc(d.Tolerations, func(t corev1.Toleration) bool { return t.Key == from.Key && tolerates(t, from) })
	return old && !slices.ContainsFunc(d.Tolerations, func(t corev1.Toleration) bool { return tolerates(t, to) })
}

// parseTaint reads key=value:Effect, with or without a value.
func parseTaint(text string) corev1.Taint {
	pair, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(pair, "=")
	return corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
}

// tolerates says that a toleration is one of a taint (k8s.io/api core/v1 types.go, Toleration).
func tolerates(t corev1.Toleration, taint corev1.Taint) bool {
	switch {
	case t.Effect != "" && t.Effect != taint.Effect, t.Key != "" && t.Key != taint.Key:
		return false
	case t.Operator == corev1.TolerationOpExists:
		return true
	default:
		return t.Key != "" && t.Value == taint.Value
	}
}

func joined(set map[string]bool) string { return strings.Join(sortedKeys(set), ", ") }
