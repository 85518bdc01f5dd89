package check

import (
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func versionChecks() []Check {
	return []Check{
		{Code: "KubernetesTooOld", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: kubernetes(-1)},
		{Code: "KubernetesTooNew", Severity: v1alpha1.SeverityWarning, Find: kubernetes(1)},
		{Code: "TargetVersionNotInCatalog", Severity: v1alpha1.SeverityWarning, Find: notInCatalog},
		{Code: "CatalogConfigMapInvalid", Severity: v1alpha1.SeverityWarning, Find: catalogProblems},
	}
}

// kubernetes finds hops whose Kubernetes range the cluster lies below (-1), which does not work, or above (1), which Karpenter
// only complains about in its log.
func kubernetes(side int) func(Input) []Hit {
	return func(in Input) []Hit {
		cluster, err := semver.NewVersion(in.Snapshot.Kubernetes)
		if in.Plan == nil || err != nil {
			return nil
		}
		var out []Hit
		for _, hop := range in.Plan.Hops {
			version, err := semver.NewVersion(hop.Version)
			if err != nil {
				continue
			}
			state, known := in.Catalog.At(version)
			if !known {
				continue
			}
			got, err := state.Kubernetes.KubernetesSupport(cluster)
			if err != nil || got != side {
				continue
			}
			out = append(out, kubernetesHit(side, hop.Version, in.Snapshot.Kubernetes, state.Kubernetes.Min, state.Kubernetes.Max))
		}
		return out
	}
}

func kubernetesHit(side int, karpenter, cluster, lo, hi string) Hit {
	h := Hit{Objects: []string{targetField}}
	if side < 0 {
		h.Why = fmt.Sprintf("Karpenter %s needs Kubernetes %s or later, and the cluster runs %s", karpenter, lo, cluster)
		h.Fix = fmt.Sprintf("upgrade the control plane to %s first, or set an older version", lo)
		return h
	}
	h.Why = fmt.Sprintf("Karpenter %s is tested up to Kubernetes %s, and the cluster runs %s", karpenter, hi, cluster)
	h.Fix = "set a newer version if there is one; Karpenter logs an error and works"
	return h
}

const targetField = "spec.target.version"

func notInCatalog(in Input) []Hit {
	version, err := semver.NewVersion(in.Spec.Target.Version)
	if in.Plan == nil || err != nil {
		return nil
	}
	minor, known := in.Catalog.Find(version)
	if known && version.Patch() <= minor.Patch {
		return nil
	}
	return one([]string{targetField}, "read its upgrade guide, or upgrade this operator",
		"Karpenter %s is newer than what this operator knows of (%s): what it changes is not checked",
		in.Spec.Target.Version, in.Catalog.Newest().Latest())
}

func catalogProblems(in Input) []Hit {
	out := make([]Hit, 0, len(in.Snapshot.CatalogProblems))
	for _, p := range in.Snapshot.CatalogProblems {
		out = append(out, Hit{Objects: []string{p.Object}, Why: p.Why, Fix: p.Fix})
	}
	return out
}
