package live

import (
	"context"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func (r *Reader) budgets(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	var list policyv1.PodDisruptionBudgetList
	return r.pages(ctx, &list, func() {
		for i := range list.Items {
			s.Budgets = append(s.Budgets, budget(&list.Items[i]))
		}
		list.Items = nil
	})
}

func budget(p *policyv1.PodDisruptionBudget) snapshot.Budget {
	out := snapshot.Budget{
		Namespace: p.Namespace, Name: p.Name, Selector: p.Spec.Selector, MinAvailable: written(p.Spec.MinAvailable), MaxUnavailable: written(p.Spec.MaxUnavailable),
		Expected: p.Status.ExpectedPods, Desired: p.Status.DesiredHealthy, Healthy: p.Status.CurrentHealthy, Allowed: p.Status.DisruptionsAllowed,
		Stale: p.Status.ObservedGeneration < p.Generation,
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, policyv1.DisruptionAllowedCondition); c != nil && c.Status == metav1.ConditionFalse && c.Reason == policyv1.SyncFailedReason {
		out.Failed = c.Message
	}
	return out
}

func written(v *intstr.IntOrString) string {
	if v == nil {
		return ""
	}
	return v.String()
}
