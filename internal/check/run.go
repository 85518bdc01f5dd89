package check

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func runChecks() []Check {
	return []Check{
		{Code: CodeAnotherRunActive, Severity: v1alpha1.SeverityBlocker, Find: anotherRunActive},
	}
}

// CodeAnotherRunActive is the code of the finding that another run is active: such a run is queued.
const CodeAnotherRunActive = "AnotherRunActive"

func anotherRunActive(in Input) []Hit {
	if len(in.Snapshot.ActiveRuns) == 0 {
		return nil
	}
	var objects []string
	for _, name := range in.Snapshot.ActiveRuns {
		objects = append(objects, "KarpenterUpgrade/"+name)
	}
	return one(objects, "wait for it, or set its spec.mode to Abort or Rollback", "a cluster has one Karpenter, and another run is changing it")
}
