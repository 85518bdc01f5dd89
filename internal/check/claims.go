package check

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func claimChecks() []Check {
	return []Check{
		{Code: "NodeClaimUnwritable", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: claimUnwritable},
		{Code: "NodeClaimsNotTried", Severity: v1alpha1.SeverityInfo, Find: claimsNotTried},
		{Code: "LaunchThrottled", Severity: v1alpha1.SeverityWarning, Find: launchThrottled},
	}
}

// claimUnwritable finds NodeClaims that the API server refuses as they are: Karpenter cannot take its finalizer off them, so they
// stay terminating for ever (Karpenter #6981, core #1578).
func claimUnwritable(in Input) []Hit {
	c := in.Snapshot.Platform.Claims
	if len(c.Refused) == 0 {
		return nil
	}
	return one(claims(c.Refused), "correct the field that the message names (kubectl edit nodeclaim "+c.Refused[0].Name+"); do not take the finalizer off, for its instance would run on",
		"the API server refuses every write of them as they are, so Karpenter could not end them: their nodes would drain and never go (the %d oldest of %d NodeClaims were tried): %s",
		c.Asked, c.Total, c.Refused[0].Why)
}

func claimsNotTried(in Input) []Hit {
	c := in.Snapshot.Platform.Claims
	if c.Unasked == "" {
		return nil
	}
	return one([]string{"nodeclaims.karpenter.sh"}, "kubectl get nodeclaims -o name | xargs -n1 kubectl patch --dry-run=server --type=merge -p '{}', as somebody who may patch them, shows what would be refused",
		"whether the %d NodeClaims can be written as they are was not tried: %s", c.Total, c.Unasked)
}

func launchThrottled(in Input) []Hit {
	t := in.Snapshot.Platform.Claims.Throttled
	if len(t) == 0 {
		return nil
	}
	return one(claims(t), "find out who else asks EC2 in this account and region (the limits are shared by all of it), ask AWS for more, or begin when it is quiet; a smaller spec.migration.maxUnavailable keeps the run's own part low",
		"AWS throttles Karpenter's launches now, and the run launches as many nodes again: %s", t[0].Why)
}

func claims(of []snapshot.Refused) []string {
	names := make([]string, 0, len(of))
	for _, r := range of {
		names = append(names, r.Name)
	}
	return objectsOf("NodeClaim", names)
}
