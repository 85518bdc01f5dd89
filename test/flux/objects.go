package flux

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// HelmReleaseKind is the kind that helm-controller carries out.
var HelmReleaseKind = schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}

// every is how often Flux looks by itself. In a test it looks when it is asked to.
const every = "1h"

// repository is the name of the sandbox's registry, as a HelmRepository.
const repository = "charts"

// AddRegistry makes the charts of an OCI registry over plain HTTP, such as 10.88.0.1:5000/karpenter, known to Flux.
func AddRegistry(ctx context.Context, c client.Client, path string) error {
	return create(ctx, c, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
		"metadata": map[string]any{"namespace": Namespace, "name": repository},
		"spec":     map[string]any{"type": "oci", "url": "oci://" + path, "insecure": true, "interval": every},
	}})
}

// Release is a HelmRelease in Namespace, whose drift Flux corrects.
type Release struct {
	// Name of the HelmRelease, of the Helm release, and of the chart in the registry.
	Name string
	// Version of the chart.
	Version string
	// Target is the namespace of the Helm release, which is made.
	Target string
	// After is a HelmRelease that has to be ready first; empty for none.
	After  string
	Values map[string]any
}

// Object is the HelmRelease.
func (r Release) Object() *unstructured.Unstructured {
	spec := map[string]any{
		"interval": every, "releaseName": r.Name, "targetNamespace": r.Target, "storageNamespace": r.Target,
		"install":        map[string]any{"createNamespace": true, "crds": "Skip"},
		"upgrade":        map[string]any{"crds": "Skip"},
		"driftDetection": map[string]any{"mode": "enabled"},
		"chart": map[string]any{"spec": map[string]any{
			"chart": r.Name, "version": r.Version, "interval": every,
			"sourceRef": map[string]any{"kind": "HelmRepository", "name": repository},
		}},
	}
	if r.Values != nil {
		spec["values"] = r.Values
	}
	if r.After != "" {
		spec["dependsOn"] = []any{map[string]any{"name": r.After}}
	}
	o := helmRelease(r.Name)
	o.Object["spec"] = spec
	return o
}

func helmRelease(name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(HelmReleaseKind)
	o.SetNamespace(Namespace)
	o.SetName(name)
	return o
}

// Apply creates HelmReleases and waits until Flux says of each that it is ready.
func Apply(ctx context.Context, c client.Client, releases ...Release) error {
	for _, r := range releases {
		if err := create(ctx, c, r.Object()); err != nil {
			return err
		}
	}
	for _, r := range releases {
		if err := waitReady(ctx, c, r.Name, ""); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile asks Flux to look at a HelmRelease now, as `flux reconcile` does, and waits until it has.
func Reconcile(ctx context.Context, c client.Client, name string, now time.Time) error {
	asked := now.Format(time.RFC3339Nano)
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":%q}}}`, asked)
	if err := c.Patch(ctx, helmRelease(name), client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("asking Flux to look at HelmRelease %s: %w", name, err)
	}
	return waitReady(ctx, c, name, asked)
}

// waitReady waits until a HelmRelease is ready, and until Flux has done what was asked of it, if anything was.
func waitReady(ctx context.Context, c client.Client, name, asked string) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		o := helmRelease(name)
		if last = c.Get(ctx, client.ObjectKeyFromObject(o), o); last == nil {
			last = ready(o, asked)
		}
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for HelmRelease %s: %w", name, errors.Join(err, last))
	}
	return nil
}

func ready(o *unstructured.Unstructured, asked string) error {
	if handled, _, _ := unstructured.NestedString(o.Object, "status", "lastHandledReconcileAt"); asked != "" && handled != asked {
		return errors.New("it has not looked yet")
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok || condition["type"] != "Ready" {
			continue
		}
		if seen, _, _ := unstructured.NestedInt64(condition, "observedGeneration"); condition["status"] == "True" && seen == o.GetGeneration() {
			return nil
		}
		return fmt.Errorf("%v: %v", condition["reason"], condition["message"])
	}
	return errors.New("it has no condition Ready yet")
}
