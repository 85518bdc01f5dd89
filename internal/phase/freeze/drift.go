package freeze

import (
	"context"
	"fmt"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// drifted names the blue NodeClaims that Karpenter has found drifted since the run began, and why.
func (p *Phase) drifted(ctx context.Context, run *v1alpha1.KarpenterUpgrade) ([]string, error) {
	if run.Status.StartedAt == nil || run.Status.Plan == nil {
		return nil, nil
	}
	claims, err := live.ListServed(ctx, p.Live, phase.NodeClaimKind)
	if err != nil {
		return nil, err
	}
	blue := phase.BluePools(run.Status.Plan)
	var out []string
	for i := range claims {
		claim := &claims[i]
		if !blue.Has(claim.GetLabels()[karpv1.NodePoolLabelKey]) || claim.GetDeletionTimestamp() != nil {
			continue
		}
		status, why := snapshot.ConditionStatus(claim, karpv1.ConditionTypeDrifted)
		if status == "True" && !snapshot.ConditionSince(claim, karpv1.ConditionTypeDrifted).Before(run.Status.StartedAt.Time) {
			out = append(out, fmt.Sprintf("%s (%s)", claim.GetName(), why))
		}
	}
	return out, nil
}
