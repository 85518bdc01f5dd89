package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// crdNames are the CRDs that Karpenter's releases have had. CapacityBuffer shares its group with other products and is
// Karpenter's only where Karpenter's chart installed it.
var crdNames = []string{
	"nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "nodeoverlays.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws",
	"capacitybuffers.autoscaling.x-k8s.io", "provisioners.karpenter.sh", "machines.karpenter.sh", "awsnodetemplates.karpenter.k8s.aws",
}

func (r *Reader) crds(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	seen := map[string]bool{}
	for _, name := range crdNames {
		crd := apiextensionsv1.CustomResourceDefinition{}
		err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &crd)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		s.CRDs = append(s.CRDs, crd)
		key := client.ObjectKey{Namespace: crd.Annotations[annotationReleaseNamespace], Name: crd.Annotations[annotationReleaseName]}
		if key.Name == "" || seen[key.String()] {
			continue
		}
		seen[key.String()] = true
		found, err := r.Releases.Get(ctx, key.Namespace, key.Name)
		if errors.Is(err, release.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if found.Chart == release.ChartCRDs {
			s.CRDReleases = append(s.CRDReleases, *fromRelease(found))
		}
	}
	return nil
}

// nodes reads no more of the nodes than their metadata: there may be thousands, and a plan is made again every minute.
func (r *Reader) nodes(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
	return r.pages(ctx, list, func() {
		for i := range list.Items {
			n := &list.Items[i]
			s.Nodes = append(s.Nodes, node(n))
		}
		list.Items = nil
	}, client.HasLabels{karpv1.NodePoolLabelKey})
}

func node(n *metav1.PartialObjectMetadata) snapshot.Node {
	out := snapshot.Node{
		Name: n.Name, NodePool: n.Labels[karpv1.NodePoolLabelKey], Zone: n.Labels[corev1.LabelTopologyZone], InstanceType: n.Labels[corev1.LabelInstanceTypeStable],
		CapacityType: n.Labels[karpv1.CapacityTypeLabelKey], Finalizers: n.Finalizers, DeadAnnotations: snapshot.DeadAnnotations(n.Annotations),
	}
	for _, ref := range n.OwnerReferences {
		if ref.Kind == NodeClaimKind.Kind {
			out.NodeClaim = ref.Name
		}
	}
	if n.DeletionTimestamp != nil {
		out.Deleted = n.DeletionTimestamp.UTC()
	}
	return out
}

func (r *Reader) leaders(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	var found coordinationv1.LeaseList
	if err := r.Client.List(ctx, &found, client.MatchingFields{"metadata.name": lease.Name}); err != nil {
		return err
	}
	for i := range found.Items {
		l := &found.Items[i]
		if !lease.Valid(l, s.TakenAt) {
			continue
		}
		owner, err := r.releaseOf(ctx, l.Namespace, lease.HolderPod(l))
		if err != nil {
			return err
		}
		s.Leaders = append(s.Leaders, snapshot.Leader{
			Namespace: l.Namespace, Lease: l.Name, Identity: ptr.Deref(l.Spec.HolderIdentity, ""), Release: owner,
			FencedBy: lease.FencedBy(l),
		})
	}
	return nil
}

// releaseOf is the release of Karpenter whose pod is the holder of a Lease; empty when there is no such pod.
func (r *Reader) releaseOf(ctx context.Context, namespace, holder string) (string, error) {
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{labelName: chartName}); err != nil {
		return "", err
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; lease.Names(holder, p) {
			return p.Labels[labelInstance], nil
		}
	}
	return "", nil
}

// conversions looks whether the webhooks that convert CRDs have an endpoint behind them.
func (r *Reader) conversions(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	for i := range s.CRDs {
		c := s.CRDs[i].Spec.Conversion
		if c == nil || c.Strategy != apiextensionsv1.WebhookConverter || c.Webhook == nil || c.Webhook.ClientConfig == nil || c.Webhook.ClientConfig.Service == nil {
			continue
		}
		ref := c.Webhook.ClientConfig.Service
		port := ptr.Deref(ref.Port, 443)
		problem, err := r.servicePort(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, port)
		if err != nil {
			return err
		}
		s.Conversions = append(s.Conversions, snapshot.Conversion{
			CRD: s.CRDs[i].Name, Service: fmt.Sprintf("%s/%s:%d", ref.Namespace, ref.Name, port), Problem: problem,
		})
	}
	return nil
}

func (r *Reader) servicePort(ctx context.Context, key client.ObjectKey, port int32) (problem string, err error) {
	service := &corev1.Service{}
	err = r.Client.Get(ctx, key, service)
	if apierrors.IsNotFound(err) {
		return "there is no such Service", nil
	}
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
	if at < 0 {
		return fmt.Sprintf("the Service has no port %d", port), nil
	}
	var endpoints discoveryv1.EndpointSliceList
	if err := r.Client.List(ctx, &endpoints, client.InNamespace(key.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: key.Name}); err != nil {
		return "", err
	}
	for _, e := range endpoints.Items {
		if servesPort(&e, service.Spec.Ports[at].Name) {
			return "", nil
		}
	}
	return fmt.Sprintf("no pod behind the Service is ready at port %d", port), nil
}

func servesPort(e *discoveryv1.EndpointSlice, port string) bool {
	has := slices.ContainsFunc(e.Ports, func(p discoveryv1.EndpointPort) bool { return ptr.Deref(p.Name, "") == port })
	ready := slices.ContainsFunc(e.Endpoints, func(p discoveryv1.Endpoint) bool { return ptr.Deref(p.Conditions.Ready, true) })
	return has && ready
}

func (r *Reader) runs(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	var all v1alpha1.KarpenterUpgradeList
	if err := r.Client.List(ctx, &all); err != nil {
		if r.Bystander && notServed(err) {
			return nil
		}
		return err
	}
	for i := range all.Items {
		if other := &all.Items[i]; other.UID != run.UID && other.Active() {
			s.ActiveRuns = append(s.ActiveRuns, other.Name)
		}
	}
	slices.SortFunc(s.ActiveRuns, strings.Compare)
	return nil
}
