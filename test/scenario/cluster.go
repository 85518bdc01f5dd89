package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

// Cluster is what a cluster looks like, as far as Karpenter is concerned.
type Cluster struct {
	// Releases are the Helm releases in Karpenter's namespace, as name=chart version.
	Releases []string
	// OtherReleases are those in all other namespaces but the operator's, as namespace/name=chart version.
	OtherReleases []string
	// Elections are the Leases by which Karpenter elects, as namespace=holder's pod.
	Elections []string
	// Controllers are the Deployments of Karpenter in all namespaces, as namespace/name=image tag (ready of wanted).
	Controllers []string
	// CRDs are those of Karpenter, as name=stored versions, conversion.
	CRDs []string
	// NodePools and NodeClasses are their names.
	NodePools, NodeClasses []string
	// Nodes are those that Karpenter launched.
	Nodes []Node
}

// Node is a node that Karpenter launched.
type Node struct {
	Name, Pool string
	// Registered says that Karpenter has seen it join, Ready that its kubelet is well.
	Registered, Ready bool
	// LaunchedBy is the pod that asked AWS for its instance.
	LaunchedBy string
}

// Look reads what the cluster looks like.
func (s *Stage) Look(ctx context.Context) (Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var c Cluster
	for _, read := range []func(context.Context, *Cluster) error{s.releases, s.elections, s.controllers, s.crds, s.pools, s.nodes} {
		if err := read(ctx, &c); err != nil {
			return Cluster{}, err
		}
	}
	return c, nil
}

func (s *Stage) releases(_ context.Context, c *Cluster) error {
	releases, err := storage.Init(driver.NewSecrets(s.Kube.CoreV1().Secrets(""))).ListReleases()
	if err != nil {
		return fmt.Errorf("listing Helm releases: %w", err)
	}
	for _, r := range releases {
		name := r.Name + "=" + r.Chart.Metadata.Version
		switch {
		case r.Info.Status == helmrelease.StatusSuperseded || r.Namespace == OperatorNamespace:
		case r.Namespace == workloads.Namespace:
			c.Releases = append(c.Releases, name)
		default:
			c.OtherReleases = append(c.OtherReleases, r.Namespace+"/"+name)
		}
	}
	slices.Sort(c.Releases)
	slices.Sort(c.OtherReleases)
	return nil
}

func (s *Stage) elections(ctx context.Context, c *Cluster) error {
	var leases coordinationv1.LeaseList
	if err := s.Client.List(ctx, &leases, client.MatchingFields{"metadata.name": "karpenter-leader-election"}); err != nil {
		return fmt.Errorf("listing Leases of Karpenter: %w", err)
	}
	for i := range leases.Items {
		l := &leases.Items[i]
		holder, _, _ := strings.Cut(ptr.Deref(l.Spec.HolderIdentity, ""), "_")
		c.Elections = append(c.Elections, l.Namespace+"="+holder)
	}
	slices.Sort(c.Elections)
	return nil
}

func (s *Stage) controllers(ctx context.Context, c *Cluster) error {
	var deployments appsv1.DeploymentList
	if err := s.Client.List(ctx, &deployments, client.MatchingLabels{"app.kubernetes.io/name": "karpenter"}); err != nil {
		return fmt.Errorf("listing Deployments of Karpenter: %w", err)
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		for _, container := range d.Spec.Template.Spec.Containers {
			image, _, _ := strings.Cut(container.Image, "@")
			c.Controllers = append(c.Controllers, fmt.Sprintf("%s/%s=%s (%d of %d)",
				d.Namespace, d.Name, image[strings.LastIndex(image, ":")+1:], d.Status.ReadyReplicas, *d.Spec.Replicas))
		}
	}
	slices.Sort(c.Controllers)
	return nil
}

func (s *Stage) crds(ctx context.Context, c *Cluster) error {
	var crds apiextensionsv1.CustomResourceDefinitionList
	if err := s.Client.List(ctx, &crds); err != nil {
		return fmt.Errorf("listing CRDs: %w", err)
	}
	for i := range crds.Items {
		crd := &crds.Items[i]
		if g := crd.Spec.Group; g != "karpenter.sh" && g != "karpenter.k8s.aws" {
			continue
		}
		conversion := apiextensionsv1.NoneConverter
		if crd.Spec.Conversion != nil {
			conversion = crd.Spec.Conversion.Strategy
		}
		c.CRDs = append(c.CRDs, fmt.Sprintf("%s=%s, %s", crd.Name, strings.Join(crd.Status.StoredVersions, "+"), conversion))
	}
	slices.Sort(c.CRDs)
	return nil
}

func (s *Stage) pools(ctx context.Context, c *Cluster) error {
	for kind, names := range map[schema.GroupKind]*[]string{
		{Group: "karpenter.sh", Kind: "NodePoolList"}: &c.NodePools, {Group: "karpenter.k8s.aws", Kind: "EC2NodeClassList"}: &c.NodeClasses,
	} {
		list, err := s.list(ctx, kind)
		if err != nil {
			return err
		}
		for i := range list.Items {
			*names = append(*names, list.Items[i].Name)
		}
		slices.Sort(*names)
	}
	return nil
}

// list reads objects of Karpenter in the newest version that is served.
func (s *Stage) list(ctx context.Context, kind schema.GroupKind) (*metav1.PartialObjectMetadataList, error) {
	var err error
	for _, version := range []string{"v1", "v1beta1"} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.WithVersion(version))
		if err = s.Client.List(ctx, list); err == nil {
			return list, nil
		}
		if !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
			break
		}
	}
	return nil, fmt.Errorf("listing %s: %w", kind.Kind, err)
}

func (s *Stage) nodes(ctx context.Context, c *Cluster) error {
	var nodes corev1.NodeList
	if err := s.Client.List(ctx, &nodes, client.HasLabels{"karpenter.sh/nodepool"}); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	account, err := s.Sandbox.AWS().State(ctx)
	if err != nil {
		return err
	}
	launchedBy := map[string]string{}
	for _, i := range account.Instances {
		launchedBy[i.ID] = i.Pod
	}
	for i := range nodes.Items {
		n := &nodes.Items[i]
		node := Node{Name: n.Name, Pool: n.Labels["karpenter.sh/nodepool"], Registered: n.Labels["karpenter.sh/registered"] == "true"}
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				node.Ready = condition.Status == corev1.ConditionTrue
			}
		}
		node.LaunchedBy = launchedBy[n.Spec.ProviderID[strings.LastIndex(n.Spec.ProviderID, "/")+1:]]
		c.Nodes = append(c.Nodes, node)
	}
	return nil
}
