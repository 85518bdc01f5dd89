package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/bundle"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// crds are the CRDs whose objects are saved.
var crds = []string{"nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "nodeoverlays.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"}

// collector gathers files; the first error ends it.
type collector struct {
	*Phase
	plan  *v1alpha1.Plan
	files []bundle.File
}

func (p *Phase) collect(ctx context.Context, plan *v1alpha1.Plan) ([]bundle.File, error) {
	c := &collector{Phase: p, plan: plan}
	for _, part := range []func(context.Context) error{c.karpenter, c.releases, c.controller, c.webhooks, c.inventory} {
		if err := part(ctx); err != nil {
			return nil, fmt.Errorf("collecting the backup: %w", err)
		}
	}
	return c.files, nil
}

func (c *collector) add(path string, o any) error {
	data, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	c.files = append(c.files, bundle.File{Name: path, Data: data})
	return nil
}

func objectPath(kind schema.GroupVersionKind, name string) string {
	if name == "" {
		return fmt.Sprintf("%s/%s/%s/", kind.Group, kind.Version, kind.Kind)
	}
	return fmt.Sprintf("%s/%s/%s/%s.json", kind.Group, kind.Version, kind.Kind, name)
}

// karpenter saves the CRDs, and their objects in every version that is served.
func (c *collector) karpenter(ctx context.Context) error {
	for _, name := range crds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		err := c.Live.Get(ctx, client.ObjectKey{Name: name}, crd)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.add("customresourcedefinitions/"+name+".json", crd); err != nil {
			return err
		}
		for _, v := range crd.Spec.Versions {
			if !v.Served {
				continue
			}
			kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}
			objects, err := live.ListAll(ctx, c.Live, kind)
			if err != nil {
				return err
			}
			for i := range objects {
				if err := c.add(objectPath(kind, objects[i].GetName()), &objects[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// releases saves Helm's own records, with which helm rollback works, and the values for reading.
func (c *collector) releases(ctx context.Context) error {
	keys := []client.ObjectKey{{Namespace: c.plan.Namespace, Name: c.plan.Release}}
	if namespace, name, ok := strings.Cut(c.plan.CRDRelease, "/"); ok {
		keys = append(keys, client.ObjectKey{Namespace: namespace, Name: name})
	}
	for _, key := range keys {
		r, err := c.Releases.Get(ctx, key.Namespace, key.Name)
		if err != nil {
			return err
		}
		if err := c.add(fmt.Sprintf("helm/%s/%s/values.json", key.Namespace, key.Name), r.Values); err != nil {
			return err
		}
		var records corev1.SecretList
		if err := c.Live.List(ctx, &records, client.InNamespace(key.Namespace), client.MatchingLabels{"owner": "helm", "name": key.Name}); err != nil {
			return err
		}
		for i := range records.Items {
			if err := c.add(fmt.Sprintf("helm/%s/%s/%s.json", key.Namespace, key.Name, records.Items[i].Name), &records.Items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// controller saves the Deployment and the ConfigMaps of the release.
func (c *collector) controller(ctx context.Context) error {
	d := &appsv1.Deployment{}
	if err := c.Live.Get(ctx, client.ObjectKey{Namespace: c.plan.Namespace, Name: c.plan.Deployment}, d); err != nil {
		return err
	}
	if err := c.add(fmt.Sprintf("deployments/%s/%s.json", d.Namespace, d.Name), d); err != nil {
		return err
	}
	var maps corev1.ConfigMapList
	if err := c.Live.List(ctx, &maps, client.InNamespace(c.plan.Namespace), client.MatchingLabels{"app.kubernetes.io/instance": c.plan.Release}); err != nil {
		return err
	}
	for i := range maps.Items {
		if err := c.add(fmt.Sprintf("configmaps/%s/%s.json", maps.Items[i].Namespace, maps.Items[i].Name), &maps.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) webhooks(ctx context.Context) error {
	var validating admissionregistrationv1.ValidatingWebhookConfigurationList
	if err := c.Live.List(ctx, &validating); err != nil {
		return err
	}
	for i := range validating.Items {
		if strings.Contains(validating.Items[i].Name, "karpenter") {
			if err := c.add("validatingwebhookconfigurations/"+validating.Items[i].Name+".json", &validating.Items[i]); err != nil {
				return err
			}
		}
	}
	var mutating admissionregistrationv1.MutatingWebhookConfigurationList
	if err := c.Live.List(ctx, &mutating); err != nil {
		return err
	}
	for i := range mutating.Items {
		if strings.Contains(mutating.Items[i].Name, "karpenter") {
			if err := c.add("mutatingwebhookconfigurations/"+mutating.Items[i].Name+".json", &mutating.Items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// nodeEntry and workloadEntry are lines of the inventory: what there was, for people to compare with.
type nodeEntry struct {
	Name, NodePool, ProviderID, Version string
	Unschedulable                       bool
}

type workloadEntry struct {
	Kind, Namespace, Name string
	Replicas, Ready       int32
}

func (c *collector) inventory(ctx context.Context) error {
	var nodes corev1.NodeList
	if err := c.Client.List(ctx, &nodes); err != nil {
		return err
	}
	entries := make([]nodeEntry, 0, len(nodes.Items))
	for i := range nodes.Items {
		n := &nodes.Items[i]
		entries = append(entries, nodeEntry{n.Name, n.Labels[karpv1.NodePoolLabelKey], n.Spec.ProviderID, n.Status.NodeInfo.KubeletVersion, n.Spec.Unschedulable})
	}
	if err := c.add("inventory/nodes.json", entries); err != nil {
		return err
	}
	workloads, err := c.workloads(ctx)
	if err != nil {
		return err
	}
	return c.add("inventory/workloads.json", workloads)
}

func (c *collector) workloads(ctx context.Context) ([]workloadEntry, error) {
	var out []workloadEntry
	var deployments appsv1.DeploymentList
	if err := c.Client.List(ctx, &deployments); err != nil {
		return nil, err
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		out = append(out, workloadEntry{"Deployment", d.Namespace, d.Name, d.Status.Replicas, d.Status.ReadyReplicas})
	}
	var sets appsv1.StatefulSetList
	if err := c.Client.List(ctx, &sets); err != nil {
		return nil, err
	}
	for i := range sets.Items {
		s := &sets.Items[i]
		out = append(out, workloadEntry{"StatefulSet", s.Namespace, s.Name, s.Status.Replicas, s.Status.ReadyReplicas})
	}
	return out, nil
}
