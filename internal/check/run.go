package check

import (
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/window"
)

func runChecks() []Check {
	return []Check{
		{Code: "WindowInvalid", Severity: v1alpha1.SeverityBlocker, Find: windowInvalid},
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

// windowInvalid finds windows that would never open.
func windowInvalid(in Input) []Hit {
	var out []Hit
	for i := range in.Spec.Windows {
		if err := window.Validate(&in.Spec.Windows[i]); err != nil {
			out = append(out, Hit{
				Objects: []string{fmt.Sprintf("spec.windows[%d]", i)},
				Why:     fmt.Sprintf("it would never open: %s", err),
				Fix:     `write a schedule of five fields, such as "0 22 * * 5", and a time zone such as Europe/Berlin`,
			})
		}
	}
	return out
}
