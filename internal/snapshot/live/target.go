package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// TargetRef names a chart of a run's target.
func TargetRef(run *v1alpha1.KarpenterUpgrade, name, digest string) release.ChartRef {
	return ChartRef(run, run.Spec.Target.Version, name, digest)
}

// ChartRef names a chart of a version on a run's way: it is where the target's is, spelled as that version spells itself.
func ChartRef(run *v1alpha1.KarpenterUpgrade, version, name, digest string) release.ChartRef {
	from := run.Spec.Target.Chart
	return release.ChartRef{
		Repository: from.Repository, Name: name, Version: release.ChartVersion(version), Digest: digest, PlainHTTP: from.PlainHTTP,
	}
}

func (r *Reader) target(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	chart := r.chart(ctx, TargetRef(run, release.ChartKarpenter, run.Spec.Target.Chart.Digest), &s.Target.Chart)
	crds := r.chart(ctx, TargetRef(run, release.ChartCRDs, ""), &s.Target.CRDChart)
	if crds != nil {
		s.Target.CRDs = crds.CRDs
	}
	source, refusal := plan.Source(s, &run.Spec)
	// A version that cannot be read is a finding of its own, and says nothing of what the values mean.
	if chart == nil || refusal != nil || !isVersion(source.Version) {
		return nil
	}
	err := r.render(ctx, run, s, source, chart)
	s.Target.RenderError = values.Redact(message(err), s.Target.Values, chart.Values) // what is wrong with the values is a finding of its own, and nothing unread
	if s.Target.Rules, err = grantedRules(s.Target.Green); err != nil {
		return err
	}
	if err := runsAs(s); err != nil {
		return err
	}
	return r.targetElection(ctx, s, plan.GreenNamespace(source.Namespace, &run.Spec))
}

func isVersion(s string) bool {
	_, err := semver.NewVersion(s)
	return err == nil
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// targetElection reads how the second release would elect its leader.
func (r *Reader) targetElection(ctx context.Context, s *snapshot.Snapshot, namespace string) error {
	d, err := deployment(s.Target.Green)
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

// render renders the second release as it would be installed, and the original one as it would be upgraded.
func (r *Reader) render(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot, source *snapshot.Installation, chart *release.Chart) error {
	merged, notes, err := TargetValues(source.Release.Values, run, source.Version)
	if err != nil {
		return err
	}
	s.Target.Values, s.Target.UnknownValues, s.Target.ValueNotes = merged, values.Unknown(merged, chart.Values), notes
	original := release.Spec{Namespace: plan.GreenNamespace(source.Namespace, &run.Spec), Name: source.Release.Name, Chart: chart, Values: merged}
	if s.Target.Original, err = r.rendered(ctx, original); err != nil {
		return err
	}
	green := original
	green.Name = plan.GreenRelease(source.Release.Name)
	green.Values = values.Standby(merged, green.Name, source.ServiceAccount, max(source.Replicas, 1))
	s.Target.Green, err = r.rendered(ctx, green)
	return err
}

func (r *Reader) rendered(ctx context.Context, spec release.Spec) ([]unstructured.Unstructured, error) {
	manifest, err := r.Releases.Render(ctx, spec)
	if err != nil {
		return nil, err
	}
	return objects(manifest)
}

// TargetValues are the values that the target gets: those of the release being upgraded, which is at version from, translated,
// without its image, and the spec's laid over them. The notes say what could not be carried over and the spec does not decide.
func TargetValues(blue map[string]any, run *v1alpha1.KarpenterUpgrade, from string) (map[string]any, []values.Note, error) {
	return HopValues(blue, run, from, run.Spec.Target.Version)
}

// HopValues are the values of a release on its way from a version to a later one, which need not be the target. The spec's are
// for the target, and laid over at none before it.
func HopValues(blue map[string]any, run *v1alpha1.KarpenterUpgrade, from, to string) (map[string]any, []values.Note, error) {
	source, err := semver.NewVersion(from)
	if err != nil {
		return nil, nil, fmt.Errorf("version %q of the release: %w", from, err)
	}
	target, err := semver.NewVersion(to)
	if err != nil {
		return nil, nil, fmt.Errorf("version %q to go to: %w", to, err)
	}
	carried, notes := values.Translate(blue, source, target)
	if run.Spec.Target.Values == nil || to != run.Spec.Target.Version {
		return carried, notes, nil
	}
	patch := run.Spec.Target.Values.Raw
	merged, err := values.Merge(carried, patch)
	if err != nil {
		return nil, nil, fmt.Errorf("spec.target.values: %w", err)
	}
	decided := map[string]any{}
	if err := json.Unmarshal(patch, &decided); err != nil {
		return nil, nil, fmt.Errorf("spec.target.values: %w", err)
	}
	return merged, values.Unanswered(notes, decided), nil
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
