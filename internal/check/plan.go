package check

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
)

// refusals are the codes with which the planner refuses: each is a check of its own, so that it has a page and can be named.
var refusals = []string{
	plan.CodeReleaseNotFound, plan.CodeReleaseAmbiguous, plan.CodeReleaseNotHelm,
	plan.CodeTargetVersionInvalid, plan.CodeTargetVersionUnknown, plan.CodeTargetVersionBad, plan.CodeStopInvalid,
	plan.CodeDowngrade, plan.CodeAlreadyAtTarget, plan.CodeSourceVersionUnknown, plan.CodeSourceTooOld,
}

func planChecks() []Check {
	out := make([]Check, 0, len(refusals))
	for _, code := range refusals {
		out = append(out, Check{Code: code, Severity: v1alpha1.SeverityBlocker, Find: func(in Input) []Hit {
			if in.Refusal == nil || in.Refusal.Code != code {
				return nil
			}
			return one([]string{in.Refusal.Object}, in.Refusal.Fix, "%s", in.Refusal.Why)
		}})
	}
	return out
}
