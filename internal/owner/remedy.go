package owner

import (
	"cmp"
	"fmt"
)

// argoNamespace is where Argo CD's installation puts it, and with it all Applications whose namespace their marks do not tell.
const argoNamespace = "argocd"

// GitOps says that the owner brings back by itself what it was told, without anybody asking.
func (o Owner) GitOps() bool { return rank(o.Kind) == 0 }

// PutsBack says that the owner undoes what somebody else changes: by itself, or, as Terraform does, when it is run again.
func (o Owner) PutsBack() bool { return o.GitOps() || o.Kind == Terraform }

// String names the owner as a person would look for it, such as "HelmRelease flux-system/karpenter".
func (o Owner) String() string {
	switch o.Kind {
	case ArgoCD:
		return o.named("Application", "an Application of Argo CD")
	case FluxHelmRelease:
		return o.named("HelmRelease", "a HelmRelease of Flux")
	case FluxKustomization:
		return o.named("Kustomization", "a Kustomization of Flux")
	case Terraform:
		if o.Release != "" {
			return "Terraform (the Helm release " + o.Release + ")"
		}
		return "Terraform"
	case Helm:
		return o.named("Helm release", "Helm")
	case Kubectl:
		return "kubectl"
	case None:
		return "nobody"
	}
	return string(o.Kind)
}

func (o Owner) named(kind, nameless string) string {
	switch {
	case o.Name == "" && o.Release != "":
		return nameless + " (the Helm release " + o.Release + ")"
	case o.Name == "":
		return nameless
	case o.Namespace == "":
		return kind + " " + o.Name
	default:
		return kind + " " + o.Namespace + "/" + o.Name
	}
}

// Hold says how the owner is kept from putting anything back: a command, or for Terraform a change of its code. It is empty for
// owners that put nothing back.
func (o Owner) Hold() string {
	name, namespace := o.where()
	switch o.Kind {
	case ArgoCD:
		return fmt.Sprintf("`kubectl annotate applications.argoproj.io %s -n %s argocd.argoproj.io/skip-reconcile=true`", name, namespace) + o.which("kubectl get applications.argoproj.io -A")
	case FluxHelmRelease:
		return fmt.Sprintf("`flux suspend helmrelease %s -n %s`", name, namespace) + o.which("flux get helmreleases -A")
	case FluxKustomization:
		return fmt.Sprintf("`flux suspend kustomization %s -n %s`", name, namespace) + o.which("flux get kustomizations -A")
	case Terraform:
		if o.Release != "" {
			return "run no `terraform apply` on it, or have its helm_release say `lifecycle { ignore_changes = [version, values, set] }`"
		}
		return "run no `terraform apply` on it, or have its resource say `lifecycle { ignore_changes = all }`"
	case Helm, Kubectl, None:
	}
	return ""
}

// which says where to look for an owner whose name the marks do not tell.
func (o Owner) which(list string) string {
	if o.Name != "" {
		return ""
	}
	return " (`" + list + "` lists them)"
}

// LetGo is the command that undoes Hold; empty where Hold is no command.
func (o Owner) LetGo() string {
	name, namespace := o.where()
	switch o.Kind {
	case ArgoCD:
		return fmt.Sprintf("`kubectl annotate applications.argoproj.io %s -n %s argocd.argoproj.io/skip-reconcile-`", name, namespace)
	case FluxHelmRelease:
		return fmt.Sprintf("`flux resume helmrelease %s -n %s`", name, namespace)
	case FluxKustomization:
		return fmt.Sprintf("`flux resume kustomization %s -n %s`", name, namespace)
	case Terraform, Helm, Kubectl, None:
	}
	return ""
}

// Version says what the owner of a Helm release has to be told for it to be of a version.
func (o Owner) Version(version string) string {
	switch o.Kind {
	case ArgoCD:
		return "targetRevision " + version + " of its chart"
	case FluxHelmRelease:
		return "version " + version + " of its chart (spec.chart.spec.version, or spec.ref of the OCIRepository that spec.chartRef names)"
	case Terraform:
		return "version = \"" + version + "\" in its helm_release"
	case FluxKustomization, Helm, Kubectl, None:
	}
	return "Karpenter " + version
}

// where is the owner's name and namespace, for commands.
func (o Owner) where() (name, namespace string) {
	name, namespace = cmp.Or(o.Name, "<its name>"), o.Namespace
	if o.Kind == ArgoCD {
		return name, cmp.Or(namespace, argoNamespace)
	}
	return name, cmp.Or(namespace, "<its namespace>")
}
