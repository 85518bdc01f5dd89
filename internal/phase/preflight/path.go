package preflight

import (
	"context"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
)

// Path finds the way from a version to the target of a spec, with the catalogue of that moment. There is none where the planner
// refuses, which is a finding of its own.
func Path(catalogs Catalogs) func(ctx context.Context, from string, spec *v1alpha1.KarpenterUpgradeSpec) ([]v1alpha1.Hop, error) {
	return func(ctx context.Context, from string, spec *v1alpha1.KarpenterUpgradeSpec) ([]v1alpha1.Hop, error) {
		c, _, err := catalogs.Catalog(ctx)
		if err != nil {
			return nil, err
		}
		hops, refusal := plan.Hops(c, plan.RequestOf(from, spec))
		if refusal != nil {
			return nil, nil
		}
		return hops, nil
	}
}
