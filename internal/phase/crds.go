package phase

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// CoreCRDs are the CRDs that Karpenter has had since v1beta1, whose objects have been stored in more than one version.
var CoreCRDs = []string{"ec2nodeclasses.karpenter.k8s.aws", "nodeclaims.karpenter.sh", "nodepools.karpenter.sh"}

// WebhookPort is the port of a release's Service at which its conversion webhook answers (value webhook.port of the charts).
const WebhookPort = 8443

// Converter is the conversion webhook of the release that a run upgrades. The chart names its Service as its Deployment.
func Converter(p *v1alpha1.Plan) values.Conversion {
	return values.Conversion{Namespace: p.Namespace, Service: p.Deployment, Port: WebhookPort}
}

// hopCRDs is what Karpenter's CRDs are to be.
type hopCRDs struct {
	version string
	crds    []apiextensionsv1.CustomResourceDefinition
	// owner is the Helm release that has them, and spec what it is to be; nil when they belong to none.
	owner *release.Release
	spec  release.Spec
}

// EnsureCRDs brings Karpenter's CRDs to those of a hop, or, with a hop to an older version, back to them: through their Helm
// release where they have one, else one by one. It takes as many calls as it needs, each with one bounded action, and says when
// it is done or what it waits for.
//
// Where the hop's CRDs convert by webhook they name this one. Before the first of them is written, all are looked at: it fails,
// with nothing changed, when one is being deleted, is somebody else's, or has objects stored in a version that the hop's lacks;
// and, for a hop with a standby, when it refuses what the present one accepts. No CRD is ever deleted, nor is one whose
// conversion stays with the same Service parted from the CA that Karpenter's webhook controller wrote into it.
func (k *Kit) EnsureCRDs(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, webhook values.Conversion) (done bool, waits string, err error) {
	want, err := k.hopCRDs(ctx, run, hop, webhook)
	if err != nil {
		return false, "", err
	}
	current, err := k.currentCRDs(ctx, want.crds)
	if err != nil {
		return false, "", err
	}
	if err := mayReplace(run, hop, want, current); err != nil {
		return false, "", err
	}
	if n := record(run, want.crds, current); n > 0 {
		return false, fmt.Sprintf("CustomResourceDefinitions that are to be changed: %d", n), nil
	}
	if want.owner != nil {
		ready, err := k.ensureCRDRelease(ctx, want)
		if err != nil || !ready {
			return false, fmt.Sprintf("release %s/%s is being brought to %s", want.spec.Namespace, want.spec.Name, want.version), err
		}
	}
	// What Helm cannot tell, such as a conversion that somebody else wrote, or a storage version that was switched, is written here.
	for i := range want.crds {
		changed, err := k.ensureCRD(ctx, current[want.crds[i].Name], &want.crds[i])
		if err != nil {
			return false, "", err
		}
		if changed {
			return false, fmt.Sprintf("CustomResourceDefinition %s was written", want.crds[i].Name), nil
		}
	}
	return established(want.crds, current)
}

// hopCRDs renders the CRDs of a hop. Those in a chart's crds/ are of no use: from 0.33.6 to 1.0 their conversion webhook is
// kube-system/karpenter, wherever Karpenter runs (pkg/apis/crds of the provider); only karpenter-crd has values for it.
func (k *Kit) hopCRDs(ctx context.Context, run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, webhook values.Conversion) (*hopCRDs, error) {
	chart, err := k.HopChart(ctx, run, hop, release.ChartCRDs)
	if err != nil {
		return nil, err
	}
	out := &hopCRDs{version: hop.Version, spec: release.Spec{
		Namespace: run.Status.Plan.Namespace, Name: release.ChartCRDs, Chart: chart,
		Description: "CRDs of KarpenterUpgrade " + run.Name,
	}}
	var given map[string]any
	if namespace, name, ok := strings.Cut(run.Status.Plan.CRDRelease, "/"); ok {
		out.spec.Namespace, out.spec.Name = namespace, name
		if out.owner, err = k.Releases.Get(ctx, namespace, name); err != nil {
			return nil, err
		}
		given = out.owner.Values
	}
	if _, ok := chart.Values[webhookValue]; ok && webhook.Service == "" {
		return nil, fault.NewTerminal(fmt.Errorf("the CRDs of Karpenter %s convert by webhook, and no release does", hop.Version))
	}
	out.spec.Values = values.CRDValues(given, chart.Values, webhook)
	manifest, err := k.Releases.Render(ctx, out.spec)
	if err != nil {
		return nil, err
	}
	out.crds, err = release.CRDs(manifest)
	if err != nil {
		return nil, fmt.Errorf("chart %s %s: %w", chart.Ref.Name, chart.Ref.Version, err)
	}
	if len(out.crds) == 0 {
		return nil, fault.NewTerminal(fmt.Errorf("chart %s %s has no CustomResourceDefinitions", chart.Ref.Name, chart.Ref.Version))
	}
	return out, nil
}

// webhookValue is the value of karpenter-crd for its conversion webhook; charts from 1.1 on, and before 0.33.6, have none.
const webhookValue = "webhook"

// currentCRDs reads those of these CRDs that are there, by name.
func (k *Kit) currentCRDs(ctx context.Context, crds []apiextensionsv1.CustomResourceDefinition) (map[string]*apiextensionsv1.CustomResourceDefinition, error) {
	out := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for i := range crds {
		crd, err := k.crd(ctx, crds[i].Name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[crd.Name] = crd
	}
	return out, nil
}

func (k *Kit) crd(ctx context.Context, name string) (*apiextensionsv1.CustomResourceDefinition, error) {
	out := &apiextensionsv1.CustomResourceDefinition{}
	if err := k.Live.Get(ctx, client.ObjectKey{Name: name}, out); err != nil {
		return nil, fmt.Errorf("reading CustomResourceDefinition %s: %w", name, err)
	}
	return out, nil
}

// record writes down which CRDs there were before the run changed the first one, and says how many it added. A hop with more
// CRDs than those before it adds what it brings.
func record(run *v1alpha1.KarpenterUpgrade, crds []apiextensionsv1.CustomResourceDefinition, current map[string]*apiextensionsv1.CustomResourceDefinition) (added int) {
	for i := range crds {
		name := crds[i].Name
		if recorded(run, name) != nil {
			continue
		}
		change := v1alpha1.CRDChange{Name: name, Created: true}
		if was := current[name]; was != nil {
			change.UID, change.Created = was.UID, false
		}
		run.Status.CRDs = append(run.Status.CRDs, change)
		added++
	}
	return added
}

func recorded(run *v1alpha1.KarpenterUpgrade, name string) *v1alpha1.CRDChange {
	i := slices.IndexFunc(run.Status.CRDs, func(c v1alpha1.CRDChange) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &run.Status.CRDs[i]
}

// established says that the API server serves all these CRDs.
func established(crds []apiextensionsv1.CustomResourceDefinition, current map[string]*apiextensionsv1.CustomResourceDefinition) (bool, string, error) {
	for i := range crds {
		ok := slices.ContainsFunc(current[crds[i].Name].Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		})
		if !ok {
			return false, fmt.Sprintf("waiting for the API server to serve CustomResourceDefinition %s", crds[i].Name), nil
		}
	}
	return true, "", nil
}
