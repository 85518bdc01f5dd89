package check

import (
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func releaseChecks() []Check {
	return []Check{
		{Code: "ReleasePending", Severity: v1alpha1.SeverityBlocker, Find: releasePending},
		{Code: "ReleaseUnhealthy", Severity: v1alpha1.SeverityBlocker, Find: releaseUnhealthy},
		{Code: "GreenReleaseExists", Severity: v1alpha1.SeverityBlocker, Find: greenReleaseExists},
		{Code: "CRDReleaseAmbiguous", Severity: v1alpha1.SeverityBlocker, Find: crdReleaseAmbiguous},
		{Code: "LeaderElsewhere", Severity: v1alpha1.SeverityBlocker, Find: leaderElsewhere},
	}
}

func releasePending(in Input) []Hit {
	source := in.source()
	if source == nil || source.Release.Status == "deployed" {
		return nil
	}
	r := source.Release
	return one([]string{fmt.Sprintf("HelmRelease/%s/%s", r.Namespace, r.Name)},
		fmt.Sprintf("helm rollback -n %s %s", r.Namespace, r.Name),
		"its newest revision is %s, not deployed: what runs is not what Helm knows", r.Status)
}

func releaseUnhealthy(in Input) []Hit {
	source := in.source()
	if source == nil || (source.Replicas > 0 && source.ReadyReplicas == source.Replicas) {
		return nil
	}
	return one([]string{fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name)},
		fmt.Sprintf("kubectl describe pods -n %s -l app.kubernetes.io/instance=%s", source.Namespace, source.Release.Name),
		"%d of its %d replicas are ready: a rollback would lead back to a controller that does not work", source.ReadyReplicas, source.Replicas)
}

func greenReleaseExists(in Input) []Hit {
	if in.Plan == nil || in.Snapshot.GreenRelease == nil {
		return nil
	}
	r := in.Snapshot.GreenRelease
	return one([]string{fmt.Sprintf("HelmRelease/%s/%s", r.Namespace, r.Name)},
		fmt.Sprintf("helm uninstall -n %s %s", r.Namespace, r.Name),
		"the run would install the second release under this name, and there is one already")
}

func crdReleaseAmbiguous(in Input) []Hit {
	if len(in.Snapshot.CRDReleases) < 2 {
		return nil
	}
	var objects []string
	for _, r := range in.Snapshot.CRDReleases {
		objects = append(objects, fmt.Sprintf("HelmRelease/%s/%s", r.Namespace, r.Name))
	}
	return one(objects, "keep the release that the CRDs' annotation meta.helm.sh/release-name names, and delete the other's Secrets (not the CRDs)",
		"%d releases of the chart karpenter-crd exist, and CRDs can belong to one only", len(objects))
}

// leaderElsewhere finds a second leader: every namespace has a Lease of its own, so releases in two namespaces both lead.
func leaderElsewhere(in Input) []Hit {
	var out []Hit
	for _, l := range in.Snapshot.Leaders {
		if in.Plan != nil && l.Namespace != in.Plan.Namespace {
			out = append(out, Hit{
				Objects: []string{fmt.Sprintf("Lease/%s/%s", l.Namespace, l.Lease)},
				Why:     fmt.Sprintf("%s leads there beside the release in namespace %s: both launch nodes for the same pods", l.Identity, in.Plan.Namespace),
				Fix:     "stop the Karpenter of that namespace",
			})
		}
	}
	return out
}
