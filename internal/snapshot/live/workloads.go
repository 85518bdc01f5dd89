package live

import (
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// workloads reads, page by page, the Deployments and StatefulSets. What has no replicas has no pod that could be left without a node.
func (r *Reader) workloads(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	defer sortWorkloads(s)
	var deployments appsv1.DeploymentList
	err := r.pages(ctx, &deployments, func() {
		for i := range deployments.Items {
			d := &deployments.Items[i]
			w := workload("Deployment", &d.ObjectMeta, &d.Spec.Template.Spec)
			w.Replicas, w.Surges = ptr.Deref(d.Spec.Replicas, 1), drain.CanSurge(d)
			s.Workloads = append(s.Workloads, w)
		}
		deployments.Items = nil
	})
	if err != nil {
		return err
	}
	var sets appsv1.StatefulSetList
	err = r.pages(ctx, &sets, func() {
		for i := range sets.Items {
			d := &sets.Items[i]
			w := workload("StatefulSet", &d.ObjectMeta, &d.Spec.Template.Spec)
			w.Replicas = ptr.Deref(d.Spec.Replicas, 1)
			s.Workloads = append(s.Workloads, w)
		}
		sets.Items = nil
	})
	s.Workloads = slices.DeleteFunc(s.Workloads, func(w snapshot.Workload) bool { return w.Replicas == 0 })
	return err
}

func (r *Reader) daemonSets(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	defer sortWorkloads(s)
	var list appsv1.DaemonSetList
	return r.pages(ctx, &list, func() {
		for i := range list.Items {
			s.Workloads = append(s.Workloads, workload("DaemonSet", &list.Items[i].ObjectMeta, &list.Items[i].Spec.Template.Spec))
		}
		list.Items = nil
	})
}

// cronJobs reads the CronJobs that are not suspended: their next pods may demand what is there no more.
func (r *Reader) cronJobs(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	defer sortWorkloads(s)
	var list batchv1.CronJobList
	return r.pages(ctx, &list, func() {
		for i := range list.Items {
			if c := &list.Items[i]; !ptr.Deref(c.Spec.Suspend, false) {
				s.Workloads = append(s.Workloads, workload("CronJob", &c.ObjectMeta, &c.Spec.JobTemplate.Spec.Template.Spec))
			}
		}
		list.Items = nil
	})
}

func workload(kind string, meta *metav1.ObjectMeta, pod *corev1.PodSpec) snapshot.Workload {
	pools, _ := snapshot.PinnedTo(pod)
	return snapshot.Workload{Kind: kind, Namespace: meta.Namespace, Name: meta.Name, NodePools: pools, Demands: demands(pod)}
}

func sortWorkloads(s *snapshot.Snapshot) {
	slices.SortFunc(s.Workloads, func(a, b snapshot.Workload) int { return strings.Compare(a.Object(), b.Object()) })
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
