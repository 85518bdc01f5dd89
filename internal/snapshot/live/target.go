package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// TargetRef names a chart of a run's target.
func TargetRef(run *v1alpha1.KarpenterUpgrade, name, digest string) release.ChartRef {
	t := run.Spec.Target
	return release.ChartRef{Repository: t.Chart.Repository, Name: name, Version: t.Version, Digest: digest, PlainHTTP: t.Chart.PlainHTTP}
}

func (r *Reader) target(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	chart := r.chart(ctx, TargetRef(run, release.ChartKarpenter, run.Spec.Target.Chart.Digest), &s.Target.Chart)
	crds := r.chart(ctx, TargetRef(run, release.ChartCRDs, ""), &s.Target.CRDChart)
	if crds != nil {
		s.Target.CRDs = crds.CRDs
	}
	source, refusal := plan.Source(s, &run.Spec)
	if chart == nil || refusal != nil {
		return nil
	}
	green, err := r.render(ctx, run, s, source, chart)
	s.Target.RenderError = message(err) // what is wrong with the values is a finding of its own, and nothing unread
	if s.Target.Rules, err = grantedRules(green); err != nil {
		return err
	}
	return r.targetElection(ctx, s, source.Namespace, green)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// targetElection reads how the second release would elect its leader.
func (r *Reader) targetElection(ctx context.Context, s *snapshot.Snapshot, namespace string, green []unstructured.Unstructured) error {
	d, err := deployment(green)
	if err != nil || d == nil {
		return err
	}
	c := controller(d)
	if c == nil {
		return nil
	}
	more, err := r.variables(ctx, namespace, c)
	if err != nil {
		return err
	}
	s.Target.ElectionSettings = electionSettings(namespace, c, more)
	return nil
}

// render renders the second release as it would be installed.
func (r *Reader) render(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot, source *snapshot.Installation, chart *release.Chart) ([]unstructured.Unstructured, error) {
	merged, err := TargetValues(source.Release.Values, &run.Spec)
	if err != nil {
		return nil, err
	}
	s.Target.Values, s.Target.UnknownValues = merged, values.Unknown(merged, chart.Values)
	name := plan.GreenRelease(source.Release.Name)
	green := values.Standby(merged, name, source.ServiceAccount, max(source.Replicas, 1))
	manifest, err := r.Releases.Render(ctx, release.Spec{Namespace: source.Namespace, Name: name, Chart: chart, Values: green})
	if err != nil {
		return nil, err
	}
	return objects(manifest)
}

// TargetValues are the values that the target gets: those of the release being upgraded, without its image, and the spec's
// laid over them.
func TargetValues(blue map[string]any, spec *v1alpha1.KarpenterUpgradeSpec) (map[string]any, error) {
	carried := values.Carry(blue)
	if spec.Target.Values == nil {
		return carried, nil
	}
	merged, err := values.Merge(carried, spec.Target.Values.Raw)
	if err != nil {
		return nil, fmt.Errorf("spec.target.values: %w", err)
	}
	return merged, nil
}

func (r *Reader) chart(ctx context.Context, ref release.ChartRef, into *snapshot.TargetChart) *release.Chart {
	into.Ref = fmt.Sprintf("%s/%s:%s", ref.Repository, ref.Name, ref.Version)
	chart, err := r.Releases.Pull(ctx, ref)
	if err != nil {
		into.Error, into.NotFound, into.Mismatch = err.Error(), errors.Is(err, release.ErrNotFound), errors.Is(err, release.ErrDigest)
		return nil
	}
	into.Digest = chart.Digest
	return chart
}

// permissions compares what the target's chart grants with what the operator holds: the API server lets nobody create a role
// that grants more than he holds himself.
func (r *Reader) permissions(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if refusal != nil || len(s.Target.Rules) == 0 {
		return nil
	}
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: source.Namespace}}
	if err := r.Client.Create(ctx, review); err != nil {
		return err
	}
	held := make([]rbacv1.PolicyRule, 0, len(review.Status.ResourceRules))
	for _, rule := range review.Status.ResourceRules {
		held = append(held, rbacv1.PolicyRule{Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames})
	}
	_, missing := validation.Covers(held, s.Target.Rules)
	for _, rule := range missing {
		s.Missing = append(s.Missing, describe(rule))
	}
	slices.Sort(s.Missing)
	s.Missing = slices.Compact(s.Missing)
	return nil
}

func describe(r rbacv1.PolicyRule) string {
	what := strings.Join(r.Resources, ",")
	if group := strings.Join(r.APIGroups, ","); group != "" {
		what += "." + group
	}
	if len(r.ResourceNames) > 0 {
		what += " " + strings.Join(r.ResourceNames, ",")
	}
	return strings.Join(r.Verbs, ",") + " " + what
}
