package live

import (
	"context"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// stops reads what the registry has of the versions on the way, and what their charts would make of the original release.
func (r *Reader) stops(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if refusal != nil || r.Path == nil {
		return nil
	}
	hops, err := r.Path(ctx, source.Version, &run.Spec)
	if err != nil || len(hops) < 2 {
		return err
	}
	values, from := source.Release.Values, source.Version
	for _, hop := range hops[:len(hops)-1] {
		stop := snapshot.Stop{Version: hop.Version}
		chart := r.chart(ctx, ChartRef(run, hop.Version, release.ChartKarpenter, ""), &stop.Chart)
		if crds := r.chart(ctx, ChartRef(run, hop.Version, release.ChartCRDs, ""), &stop.CRDChart); crds != nil {
			stop.CRDs = crds.CRDs
		}
		if chart != nil {
			if values, _, err = HopValues(values, run, from, hop.Version); err == nil {
				stop.Objects, err = r.rendered(ctx, release.Spec{Namespace: source.Namespace, Name: source.Release.Name, Chart: chart, Values: values})
			}
			stop.RenderError = message(err)
			if stop.Rules, err = grantedRules(stop.Objects); err != nil {
				return err
			}
		}
		from = hop.Version
		s.Stops = append(s.Stops, stop)
	}
	return nil
}
