package check

import (
	"fmt"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func releaseChecks() []Check {
	return []Check{
		{Code: "ReleasePending", Severity: v1alpha1.SeverityBlocker, Find: releasePending},
		{Code: "ReleaseUnhealthy", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: releaseUnhealthy},
		{Code: "GreenReleaseExists", Severity: v1alpha1.SeverityBlocker, Find: greenReleaseExists},
		{Code: "CRDReleaseAmbiguous", Severity: v1alpha1.SeverityBlocker, Find: crdReleaseAmbiguous},
		{Code: "LeaderElsewhere", Severity: v1alpha1.SeverityBlocker, Find: leaderElsewhere},
		{Code: "LeaderMissing", Severity: v1alpha1.SeverityBlocker, Find: leaderMissing},
		{Code: "LeaderElectionChanged", Severity: v1alpha1.SeverityBlocker, Find: leaderElectionChanged},
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
		if in.Plan != nil && l.Namespace != in.Plan.Namespace && l.FencedBy == "" {
			out = append(out, Hit{
				Objects: []string{fmt.Sprintf("Lease/%s/%s", l.Namespace, l.Lease)},
				Why:     fmt.Sprintf("%s leads there beside the release in namespace %s: both launch nodes for the same pods", l.Identity, in.Plan.Namespace),
				Fix:     "stop the Karpenter of that namespace",
			})
		}
	}
	return out
}

// leaseName is the name of the Lease by which Karpenter's releases in one namespace elect their leader.
const leaseName = "karpenter-leader-election"

// leaderMissing finds a release that does not lead by the Lease by which the run hands over: it does not lead at all, or leads
// without it, beside whoever holds it.
func leaderMissing(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	holder := "nobody holds it"
	for _, l := range in.Snapshot.Leaders {
		if l.Namespace != in.Plan.Namespace {
			continue
		}
		if l.Release == in.Plan.Release {
			return nil
		}
		holder = l.Identity + " holds it, which is no pod of that release"
		if l.FencedBy != "" {
			return one([]string{fmt.Sprintf("Lease/%s/%s", l.Namespace, l.Lease)},
				fmt.Sprintf("when no other Karpenter leads: kubectl delete lease -n %s %s", l.Namespace, l.Lease),
				"KarpenterUpgrade %s holds it, so that no pod of this namespace leads: that run ended in the middle of a move to another namespace", l.FencedBy)
		}
	}
	return one([]string{fmt.Sprintf("Lease/%s/%s", in.Plan.Namespace, leaseName)},
		fmt.Sprintf("kubectl logs -n %[1]s -l app.kubernetes.io/instance=%[2]s says why its pods do not hold `kubectl get lease -n %[1]s %[3]s`; a leader that was just replaced needs some seconds",
			in.Plan.Namespace, in.Plan.Release, leaseName),
		"no pod of release %s/%s leads by it (%s): who leads could not be told from who stands by, so two could lead", in.Plan.Namespace, in.Plan.Release, holder)
}

// leaderElectionChanged finds settings with which both releases would lead at once, from the moment when the second one starts.
func leaderElectionChanged(in Input) []Hit {
	source := in.source()
	if source == nil {
		return nil
	}
	var out []Hit
	if found := source.ElectionSettings; len(found) > 0 {
		out = append(out, Hit{
			Objects: []string{fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name)},
			Why: fmt.Sprintf("it runs with %s, so it does not elect its leader by Lease %s/%s, which is all that keeps two releases from leading at once",
				strings.Join(found, ", "), source.Namespace, leaseName),
			Fix: "take it out of the release's controller.env (or of whatever sets it) and upgrade the release at its present version",
		})
	}
	if found := in.Snapshot.Target.ElectionSettings; len(found) > 0 {
		out = append(out, Hit{
			Objects: []string{fmt.Sprintf("HelmRelease/%s/%s", in.Plan.GreenNamespace(), in.Plan.GreenRelease), "spec.target.values"},
			Why: fmt.Sprintf("the second release would run with %s and lead beside the first one instead of standing by",
				strings.Join(found, ", ")),
			Fix: "take it out of controller.env, of the release's values and of spec.target.values",
		})
	}
	return out
}
