package live

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// objects reads the objects of a release's manifest.
func objects(manifest string) ([]unstructured.Unstructured, error) {
	var out []unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(doc, &o.Object); err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		if o.GetKind() != "" {
			out = append(out, o)
		}
	}
}

// grantedRules are the rules of the Roles and ClusterRoles among these objects, by namespace: ClusterRoles have none, and neither
// have Roles that do not name one, which are in that of their release.
func grantedRules(all []unstructured.Unstructured) (map[string][]rbacv1.PolicyRule, error) {
	out := map[string][]rbacv1.PolicyRule{}
	for i := range all {
		if kind := all[i].GetKind(); kind != "ClusterRole" && kind != "Role" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(all[i].Object, &role); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", all[i].GetKind(), all[i].GetName(), err)
		}
		out[role.Namespace] = append(out[role.Namespace], role.Rules...)
	}
	return out, nil
}

// deployment is the Deployment among these objects; nil when there is none.
func deployment(all []unstructured.Unstructured) (*appsv1.Deployment, error) {
	for i := range all {
		if all[i].GetKind() != "Deployment" {
			continue
		}
		d := &appsv1.Deployment{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(all[i].Object, d); err != nil {
			return nil, fmt.Errorf("reading Deployment %s: %w", all[i].GetName(), err)
		}
		return d, nil
	}
	return nil, nil
}
