package owner

import (
	"cmp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kind is a kind of owner.
type Kind string

// Kinds of owners. The zero value is nobody.
const (
	// None: nothing tells of an owner.
	None Kind = ""
	// ArgoCD is an Application of Argo CD.
	ArgoCD Kind = "ArgoCD"
	// FluxHelmRelease is a HelmRelease, carried out by Flux's helm-controller. Helm knows the release.
	FluxHelmRelease Kind = "FluxHelmRelease"
	// FluxKustomization is a Kustomization, carried out by Flux's kustomize-controller.
	FluxKustomization Kind = "FluxKustomization"
	// Terraform (or OpenTofu) has the object, or its Helm release, in a state that cannot be seen from the cluster.
	Terraform Kind = "Terraform"
	// Helm is a release that a person or a pipeline installs.
	Helm Kind = "Helm"
	// Kubectl is a person or a pipeline that applies manifests.
	Kubectl Kind = "Kubectl"
)

// Object is what is known of an object. Everything but the labels, annotations and managedFields may be left out.
type Object struct {
	// Group and Kind, Namespace (empty for those of the whole cluster) and Name identify it. With them a mark that was copied from
	// another object is told from its own.
	Group, Kind, Namespace, Name string
	Labels, Annotations          map[string]string
	ManagedFields                []metav1.ManagedFieldsEntry
}

// Owner is who keeps an object as it is.
type Owner struct {
	Kind Kind
	// Namespace and Name of the Application, HelmRelease, Kustomization or Helm release. An Application's namespace is known only
	// where it is not Argo CD's own; both are empty where only a manager's name tells of the owner, and for Terraform and kubectl.
	Namespace, Name string
	// Release is the Helm release that the object says it is of, as namespace/name; empty when it says none.
	Release string
	// Evidence is what told, the strongest first: a label, an annotation, or a manager of its fields.
	Evidence []string
}

// Of tells who keeps an object as it is. Where the marks of several are on it, it is the one whose manager has written last, or
// else the first in the order of the Kinds.
func Of(o Object) Owner {
	if all := All(o); len(all) > 0 {
		return all[0]
	}
	return Owner{Release: release(o)}
}

// All are all of whom an object bears marks, the likeliest owner first: marks stay behind when an object changes hands.
func All(o Object) []Owner {
	managers := Managers(o.ManagedFields)
	var out []Owner
	for _, tell := range []func(Object, []Manager) Owner{argoCD, helmRelease, kustomization, terraform, helm, kubectl} {
		if found := tell(o, managers); found.Kind != None && !superseded(found, managers) {
			found.Release = release(o)
			out = append(out, found)
		}
	}
	slices.SortStableFunc(out, func(a, b Owner) int {
		if c := cmp.Compare(rank(a.Kind), rank(b.Kind)); c != 0 {
			return c
		}
		return lastWrite(managers, b.Kind).Compare(lastWrite(managers, a.Kind).Time)
	})
	return out
}

// superseded says that nothing but an entry of its manager tells of an owner, and that another owner has written since: then the
// object has changed hands, for the next write of one that acts by itself would have put its marks back.
func superseded(o Owner, managers []Manager) bool {
	return o.GitOps() && o.Name == "" && slices.ContainsFunc(managers, func(m Manager) bool {
		return m.Kind != o.Kind && rank(m.Kind) <= rank(Helm) && m.Time.After(lastWrite(managers, o.Kind).Time)
	})
}

// rank puts those that act by themselves first, then Terraform, which never stands for anybody else, then the rest: kubectl's marks
// stay where a person has edited what another owns, and Helm's are on what Flux and Terraform install with it.
func rank(k Kind) int {
	switch k {
	case ArgoCD, FluxHelmRelease, FluxKustomization:
		return 0
	case Terraform:
		return 1
	case Helm:
		return 2
	case Kubectl:
		return 3
	case None:
		return 4
	}
	return 4
}

// lastWrite is when managers of a kind wrote last; the zero time when none did, or when it is not known.
func lastWrite(managers []Manager, k Kind) metav1.Time {
	var last metav1.Time
	for _, m := range managers {
		if m.Kind == k && m.Time.After(last.Time) {
			last = m.Time
		}
	}
	return last
}

// Labels and annotations by which tools know what they own.
const (
	// argoID is set under the tracking methods annotation (the default since Argo CD 3.0) and annotation+label.
	argoID = "argocd.argoproj.io/tracking-id"
	// argoLabel is what many set application.instanceLabelKey to, so that it is not that of Helm's charts.
	argoLabel = "argocd.argoproj.io/instance"
	// instance is the label that Argo CD tracks by under the method label (the default before 3.0). Helm's charts set it as well.
	instance = "app.kubernetes.io/instance"

	fluxHelm      = "helm.toolkit.fluxcd.io/"
	fluxKustomize = "kustomize.toolkit.fluxcd.io/"

	managedBy        = "app.kubernetes.io/managed-by"
	releaseName      = "meta.helm.sh/release-name"
	releaseNamespace = "meta.helm.sh/release-namespace"

	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// argoCD reads the marks of Argo CD as it does itself: a tracking id counts where it names the object that bears it, a label where
// there is none. The label of Helm's charts tells nothing until one of Argo CD's managers has written too.
func argoCD(o Object, managers []Manager) Owner {
	wrote := evidence(managers, ArgoCD)
	if id, ok := o.Annotations[argoID]; ok {
		if app, own := tracked(o, id); own {
			out := Owner{Kind: ArgoCD, Name: app, Evidence: append([]string{"annotation " + argoID + "=" + id}, wrote...)}
			// An Application outside Argo CD's own namespace is named <namespace>_<name>; names have no underscore.
			if namespace, name, elsewhere := strings.Cut(app, "_"); elsewhere {
				out.Namespace, out.Name = namespace, name
			}
			return out
		}
		if len(wrote) == 0 {
			return Owner{}
		}
	}
	for _, label := range []string{argoLabel, instance} {
		app := o.Labels[label]
		if app == "" || label == instance && len(wrote) == 0 {
			continue
		}
		return Owner{Kind: ArgoCD, Name: app, Evidence: append([]string{"label " + label + "=" + app}, wrote...)}
	}
	if len(wrote) > 0 {
		return Owner{Kind: ArgoCD, Evidence: wrote}
	}
	return Owner{}
}

// tracked reads a tracking id, <application>:<group>/<kind>:<namespace>/<name>, and says whether it is the object's own. For objects
// of the whole cluster its namespace is the Application's destination, or empty.
func tracked(o Object, id string) (app string, own bool) {
	app, rest, _ := strings.Cut(id, ":")
	groupKind, key, ok := strings.Cut(rest, ":")
	if !ok || app == "" {
		return app, app != ""
	}
	namespace, name, namespaced := strings.Cut(key, "/")
	if !namespaced {
		namespace, name = "", key
	}
	same := func(known, said string) bool { return known == "" || known == said }
	return app, same(o.Name, name) && same(o.Namespace, namespace) && (o.Kind == "" || groupKind == o.Group+"/"+o.Kind)
}

func helmRelease(o Object, managers []Manager) Owner {
	return flux(o, managers, FluxHelmRelease, fluxHelm)
}

func kustomization(o Object, managers []Manager) Owner {
	return flux(o, managers, FluxKustomization, fluxKustomize)
}

// flux reads the labels <group>/name and <group>/namespace, which Flux's controllers put on all that they apply.
func flux(o Object, managers []Manager, kind Kind, group string) Owner {
	out := Owner{Kind: kind, Namespace: o.Labels[group+"namespace"], Name: o.Labels[group+"name"]}
	if out.Name != "" {
		out.Evidence = append(out.Evidence, "label "+group+"name="+out.Name)
	}
	if out.Evidence = append(out.Evidence, evidence(managers, kind)...); len(out.Evidence) == 0 {
		return Owner{}
	}
	return out
}

func terraform(_ Object, managers []Manager) Owner {
	if wrote := evidence(managers, Terraform); len(wrote) > 0 {
		return Owner{Kind: Terraform, Evidence: wrote}
	}
	return Owner{}
}

// helm reads what Helm 3 puts on all objects of a release. The label alone tells nothing: charts set it, whoever renders them.
func helm(o Object, managers []Manager) Owner {
	if o.Annotations[releaseName] == "" {
		return Owner{}
	}
	out := Owner{Kind: Helm, Namespace: o.Annotations[releaseNamespace], Name: o.Annotations[releaseName]}
	out.Evidence = append(out.Evidence, "annotation "+releaseName+"="+out.Name)
	if o.Labels[managedBy] == "Helm" {
		out.Evidence = append(out.Evidence, "label "+managedBy+"=Helm")
	}
	out.Evidence = append(out.Evidence, evidence(managers, Helm)...)
	return out
}

func kubectl(o Object, managers []Manager) Owner {
	out := Owner{Kind: Kubectl}
	if _, ok := o.Annotations[lastApplied]; ok {
		out.Evidence = append(out.Evidence, "annotation "+lastApplied)
	}
	if out.Evidence = append(out.Evidence, evidence(managers, Kubectl)...); len(out.Evidence) == 0 {
		return Owner{}
	}
	return out
}

// release is the Helm release that an object says it is of, as namespace/name.
func release(o Object) string {
	if o.Annotations[releaseName] == "" {
		return ""
	}
	return o.Annotations[releaseNamespace] + "/" + o.Annotations[releaseName]
}

// evidence are the managers of a kind that have written an object, as evidence, each once.
func evidence(managers []Manager, k Kind) []string {
	var out []string
	for _, m := range managers {
		if said := "manager " + m.Name; m.Kind == k && !slices.Contains(out, said) {
			out = append(out, said)
		}
	}
	return out
}
