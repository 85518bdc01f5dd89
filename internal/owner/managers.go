package owner

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Manager is one entry of metadata.managedFields: who wrote fields, how, and in which version.
type Manager struct {
	// Name as it stands there, such as helm-controller.
	Name string
	// Kind of owner that writes by that name; None for all others, such as Karpenter itself.
	Kind Kind
	// Operation is Apply (server-side) or Update.
	Operation metav1.ManagedFieldsOperationType
	// APIVersion is the version in which it wrote, such as karpenter.sh/v1beta1.
	APIVersion string
	// Time of its last write; zero when it is not known.
	Time metav1.Time
}

// Managers are who wrote an object, in the order of its managedFields, without those that only wrote a subresource, as its status.
func Managers(entries []metav1.ManagedFieldsEntry) []Manager {
	var out []Manager
	for i := range entries {
		if entries[i].Subresource == "" {
			out = append(out, manager(&entries[i]))
		}
	}
	return out
}

// FieldOwners are who owns a field, or any part of it: path as in "spec", "replicas". An element of a list is named as it is in
// managedFields: `k:{"name":"controller"}`. An entry that cannot be read is an error.
func FieldOwners(entries []metav1.ManagedFieldsEntry, path ...string) ([]Manager, error) {
	var out []Manager
	for i := range entries {
		e := &entries[i]
		if e.FieldsV1 == nil {
			continue
		}
		fields := map[string]any{}
		if err := json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields); err != nil {
			return nil, fmt.Errorf("reading the managedFields of %s: %w", e.Manager, err)
		}
		if owns(fields, path) {
			out = append(out, manager(e))
		}
	}
	return out, nil
}

// owns walks down a set of fields. A field without any below it is owned as a whole.
func owns(fields map[string]any, path []string) bool {
	for _, name := range path {
		key := "f:" + name
		if strings.HasPrefix(name, "k:") || strings.HasPrefix(name, "v:") {
			key = name
		}
		below, there := fields[key]
		if !there {
			return false
		}
		if fields, there = below.(map[string]any); !there || len(fields) == 0 {
			return true
		}
	}
	return true
}

func manager(e *metav1.ManagedFieldsEntry) Manager {
	return Manager{Name: e.Manager, Kind: kindOf(e.Manager), Operation: e.Operation, APIVersion: e.APIVersion, Time: ptr.Deref(e.Time, metav1.Time{})}
}

// managers are the names by which owners write: the field manager that they set, or else the beginning of their program's name.
var managers = map[string]Kind{
	"argocd-controller":             ArgoCD, // what syncs set (argo-cd common.ArgoCDSSAManager)
	"argocd-application-controller": ArgoCD, // the program's own name
	"helm-controller":               FluxHelmRelease,
	"kustomize-controller":          FluxKustomization,
	"Terraform":                     Terraform, // kubernetes_manifest's default
	"HashiCorp":                     Terraform, // the user agent of Terraform's kubernetes provider
	"helm":                          Helm,
}

// kindOf is the kind of owner that writes by a name. Helm as a library writes by its program's name, so Terraform's provider does by
// names such as terraform-provider-helm_v2.17.0_x5.
func kindOf(name string) Kind {
	switch {
	case managers[name] != None:
		return managers[name]
	case strings.HasPrefix(name, "terraform-provider-"):
		return Terraform
	case name == "kubectl", strings.HasPrefix(name, "kubectl-"):
		return Kubectl
	default:
		return None
	}
}

// Writes is a manager of a kind of owner that still writes an object in one of these versions. One that has written in another since
// does not: the older entry beside the newer one holds what did not change then.
func Writes(entries []metav1.ManagedFieldsEntry, k Kind, apiVersions ...string) (Manager, bool) {
	var last Manager
	var since bool
	for _, m := range Managers(entries) {
		if m.Kind != k {
			continue
		}
		old := slices.Contains(apiVersions, m.APIVersion)
		switch {
		case last.Kind == None, m.Time.After(last.Time.Time), m.Time.Equal(&last.Time) && !old:
			last, since = m, !old
		}
	}
	return last, last.Kind != None && !since
}
