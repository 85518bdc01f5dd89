package live

import (
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// workloads reads, page by page, the Deployments and StatefulSets, and keeps those whose pods accept some NodePools only. What
// has no replicas has no pod that could be left without a node.
func (r *Reader) workloads(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	var deployments appsv1.DeploymentList
	err := r.pages(ctx, &deployments, func() {
		for i := range deployments.Items {
			d := &deployments.Items[i]
			pinned(s, "Deployment", &d.ObjectMeta, d.Spec.Replicas, &d.Spec.Template.Spec)
		}
	})
	if err != nil {
		return err
	}
	var sets appsv1.StatefulSetList
	err = r.pages(ctx, &sets, func() {
		for i := range sets.Items {
			d := &sets.Items[i]
			pinned(s, "StatefulSet", &d.ObjectMeta, d.Spec.Replicas, &d.Spec.Template.Spec)
		}
	})
	slices.SortFunc(s.Workloads, func(a, b snapshot.Workload) int {
		return strings.Compare(a.Kind+"/"+a.Namespace+"/"+a.Name, b.Kind+"/"+b.Namespace+"/"+b.Name)
	})
	return err
}

// pages reads a list page by page into the same object, and calls each after every one.
func (r *Reader) pages(ctx context.Context, list client.ObjectList, each func(), opts ...client.ListOption) error {
	for {
		all := append([]client.ListOption{client.Limit(pageSize), client.Continue(list.GetContinue())}, opts...)
		if err := r.Client.List(ctx, list, all...); err != nil {
			return err
		}
		each()
		if list.GetContinue() == "" {
			return nil
		}
	}
}

func pinned(s *snapshot.Snapshot, kind string, meta *metav1.ObjectMeta, replicas *int32, pod *corev1.PodSpec) {
	pools, ok := snapshot.PinnedTo(pod)
	if !ok || ptr.Deref(replicas, 1) == 0 {
		return
	}
	s.Workloads = append(s.Workloads, snapshot.Workload{Kind: kind, Namespace: meta.Namespace, Name: meta.Name, NodePools: pools})
}
