package install

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// ensureCRDs brings the CRDs to the target's: through their Helm release where they have one, else one by one.
func (p *Phase) ensureCRDs(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (done bool, what string, err error) {
	chart, err := p.TargetChart(ctx, run, release.ChartCRDs)
	if err != nil {
		return false, "", err
	}
	if len(run.Status.CRDs) == 0 {
		return false, fmt.Sprintf("CustomResourceDefinitions that are to be changed: %d", len(chart.CRDs)), p.record(ctx, run, chart.CRDs)
	}
	if namespace, name, ok := strings.Cut(run.Status.Plan.CRDRelease, "/"); ok {
		done, err := p.upgradeCRDRelease(ctx, run, chart, namespace, name)
		if err != nil || !done {
			return false, fmt.Sprintf("release %s/%s is being upgraded to %s", namespace, name, chart.Ref.Version), err
		}
		return p.established(ctx, chart.CRDs)
	}
	for i := range chart.CRDs {
		changed, err := p.ensureCRD(ctx, &chart.CRDs[i])
		if err != nil {
			return false, "", err
		}
		if changed {
			return false, fmt.Sprintf("CustomResourceDefinition %s was written", chart.CRDs[i].Name), nil
		}
	}
	return p.established(ctx, chart.CRDs)
}

// record writes down, in a step of its own before the first change, which CRDs were there. It fails when one of them could
// not become the target's, so that either all of them change or none.
func (p *Phase) record(ctx context.Context, run *v1alpha1.KarpenterUpgrade, crds []apiextensionsv1.CustomResourceDefinition) error {
	var found []v1alpha1.CRDChange
	for i := range crds {
		current := &apiextensionsv1.CustomResourceDefinition{}
		err := p.Live.Get(ctx, client.ObjectKey{Name: crds[i].Name}, current)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading CustomResourceDefinition %s: %w", crds[i].Name, err)
		}
		if err := keepsStored(current, &crds[i]); err != nil {
			return err
		}
		found = append(found, v1alpha1.CRDChange{Name: crds[i].Name, UID: current.UID, Created: err != nil})
	}
	run.Status.CRDs = found
	return nil
}

func (p *Phase) upgradeCRDRelease(ctx context.Context, run *v1alpha1.KarpenterUpgrade, chart *release.Chart, namespace, name string) (bool, error) {
	current, err := p.Releases.Get(ctx, namespace, name)
	if err != nil {
		return false, err
	}
	spec := release.Spec{
		Namespace: namespace, Name: name, Chart: chart, Values: known(current.Values, chart.Values),
		Description: "CRDs of KarpenterUpgrade " + run.Name,
	}
	return p.EnsureRelease(ctx, spec, true)
}

// known keeps the values that the target's chart has: karpenter-crd had values for its conversion webhook up to 1.0.
func known(given, defaults map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range given {
		if _, ok := defaults[k]; ok {
			out[k] = v
		}
	}
	return out
}

// ensureCRD creates a CRD or replaces the spec of the one that is there, and says whether it wrote. It replaces by update:
// server-side apply cannot clear the conversion webhook that Karpenter 1.0 wrote into its CRDs (the caBundle belongs to
// Karpenter's own manager). It never removes a version that objects are stored in.
func (p *Phase) ensureCRD(ctx context.Context, target *apiextensionsv1.CustomResourceDefinition) (changed bool, err error) {
	current := &apiextensionsv1.CustomResourceDefinition{}
	err = p.Live.Get(ctx, client.ObjectKey{Name: target.Name}, current)
	if apierrors.IsNotFound(err) {
		return true, p.Live.Create(ctx, target.DeepCopy())
	}
	if err != nil {
		return false, fmt.Errorf("reading CustomResourceDefinition %s: %w", target.Name, err)
	}
	if err := keepsStored(current, target); err != nil {
		return false, err
	}
	want := current.DeepCopy()
	want.Spec = *target.Spec.DeepCopy()
	if want.Spec.Conversion == nil {
		want.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
	}
	want.Spec.Names.ListKind, want.Spec.Names.Singular = current.Spec.Names.ListKind, current.Spec.Names.Singular
	if equality.Semantic.DeepEqual(current.Spec, want.Spec) {
		return false, nil
	}
	if err := p.Live.Update(ctx, want); err != nil {
		return false, fmt.Errorf("updating CustomResourceDefinition %s: %w", target.Name, err)
	}
	return want.ResourceVersion != current.ResourceVersion, nil // the API server keeps the version of what did not change
}

// keepsStored fails when the target lacks a version that objects may be stored in.
func keepsStored(current, target *apiextensionsv1.CustomResourceDefinition) error {
	for _, stored := range current.Status.StoredVersions {
		has := slices.ContainsFunc(target.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == stored })
		if !has {
			return fault.NewTerminal(fmt.Errorf("CustomResourceDefinition %s: objects are stored as %s, which the target does not have", target.Name, stored))
		}
	}
	return nil
}

// established says that the API server serves all the target's CRDs.
func (p *Phase) established(ctx context.Context, crds []apiextensionsv1.CustomResourceDefinition) (bool, string, error) {
	for i := range crds {
		current := &apiextensionsv1.CustomResourceDefinition{}
		if err := p.Live.Get(ctx, client.ObjectKey{Name: crds[i].Name}, current); err != nil {
			return false, "", fmt.Errorf("reading CustomResourceDefinition %s: %w", crds[i].Name, err)
		}
		ok := slices.ContainsFunc(current.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		})
		if !ok {
			return false, fmt.Sprintf("waiting for the API server to serve CustomResourceDefinition %s", current.Name), nil
		}
	}
	return true, "", nil
}
