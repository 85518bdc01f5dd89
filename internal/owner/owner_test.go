package owner

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// noon is when nothing special happened.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// wrote is an entry of managedFields, so many minutes after noon.
func wrote(manager string, minutes int, apiVersion, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: apiVersion, FieldsType: "FieldsV1",
		Time: ptr.To(metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute))), FieldsV1: metav1.NewFieldsV1(fields),
	}
}

func by(managers ...string) []metav1.ManagedFieldsEntry {
	var out []metav1.ManagedFieldsEntry
	for i, name := range managers {
		out = append(out, wrote(name, i, "karpenter.sh/v1", "{}"))
	}
	return out
}

// pool is the NodePool general with these marks.
func pool(labels, annotations map[string]string, managers ...string) Object {
	return Object{Group: "karpenter.sh", Kind: "NodePool", Name: "general", Labels: labels, Annotations: annotations, ManagedFields: by(managers...)}
}

type marks = map[string]string

func TestTheOwnerIsTold(t *testing.T) {
	const id = "argocd.argoproj.io/tracking-id"
	release := marks{"meta.helm.sh/release-name": "karpenter", "meta.helm.sh/release-namespace": "kube-system"}
	flux := marks{"helm.toolkit.fluxcd.io/name": "karpenter", "helm.toolkit.fluxcd.io/namespace": "flux-system", "app.kubernetes.io/managed-by": "Helm"}
	applied := marks{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	for name, tc := range map[string]struct {
		object   Object
		kind     Kind
		says     string
		evidence []string
	}{
		"nobody":                          {object: pool(nil, nil), says: "nobody"},
		"Karpenter itself":                {object: pool(nil, nil, "karpenter"), says: "nobody"},
		"Argo CD by annotation":           {object: pool(nil, marks{id: "pools:karpenter.sh/NodePool:karpenter/general"}), kind: ArgoCD, says: "Application pools", evidence: []string{"annotation " + id + "=pools:karpenter.sh/NodePool:karpenter/general"}},
		"and by its manager":              {object: pool(nil, marks{id: "pools:karpenter.sh/NodePool:/general"}, "argocd-controller"), kind: ArgoCD, says: "Application pools", evidence: []string{"annotation " + id + "=pools:karpenter.sh/NodePool:/general", "manager argocd-controller"}},
		"Argo CD in any namespace":        {object: pool(nil, marks{id: "team-a_pools:karpenter.sh/NodePool:/general"}), kind: ArgoCD, says: "Application team-a/pools", evidence: []string{"annotation " + id + "=team-a_pools:karpenter.sh/NodePool:/general"}},
		"an id that was copied":           {object: pool(nil, marks{id: "pools:karpenter.sh/NodePool:/spot"}), says: "nobody"},
		"an id of another kind":           {object: pool(nil, marks{id: "pools:karpenter.k8s.aws/EC2NodeClass:/general"}), says: "nobody"},
		"Argo CD by its own label":        {object: pool(marks{"argocd.argoproj.io/instance": "pools"}, nil), kind: ArgoCD, says: "Application pools", evidence: []string{"label argocd.argoproj.io/instance=pools"}},
		"Helm's label tells nothing":      {object: pool(marks{"app.kubernetes.io/instance": "karpenter"}, nil), says: "nobody"},
		"but with Argo CD's manager":      {object: pool(marks{"app.kubernetes.io/instance": "karpenter"}, nil, "argocd-application-controller"), kind: ArgoCD, says: "Application karpenter", evidence: []string{"label app.kubernetes.io/instance=karpenter", "manager argocd-application-controller"}},
		"Argo CD's manager alone":         {object: pool(nil, nil, "argocd-controller"), kind: ArgoCD, says: "an Application of Argo CD", evidence: []string{"manager argocd-controller"}},
		"HelmRelease":                     {object: pool(flux, release, "helm-controller"), kind: FluxHelmRelease, says: "HelmRelease flux-system/karpenter", evidence: []string{"label helm.toolkit.fluxcd.io/name=karpenter", "manager helm-controller"}},
		"HelmRelease by its manager":      {object: pool(nil, release, "helm-controller"), kind: FluxHelmRelease, says: "a HelmRelease of Flux (the Helm release kube-system/karpenter)", evidence: []string{"manager helm-controller"}},
		"Kustomization":                   {object: pool(marks{"kustomize.toolkit.fluxcd.io/name": "pools", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, nil), kind: FluxKustomization, says: "Kustomization flux-system/pools", evidence: []string{"label kustomize.toolkit.fluxcd.io/name=pools"}},
		"Terraform's manifest":            {object: pool(nil, nil, "Terraform"), kind: Terraform, says: "Terraform", evidence: []string{"manager Terraform"}},
		"Terraform's kubernetes provider": {object: pool(nil, applied, "HashiCorp", "kubectl-edit"), kind: Terraform, says: "Terraform", evidence: []string{"manager HashiCorp"}},
		"Terraform's Helm":                {object: pool(nil, release, "terraform-provider-helm_v2.17.0_x5"), kind: Terraform, says: "Terraform (the Helm release kube-system/karpenter)", evidence: []string{"manager terraform-provider-helm_v2.17.0_x5"}},
		"Helm by hand":                    {object: pool(marks{"app.kubernetes.io/managed-by": "Helm"}, release, "helm"), kind: Helm, says: "Helm release kube-system/karpenter", evidence: []string{"annotation meta.helm.sh/release-name=karpenter", "label app.kubernetes.io/managed-by=Helm", "manager helm"}},
		"Helm's, edited by hand":          {object: pool(nil, release, "helm", "kubectl-edit"), kind: Helm, says: "Helm release kube-system/karpenter", evidence: []string{"annotation meta.helm.sh/release-name=karpenter", "manager helm"}},
		"a chart that was only rendered":  {object: pool(marks{"app.kubernetes.io/managed-by": "Helm"}, applied, "kubectl-client-side-apply"), kind: Kubectl, says: "kubectl", evidence: []string{"annotation kubectl.kubernetes.io/last-applied-configuration", "manager kubectl-client-side-apply"}},
		"GitOps's, edited by hand":        {object: pool(flux, release, "helm-controller", "kubectl-edit"), kind: FluxHelmRelease, says: "HelmRelease flux-system/karpenter", evidence: []string{"label helm.toolkit.fluxcd.io/name=karpenter", "manager helm-controller"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got := Of(tc.object)
			g.Expect(got.Kind).To(Equal(tc.kind))
			g.Expect(got.String()).To(Equal(tc.says))
			g.Expect(got.Evidence).To(Equal(tc.evidence))
		})
	}
}

func TestTheLastToWriteOwnsWhatChangedHands(t *testing.T) {
	g := NewWithT(t)
	o := pool(marks{"kustomize.toolkit.fluxcd.io/name": "pools", "argocd.argoproj.io/instance": "platform"}, nil)
	g.Expect(Of(o).Kind).To(Equal(ArgoCD), "nobody has written")
	o.ManagedFields = by("argocd-controller", "kustomize-controller", "kubectl-edit")
	all := All(o)
	g.Expect(all).To(HaveLen(3))
	g.Expect(all[0].String()).To(Equal("Kustomization pools"))
	g.Expect(all[1].String()).To(Equal("Application platform"))
	g.Expect(all[2].Kind).To(Equal(Kubectl))
}

func TestAManagerAloneIsNoOwnerOnceAnotherHasWritten(t *testing.T) {
	g := NewWithT(t)
	release := marks{"meta.helm.sh/release-name": "karpenter", "meta.helm.sh/release-namespace": "kube-system"}
	g.Expect(Of(pool(nil, release, "helm-controller", "helm")).Kind).To(Equal(Helm), "Flux was given up")
	g.Expect(Of(pool(nil, release, "helm-controller", "manager", "kubectl-edit")).Kind).To(Equal(FluxHelmRelease), "as an upgrade by the operator leaves it")
	g.Expect(Of(pool(marks{"helm.toolkit.fluxcd.io/name": "karpenter"}, release, "helm-controller", "helm")).Kind).To(Equal(FluxHelmRelease), "it bears the mark")
}

func TestAStatusTellsNoOwner(t *testing.T) {
	g := NewWithT(t)
	o := pool(nil, nil, "helm-controller")
	o.ManagedFields[0].Subresource = "status"
	g.Expect(Of(o).Kind).To(Equal(None))
	g.Expect(Managers(o.ManagedFields)).To(BeEmpty())
}

func TestWhoOwnsAField(t *testing.T) {
	entries := []metav1.ManagedFieldsEntry{
		wrote("helm-controller", 0, "apps/v1", `{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"controller\"}":{".":{},"f:image":{}}}}}}}`),
		wrote("kubectl-scale", 1, "apps/v1", `{"f:spec":{"f:replicas":{}}}`),
		wrote("other", 2, "apps/v1", `{"f:spec":{"f:selector":{}}}`),
		{Manager: "nothing"},
	}
	for name, tc := range map[string]struct {
		path []string
		want []string
	}{
		"a field of two":        {path: []string{"spec", "replicas"}, want: []string{"helm-controller", "kubectl-scale"}},
		"an element of a list":  {path: []string{"spec", "template", "spec", "containers", `k:{"name":"controller"}`, "image"}, want: []string{"helm-controller"}},
		"below one owned whole": {path: []string{"spec", "selector", "matchLabels"}, want: []string{"other"}},
		"above":                 {path: []string{"spec"}, want: []string{"helm-controller", "kubectl-scale", "other"}},
		"nobody's":              {path: []string{"spec", "paused"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found, err := FieldOwners(entries, tc.path...)
			g.Expect(err).NotTo(HaveOccurred())
			var got []string
			for _, m := range found {
				got = append(got, m.Name)
			}
			g.Expect(got).To(Equal(tc.want))
		})
	}
	t.Run("what cannot be read", func(t *testing.T) {
		_, err := FieldOwners([]metav1.ManagedFieldsEntry{wrote("broken", 0, "v1", "[")}, "spec")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("managedFields of broken")))
	})
}

func TestWhoStillWritesAVersion(t *testing.T) {
	const v1, beta = "karpenter.sh/v1", "karpenter.sh/v1beta1"
	for name, tc := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    bool
	}{
		"nobody":                      {},
		"only v1beta1":                {entries: []metav1.ManagedFieldsEntry{wrote("kustomize-controller", 0, beta, "{}")}, want: true},
		"v1 since":                    {entries: []metav1.ManagedFieldsEntry{wrote("kustomize-controller", 0, beta, "{}"), wrote("kustomize-controller", 1, v1, "{}")}},
		"v1 in the same second":       {entries: []metav1.ManagedFieldsEntry{wrote("kustomize-controller", 0, v1, "{}"), wrote("kustomize-controller", 0, beta, "{}")}},
		"v1beta1 again":               {entries: []metav1.ManagedFieldsEntry{wrote("kustomize-controller", 2, beta, "{}"), wrote("kustomize-controller", 1, v1, "{}")}, want: true},
		"another owner's":             {entries: []metav1.ManagedFieldsEntry{wrote("helm-controller", 0, beta, "{}")}},
		"v1beta1 in the same, before": {entries: []metav1.ManagedFieldsEntry{wrote("kustomize-controller", 0, beta, "{}"), wrote("kustomize-controller", 0, v1, "{}")}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m, got := Writes(tc.entries, FluxKustomization, beta)
			g.Expect(got).To(Equal(tc.want))
			if got {
				g.Expect(m).To(And(HaveField("Name", "kustomize-controller"), HaveField("APIVersion", beta)))
			}
		})
	}
}
