// Package workloads fills a sandbox with what an upgrade of Karpenter has to carry across: NodePools and EC2NodeClasses, and
// some eighty pods in four namespaces for which Karpenter launches a dozen nodes and more. Among them are PodDisruptionBudgets
// of every form, workloads with one replica, one that nobody may evict, a StatefulSet, a DaemonSet, a Job at work, and pods
// that ask not to be disrupted.
package workloads

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// fieldOwner applies the objects.
	fieldOwner = "workloads"
	// applyTimeout bounds how long a refused object is tried again.
	applyTimeout = time.Minute
	interval     = 500 * time.Millisecond
)

//go:embed manifests/*.yaml manifests/v1beta1/*.yaml
var manifests embed.FS

// Namespaces are those of the workloads.
func Namespaces() []string { return []string{"shop", "payments", "data", "batch"} }

// API is the API version of NodePools and EC2NodeClasses.
type API string

// The API versions in which there are NodePools and EC2NodeClasses, by the same names.
const (
	V1      API = "v1"
	V1beta1 API = "v1beta1"
)

// Objects are the NodePools, EC2NodeClasses and workloads, in an order in which they can be created.
func Objects(api API) ([]*unstructured.Unstructured, error) {
	files, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil {
		return nil, err
	}
	// What launches nodes comes before what needs them.
	slices.SortStableFunc(files, func(a, b string) int { return rank(a) - rank(b) })
	var out []*unstructured.Unstructured
	for _, file := range files {
		if path.Base(file) == karpenterFile && api == V1beta1 {
			file = path.Join(path.Dir(file), string(api), karpenterFile)
		}
		data, err := manifests.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := decode(data)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		out = append(out, objects...)
	}
	return out, nil
}

const karpenterFile = "karpenter.yaml"

func rank(file string) int {
	if path.Base(file) == karpenterFile {
		return 0
	}
	return 1
}

func decode(data []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data))
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
}

// Apply creates all Objects, or brings them back to what they are to be. Karpenter's webhooks may not answer yet when it was
// just installed, so what is refused is tried again for a minute.
func Apply(ctx context.Context, c client.Client, api API) error {
	objects, err := Objects(api)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := apply(ctx, c, o); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	var refused error
	err := wait.PollUntilContextTimeout(ctx, interval, applyTimeout, true, func(ctx context.Context) (bool, error) {
		refused = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner(fieldOwner), client.ForceOwnership)
		return refused == nil, nil
	})
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), errors.Join(err, refused))
	}
	return nil
}
