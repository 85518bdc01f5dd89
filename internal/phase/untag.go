package phase

import (
	"context"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

// Untagger takes back the tags that a run added in AWS; nil for none.
type Untagger func(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome

// Untag takes the tags back before an older release leads again: it looks for security groups when it starts, and then once in 5
// minutes, and one more than before is drift to it. Where AWS does not let it, the way back goes on after a while all the same, and
// tags are taken back when their own phase is.
func (k *Kit) Untag(ctx context.Context, run *v1alpha1.KarpenterUpgrade, undoing v1alpha1.PhaseName, untag Untagger) (out engine.Outcome, waits bool) {
	if untag == nil || len(run.Status.Tags) == 0 {
		return engine.Outcome{}, false
	}
	out = untag(ctx, run)
	if out.Kind == engine.KindDone {
		return engine.Wait(0, "RemovingTags", "%s", out.Message), true
	}
	return out, k.Patient(run, undoing)
}
