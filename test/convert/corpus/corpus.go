// Package corpus has NodePools and EC2NodeClasses of v1beta1 in all variety: some written by hand, and as many random ones as are
// asked for. All of them are accepted by the CRDs of Karpenter 0.36 and of 1.0.
package corpus

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed nodepools.yaml
var nodePools string

//go:embed nodeclasses.yaml
var nodeClasses string

// entry is an object without what all of its kind have.
type entry struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Spec        map[string]any    `json:"spec"`
}

// Written are the objects that were written by hand.
func Written() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, file := range []struct {
		content  string
		complete func(*entry) *unstructured.Unstructured
	}{{nodePools, pool}, {nodeClasses, class}} {
		decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(file.content), 4096)
		for {
			var e entry
			err := decoder.Decode(&e)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("reading the corpus after %d objects: %w", len(out), err)
			}
			o, err := normalized(file.complete(&e))
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", e.Name, err)
			}
			out = append(out, o)
		}
	}
	return out, nil
}

// normalized is an object as an API client decodes it.
func normalized(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	data, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	return out, out.UnmarshalJSON(data)
}

func object(e *entry, apiVersion, kind string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": e.Spec}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetName(e.Name)
	o.SetLabels(e.Labels)
	o.SetAnnotations(e.Annotations)
	return o
}

func pool(e *entry) *unstructured.Unstructured {
	template := child(child(e.Spec, "template"), "spec")
	missing(template, "nodeClassRef", map[string]any{"apiVersion": "karpenter.k8s.aws/v1beta1", "kind": "EC2NodeClass", "name": "default"})
	missing(template, "requirements", []any{map[string]any{"key": "karpenter.sh/capacity-type", "operator": "In", "values": []any{"on-demand"}}})
	return object(e, "karpenter.sh/v1beta1", "NodePool")
}

func class(e *entry) *unstructured.Unstructured {
	terms := []any{map[string]any{"tags": map[string]any{"karpenter.sh/discovery": "sandbox"}}}
	missing(e.Spec, "subnetSelectorTerms", terms)
	missing(e.Spec, "securityGroupSelectorTerms", terms)
	missing(e.Spec, "role", "KarpenterNodeRole-sandbox")
	if e.Spec["role"] == nil {
		delete(e.Spec, "role")
	}
	return object(e, "karpenter.k8s.aws/v1beta1", "EC2NodeClass")
}

func child(m map[string]any, name string) map[string]any {
	c, ok := m[name].(map[string]any)
	if !ok {
		c = map[string]any{}
		m[name] = c
	}
	return c
}

func missing(m map[string]any, name string, value any) {
	if _, there := m[name]; !there {
		m[name] = value
	}
}

// Random are n random objects of each kind.
func Random(r *rand.Rand, n int) ([]*unstructured.Unstructured, error) {
	d := dice{r}
	var out []*unstructured.Unstructured
	for i := range n {
		name := fmt.Sprintf("random-%d", i)
		for _, o := range []*unstructured.Unstructured{
			pool(&entry{Name: name, Annotations: d.strings("example.com/"), Spec: d.pool()}),
			class(&entry{Name: name, Annotations: d.strings("example.com/"), Spec: d.class()}),
		} {
			o, err := normalized(o)
			if err != nil {
				return nil, err
			}
			out = append(out, o)
		}
	}
	return out, nil
}
