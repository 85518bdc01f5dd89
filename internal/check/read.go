package check

import (
	"fmt"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func readChecks() []Check {
	return []Check{
		{Code: "Unreadable", Severity: v1alpha1.SeverityBlocker, Find: unreadable},
		{Code: "PermissionsMissing", Severity: v1alpha1.SeverityBlocker, Find: permissionsMissing},
	}
}

func unreadable(in Input) []Hit {
	out := make([]Hit, 0, len(in.Snapshot.Problems))
	for _, p := range in.Snapshot.Problems {
		out = append(out, Hit{
			Objects: []string{p.What},
			Why:     fmt.Sprintf("%s cannot be read, so nothing can be said about what is there: %s", p.What, p.Error),
			Fix:     fmt.Sprintf("make `kubectl get %s` work first", p.What),
		})
	}
	return out
}

func permissionsMissing(in Input) []Hit {
	if len(in.Snapshot.Missing) == 0 {
		return nil
	}
	return one(in.Snapshot.Missing,
		"upgrade this operator's chart, or add the rules to its value rbac.additionalKarpenterRules",
		"the target's chart grants Karpenter permissions that this operator does not hold itself, and Kubernetes lets nobody grant what he does not hold: %s",
		strings.Join(in.Snapshot.Missing, "; "))
}
