package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// Codes of refusals that are about the release to upgrade.
const (
	CodeReleaseNotFound  = "ReleaseNotFound"
	CodeReleaseAmbiguous = "ReleaseAmbiguous"
	CodeReleaseNotHelm   = "ReleaseNotHelm"
)

// Make plans a run. A Refusal says why there can be no plan at all; everything else that speaks against the plan is for the
// checks to find.
func Make(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec, c *catalog.Catalog) (*v1alpha1.Plan, *Refusal) {
	blue, refusal := Source(s, spec)
	if refusal != nil {
		return nil, refusal
	}
	hops, refusal := Hops(c, RequestOf(blue.Version, spec))
	if refusal != nil {
		return nil, refusal
	}
	pin(hops, s)

	s = settled(s, blue.Version, spec.Target.Version)
	planned := pools(s, spec)
	p := &v1alpha1.Plan{
		MadeAt:         metav1.NewTime(s.TakenAt),
		Namespace:      blue.Namespace,
		Release:        blue.Release.Name,
		GreenRelease:   GreenRelease(blue.Release.Name),
		Deployment:     blue.Name,
		ServiceAccount: blue.ServiceAccount,
		CRDRelease:     crdRelease(s),
		ClusterName:    blue.ClusterName,
		Hops:           hops,
		Pools:          planned,
		NodeClasses:    nodeClasses(s, planned),
		RollbackFloor:  v1alpha1.PhaseCleanup,
		Irreversible:   irreversible(hops),

		TargetNamespace: TargetNamespace(blue.Namespace, spec),
	}
	for _, pool := range planned {
		p.Nodes += pool.Nodes
	}
	p.Parts = parts(p, spec)
	p.Hash = hash(p.Parts)
	return p, nil
}

// pin writes down the digests of the charts that were seen.
func pin(hops []v1alpha1.Hop, s *snapshot.Snapshot) {
	last := &hops[len(hops)-1]
	last.ChartDigest, last.CRDChartDigest = s.Target.Chart.Digest, s.Target.CRDChart.Digest
	for i := range hops[:len(hops)-1] {
		for _, stop := range s.Stops {
			if stop.Version == hops[i].Version {
				hops[i].ChartDigest, hops[i].CRDChartDigest = stop.Chart.Digest, stop.CRDChart.Digest
			}
		}
	}
}

// TargetNamespace is the namespace that the release moves to from this one; empty when it stays.
func TargetNamespace(source string, spec *v1alpha1.KarpenterUpgradeSpec) string {
	if spec.Target.Namespace == source {
		return ""
	}
	return spec.Target.Namespace
}

// GreenNamespace is where the second release of a run goes whose release is in this namespace now.
func GreenNamespace(source string, spec *v1alpha1.KarpenterUpgradeSpec) string {
	return cmp.Or(TargetNamespace(source, spec), source)
}

// GreenRelease is the name of the second release. Its name contains that of the first, so that Karpenter's chart, whose
// objects are named after the release, gives them names of their own. Helm takes 53 characters.
func GreenRelease(blue string) string {
	const suffix, longest = "-green", 53
	return blue[:min(len(blue), longest-len(suffix))] + suffix
}

// Source is the installation to upgrade: the one that the spec names, or else the only one.
func Source(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) (*snapshot.Installation, *Refusal) {
	var found []*snapshot.Installation
	for i := range s.Installations {
		if candidate(&s.Installations[i], spec.Source) {
			found = append(found, &s.Installations[i])
		}
	}
	switch {
	case len(found) == 0 && spec.Source != nil:
		return nil, &Refusal{CodeReleaseNotFound, "spec.source",
			fmt.Sprintf("there is no Helm release %s/%s of the chart karpenter with a Deployment", spec.Source.Namespace, spec.Source.Release),
			"set it to the release that `helm list -A` shows, or leave it out"}
	case len(found) == 0:
		return nil, &Refusal{CodeReleaseNotFound, "Deployment of Karpenter",
			"no Deployment with the label app.kubernetes.io/name=karpenter was found", "install Karpenter first, from its own chart"}
	case len(found) > 1:
		return nil, &Refusal{CodeReleaseAmbiguous, "spec.source",
			fmt.Sprintf("there are %d Deployments of Karpenter: %s", len(found), names(found)),
			"remove all but one: two releases in two namespaces both lead and launch every node twice"}
	case found[0].Release == nil:
		return nil, &Refusal{CodeReleaseNotHelm, "Deployment/" + found[0].Namespace + "/" + found[0].Name,
			"Helm knows no release that it belongs to, so its values cannot be carried over",
			"adopt it with `helm upgrade --install --take-ownership` at its present version"}
	}
	return found[0], nil
}

// candidate says that an installation may be the one to upgrade. The second release of a run is none.
func candidate(in *snapshot.Installation, source *v1alpha1.Source) bool {
	if in.Release != nil && in.Release.Run != "" {
		return false
	}
	return source == nil || (in.Release != nil && in.Release.Name == source.Release && in.Namespace == source.Namespace)
}

func names(in []*snapshot.Installation) string {
	out := make([]string, 0, len(in))
	for _, i := range in {
		out = append(out, i.Namespace+"/"+i.Name)
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// crdRelease is the release of the chart karpenter-crd; Preflight stops when there is more than one.
func crdRelease(s *snapshot.Snapshot) string {
	if len(s.CRDReleases) == 0 {
		return ""
	}
	return s.CRDReleases[0].Namespace + "/" + s.CRDReleases[0].Name
}

// parts are what a run does, in parts that people tell apart: without times and counts, and without what the plan only says; with
// what is frozen with it of the spec.
func parts(p *v1alpha1.Plan, spec *v1alpha1.KarpenterUpgradeSpec) []v1alpha1.PlanPart {
	timeless := p.DeepCopy()
	for i := range timeless.Pools {
		timeless.Pools[i].Nodes = 0
	}
	for i := range timeless.Hops {
		timeless.Hops[i].Changes, timeless.Hops[i].Preconditions, timeless.Hops[i].PointOfNoReturn = nil, nil, ""
	}
	release := timeless.DeepCopy()
	release.Hash, release.Parts, release.MadeAt, release.Nodes, release.Irreversible = "", nil, metav1.Time{}, 0, nil
	release.Hops, release.Pools, release.NodeClasses = nil, nil, nil
	return []v1alpha1.PlanPart{
		{Name: "release", Hash: sum(release)},
		{Name: "target", Hash: sum(spec.Target)},
		{Name: "hops", Hash: sum(timeless.Hops)},
		{Name: "NodePools", Hash: sum([]any{timeless.Pools, spec.NodePools})},
		{Name: "EC2NodeClasses", Hash: sum(timeless.NodeClasses)},
	}
}

// hash identifies what a run does.
func hash(parts []v1alpha1.PlanPart) string { return sum(parts) }

func sum(v any) string {
	doc, err := json.Marshal(v)
	if err != nil {
		return "" // the types hold nothing that cannot be written as JSON
	}
	digest := sha256.Sum256(doc)
	return hex.EncodeToString(digest[:6])
}
