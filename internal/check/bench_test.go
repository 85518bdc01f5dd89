package check

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// large adds nodes, ten pods on each, and a hundred NodePools to a snapshot. Five pods make a workload, which has a PodDisruptionBudget; all
// workloads are in five namespaces, so that a namespace of the larger snapshot has thousands of pods and budgets. One pod in ten has
// something to be found.
func large(s *snapshot.Snapshot, nodes int) {
	const pools, podsPerNode, replicas, namespaces, zones = 100, 10, 5, 5, 3
	first := s.NodePools[0]
	s.NodePools = nil
	for i := range pools {
		p := first.DeepCopy()
		p.SetName(fmt.Sprintf("pool-%d", i))
		set(p, map[string]any{"cpu": "100000"}, "spec", "limits")
		set(p, map[string]any{"cpu": fmt.Sprint(4 * nodes / pools)}, "status", "resources")
		s.NodePools = append(s.NodePools, *p)
	}
	for i := range nodes {
		name, pool := fmt.Sprintf("node-%d", i), fmt.Sprintf("pool-%d", i%pools)
		s.Nodes = append(s.Nodes, snapshot.Node{Name: name, NodePool: pool, Zone: fmt.Sprint(i % zones)})
		c := claim(s, pool+"-"+name, name)
		c.NodePool = pool
		if i%10 == 0 {
			c.ExpireAfter = 2 * time.Hour
			c.Conditions["Drifted"] = snapshot.Condition{Status: "True"}
		}
		s.NodeClaims = append(s.NodeClaims, c)
	}
	pods := nodes * podsPerNode
	for w := range pods / replicas {
		namespace, app := fmt.Sprintf("ns-%d", w%namespaces), fmt.Sprintf("app-%d", w)
		labels := map[string]string{"app": app, "app.kubernetes.io/part-of": "shop", "pod-template-hash": "5d4f"}
		demands := &snapshot.Demands{NodeSelector: map[string]string{"kubernetes.io/arch": "arm64"}, TopologyKeys: []string{corev1.LabelTopologyZone}}
		if w%10 == 0 {
			demands = &snapshot.Demands{NodeSelector: map[string]string{"karpenter.sh/nodepool": "pool-1", "team": "x"}, Tolerations: []corev1.Toleration{oldTaint}}
		}
		s.Workloads = append(s.Workloads, snapshot.Workload{Kind: "Deployment", Namespace: namespace, Name: app, Replicas: replicas, Surges: w%2 == 0, Demands: demands})
		s.Budgets = append(s.Budgets, budgetOf(namespace, app, replicas, int32(replicas-1+(w%10)/9)))
		for i := range replicas {
			n := w*replicas + i
			p := snapshot.Pod{
				Namespace: namespace, Name: fmt.Sprintf("%s-5d4f-%d", app, i), Node: fmt.Sprintf("node-%d", n%nodes), Ready: true, Labels: labels,
				Owner: snapshot.Owner{Kind: "ReplicaSet", Name: app + "-5d4f"}, Demands: demands,
			}
			if n%10 == 0 {
				p.DoNotDisrupt, p.EmptyDirs, p.HostPorts, p.DeadAnnotations = "true", 1, []int32{80}, []string{snapshot.AnnotationDoNotEvict}
				p.Claims = []string{p.Name}
				s.Volumes = append(s.Volumes, snapshot.Volume{Namespace: namespace, Claim: p.Name, Zones: []string{fmt.Sprint(n % zones)}})
			}
			s.Pods = append(s.Pods, p)
		}
	}
}

// BenchmarkRun shows how all checks grow with the cluster: ten times the nodes should take about ten times as long.
func BenchmarkRun(b *testing.B) {
	for _, nodes := range []int{500, 5000} {
		b.Run(fmt.Sprintf("nodes=%d,pods=%d,pools=100", nodes, nodes*10), func(b *testing.B) {
			s, spec := healthy(b)
			large(s, nodes)
			c, err := catalog.Load()
			if err != nil {
				b.Fatal(err)
			}
			made, refusal := plan.Make(s, spec, c)
			in := Input{Snapshot: s, Spec: spec, Plan: made, Refusal: refusal, Catalog: c}
			var findings []v1alpha1.Finding
			b.ReportAllocs()
			for b.Loop() {
				findings = Run(in)
			}
			b.ReportMetric(float64(len(findings)), "findings")
		})
	}
}
