package mover

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
)

// view reads, from the caches, what decisions about pods need. It is read only: large clusters have tens of thousands of
// these objects, and copying them each second would cost more than all else.
func (m *Mover) view(ctx context.Context) (*drain.View, error) {
	var pods corev1.PodList
	if err := m.Client.List(ctx, &pods, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	var pdbs policyv1.PodDisruptionBudgetList
	if err := m.Client.List(ctx, &pdbs, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing PodDisruptionBudgets: %w", err)
	}
	var replicaSets appsv1.ReplicaSetList
	if err := m.Client.List(ctx, &replicaSets, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing ReplicaSets: %w", err)
	}
	var deployments appsv1.DeploymentList
	if err := m.Client.List(ctx, &deployments, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Deployments: %w", err)
	}
	var statefulSets appsv1.StatefulSetList
	if err := m.Client.List(ctx, &statefulSets, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing StatefulSets: %w", err)
	}
	v := &drain.View{
		ReplicaSets:  map[types.UID]*appsv1.ReplicaSet{},
		Deployments:  map[types.UID]*appsv1.Deployment{},
		StatefulSets: map[types.UID]*appsv1.StatefulSet{},
	}
	for i := range pods.Items {
		v.Pods = append(v.Pods, &pods.Items[i])
	}
	for i := range pdbs.Items {
		v.PDBs = append(v.PDBs, &pdbs.Items[i])
	}
	for i := range replicaSets.Items {
		v.ReplicaSets[replicaSets.Items[i].UID] = &replicaSets.Items[i]
	}
	for i := range deployments.Items {
		v.Deployments[deployments.Items[i].UID] = &deployments.Items[i]
	}
	for i := range statefulSets.Items {
		v.StatefulSets[statefulSets.Items[i].UID] = &statefulSets.Items[i]
	}
	return v.Index(), nil
}
