package drain

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// BenchmarkDecide decides for the pods of a step's nodes in clusters of growing size; ten ReplicaSets, of which nine are old,
// belong to each Deployment. The time must grow with the decisions and not with what else there is.
func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct{ pods, replicaSets int }{{5_000, 2_500}, {50_000, 2_500}, {50_000, 25_000}} {
		for _, decisions := range []int{500, 5_000} {
			b.Run(fmt.Sprintf("pods=%d/replicaSets=%d/decisions=%d", size.pods, size.replicaSets, decisions), func(b *testing.B) {
				v := bigView(size.pods, size.replicaSets)
				for b.Loop() {
					v.Index()
					for _, p := range v.Pods[:decisions] {
						v.Decide(p, Policy{}, now, now)
					}
				}
			})
		}
	}
}

func bigView(pods, replicaSets int) *View {
	w := newWorld()
	deployments := replicaSets / 10
	for i := range replicaSets {
		d := types.UID(fmt.Sprintf("d-%d", i%deployments))
		uid := types.UID(fmt.Sprintf("rs-%d", i))
		w.ReplicaSets[uid] = &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{UID: uid, OwnerReferences: owner("Deployment", d)}}
		if i < deployments {
			w.Deployments[d] = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{UID: d}, Spec: appsv1.DeploymentSpec{Replicas: ptr.To(int32(pods / deployments))}}
		}
	}
	for i := range pods {
		rs := types.UID(fmt.Sprintf("rs-%d", i%deployments))
		w.pod(fmt.Sprintf("p-%d", i), owner("ReplicaSet", rs), func(p *corev1.Pod) { p.Spec.NodeName = fmt.Sprintf("n%d", i%1000) })
	}
	return &w.View
}
