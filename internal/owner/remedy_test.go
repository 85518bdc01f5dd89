package owner

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhatHoldsAnOwner(t *testing.T) {
	for name, tc := range map[string]struct {
		owner          Owner
		hold, letGo    string
		gitOps, undoes bool
	}{
		"HelmRelease": {
			owner: Owner{Kind: FluxHelmRelease, Namespace: "flux-system", Name: "karpenter"}, gitOps: true, undoes: true,
			hold: "`flux suspend helmrelease karpenter -n flux-system`", letGo: "`flux resume helmrelease karpenter -n flux-system`",
		},
		"Kustomization": {
			owner: Owner{Kind: FluxKustomization, Namespace: "flux-system", Name: "pools"}, gitOps: true, undoes: true,
			hold: "`flux suspend kustomization pools -n flux-system`", letGo: "`flux resume kustomization pools -n flux-system`",
		},
		"Application": {
			owner: Owner{Kind: ArgoCD, Name: "karpenter"}, gitOps: true, undoes: true,
			hold:  "`kubectl annotate applications.argoproj.io karpenter -n argocd argocd.argoproj.io/skip-reconcile=true`",
			letGo: "`kubectl annotate applications.argoproj.io karpenter -n argocd argocd.argoproj.io/skip-reconcile-`",
		},
		"Application elsewhere": {
			owner: Owner{Kind: ArgoCD, Namespace: "team-a", Name: "karpenter"}, gitOps: true, undoes: true,
			hold:  "`kubectl annotate applications.argoproj.io karpenter -n team-a argocd.argoproj.io/skip-reconcile=true`",
			letGo: "`kubectl annotate applications.argoproj.io karpenter -n team-a argocd.argoproj.io/skip-reconcile-`",
		},
		"HelmRelease whose label has gone": {
			owner: Owner{Kind: FluxHelmRelease}, gitOps: true, undoes: true,
			hold: "`flux suspend helmrelease <its name> -n <its namespace>` (`flux get helmreleases -A` lists them)", letGo: "`flux resume helmrelease <its name> -n <its namespace>`",
		},
		"Terraform with Helm": {
			owner: Owner{Kind: Terraform, Release: "kube-system/karpenter"}, undoes: true,
			hold: "run no `terraform apply` on it, or have its helm_release say `lifecycle { ignore_changes = [version, values, set] }`",
		},
		"Terraform": {
			owner: Owner{Kind: Terraform}, undoes: true,
			hold: "run no `terraform apply` on it, or have its resource say `lifecycle { ignore_changes = all }`",
		},
		"Helm":    {owner: Owner{Kind: Helm, Namespace: "kube-system", Name: "karpenter"}},
		"kubectl": {owner: Owner{Kind: Kubectl}},
		"nobody":  {},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(tc.owner.Hold()).To(Equal(tc.hold))
			g.Expect(tc.owner.LetGo()).To(Equal(tc.letGo))
			g.Expect(tc.owner.GitOps()).To(Equal(tc.gitOps))
			g.Expect(tc.owner.PutsBack()).To(Equal(tc.undoes))
		})
	}
}

func TestWhatAnOwnerIsToldForAVersion(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Owner{Kind: FluxHelmRelease}.Version("1.14.1")).To(ContainSubstring("version 1.14.1 of its chart (spec.chart.spec.version"))
	g.Expect(Owner{Kind: ArgoCD}.Version("1.14.1")).To(Equal("targetRevision 1.14.1 of its chart"))
	g.Expect(Owner{Kind: Terraform}.Version("1.14.1")).To(Equal(`version = "1.14.1" in its helm_release`))
	g.Expect(Owner{Kind: FluxKustomization}.Version("1.14.1")).To(Equal("Karpenter 1.14.1"))
}
