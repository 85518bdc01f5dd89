package check

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

var (
	fluxLabels = map[string]string{"helm.toolkit.fluxcd.io/name": "karpenter", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
	helmMarks  = map[string]string{"meta.helm.sh/release-name": "karpenter", "meta.helm.sh/release-namespace": "karpenter"}
)

func TestEachOwnerIsNamedWithWhatToDo(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	s.Installations[0].Labels = fluxLabels
	s.NodePools[0].SetLabels(map[string]string{"argocd.argoproj.io/instance": "platform", "team": "a"})
	s.NodeClasses[0].SetLabels(map[string]string{"team": "a"})
	findings := run(t, s, spec)
	g.Expect(findings).To(HaveExactElements(
		And(HaveField("Code", "ManagedByGitOps"), HaveField("Severity", v1alpha1.SeverityWarning),
			HaveField("Objects", ConsistOf("Deployment/karpenter/karpenter")),
			HaveField("Why", And(HavePrefix("HelmRelease flux-system/karpenter keeps them"), ContainSubstring("label helm.toolkit.fluxcd.io/name=karpenter"), ContainSubstring("starts blue again"))),
			HaveField("Fix", And(HavePrefix("`flux suspend helmrelease karpenter -n flux-system` until it says version 1.14.1"),
				HaveSuffix("then `flux resume helmrelease karpenter -n flux-system`"), Not(ContainSubstring("keepBlue"))))),
		And(HaveField("Code", "ManagedByGitOps"), HaveField("Objects", ConsistOf("NodePool/general")),
			HaveField("Why", And(HavePrefix("Application platform keeps them"), ContainSubstring("brings back NodePools"))),
			HaveField("Fix", And(ContainSubstring("applications.argoproj.io platform -n argocd argocd.argoproj.io/skip-reconcile=true"), ContainSubstring("keepBlue: true")))),
	))

	spec.NodePools = &v1alpha1.NodePools{KeepBlue: true}
	g.Expect(run(t, s, spec)).To(HaveEach(HaveField("Fix", Not(ContainSubstring("keepBlue")))))
	spec.NodePools.Exclude = []string{"general"}
	g.Expect(run(t, s, spec)).To(ConsistOf(HaveField("Objects", ConsistOf("Deployment/karpenter/karpenter"))), "what stays is left out")
}

func TestWhoPutsNothingBackIsNoFinding(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	s.Installations[0].Annotations, s.Installations[0].Labels = helmMarks, map[string]string{"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "karpenter"}
	s.Installations[0].ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm"}}
	s.NodePools[0].SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl-client-side-apply", APIVersion: "karpenter.sh/v1beta1"}})
	s.Installations[0].Version = "1.0.14"
	g.Expect(run(t, s, spec)).To(BeEmpty())
}

func TestTerraformIsToldByTheManagersOfTheDeployment(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	s.Installations[0].Annotations = helmMarks
	s.Installations[0].ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "terraform-provider-helm_v2.17.0_x5"}}
	g.Expect(run(t, s, spec)).To(ConsistOf(And(
		HaveField("Code", "ManagedByGitOps"), HaveField("Why", HavePrefix("Terraform (the Helm release karpenter/karpenter) keeps them")),
		HaveField("Fix", And(ContainSubstring("terraform apply"), ContainSubstring("ignore_changes"), ContainSubstring(`version = "1.14.1"`))),
	)))
}

func TestCRDsNameTheirOwner(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	for i := range s.CRDs {
		s.CRDs[i].Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "karpenter-crd", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
	}
	s.CRDs[0].Labels["kustomize.toolkit.fluxcd.io/name"] = "crds"
	findings := run(t, s, spec)
	g.Expect(findings).To(ConsistOf(And(HaveField("Code", "CRDManagedByGitOps"), HaveField("Objects", HaveLen(3)))))
	g.Expect(findings[0].Why).To(And(HavePrefix("HelmRelease flux-system/karpenter-crd keeps them"), ContainSubstring("marks of Kustomization crds too")))
	g.Expect(findings[0].Fix).To(And(ContainSubstring("flux suspend helmrelease karpenter-crd -n flux-system"), ContainSubstring("the CRDs of 1.14.1")))
}

func TestManifestsOfV1beta1InGit(t *testing.T) {
	entry := func(manager, version string, operation metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, APIVersion: version, Operation: operation}
	}
	const apply, update = metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	for name, tc := range map[string]struct {
		source, target string
		betaOnly       bool // the CRDs serve no v1
		entries        []metav1.ManagedFieldsEntry
		code           string
		why, fix       string
	}{
		"Flux applies v1beta1":          {source: "1.0.14", entries: []metav1.ManagedFieldsEntry{entry("kustomize-controller", "karpenter.k8s.aws/v1beta1", apply)}, code: "BetaManifestsInGit", why: "Kustomization flux-system/pools writes them as v1beta1 (manager kustomize-controller", fix: "write them as v1 in what Kustomization flux-system/pools applies"},
		"where no v1 is served":         {source: "0.36.2", betaOnly: true, entries: []metav1.ManagedFieldsEntry{entry("kustomize-controller", "karpenter.k8s.aws/v1beta1", apply)}, code: "BetaManifestsInGit", why: "which the CRDs of 1.14.1 do not have", fix: "Karpenter 0.36.2 serves no v1: go to 1.0."},
		"the way ends at 1.0":           {source: "1.0.8", target: "1.0.14", entries: []metav1.ManagedFieldsEntry{entry("kustomize-controller", "karpenter.k8s.aws/v1beta1", apply)}},
		"the way begins behind it":      {source: "1.2.0", entries: []metav1.ManagedFieldsEntry{entry("kustomize-controller", "karpenter.k8s.aws/v1beta1", apply)}},
		"Flux applies v1":               {source: "1.0.14", entries: []metav1.ManagedFieldsEntry{entry("kustomize-controller", "karpenter.k8s.aws/v1", apply)}},
		"and Karpenter's old entries":   {source: "1.0.14", entries: []metav1.ManagedFieldsEntry{entry("kustomize-controller", "karpenter.k8s.aws/v1", apply), entry("karpenter", "karpenter.k8s.aws/v1beta1", update)}, code: "BetaFieldsLeft", why: "refuses every server-side apply", fix: "`kubectl patch ec2nodeclass/default --type=merge"},
		"another tool than their owner": {source: "1.0.14", entries: []metav1.ManagedFieldsEntry{entry("kubectl-client-side-apply", "karpenter.k8s.aws/v1beta1", update), entry("kustomize-controller", "karpenter.k8s.aws/v1", apply)}, code: "BetaFieldsLeft", why: "entries of v1beta1", fix: "managedFields"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, spec := healthy(t)
			s.Kubernetes = "v1.30.4"
			s.Installations[0].Version = tc.source
			if tc.target != "" {
				spec.Target.Version = tc.target
			}
			if tc.betaOnly {
				s.CRDs[0] = crd(coreCRDs[0], "v1beta1")
			}
			s.NodeClasses[0].SetLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": "pools", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"})
			s.NodeClasses[0].SetManagedFields(tc.entries)
			found := betaFindings(run(t, s, spec))
			if tc.code == "" {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).To(ConsistOf(And(HaveField("Code", tc.code), HaveField("Objects", ConsistOf("EC2NodeClass/default")),
				HaveField("Why", ContainSubstring(tc.why)), HaveField("Fix", ContainSubstring(tc.fix)))))
		})
	}
}

func betaFindings(all []v1alpha1.Finding) []v1alpha1.Finding {
	var out []v1alpha1.Finding
	for _, f := range all {
		if f.Code == "BetaManifestsInGit" || f.Code == "BetaFieldsLeft" {
			out = append(out, f)
		}
	}
	return out
}
