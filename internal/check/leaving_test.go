package check

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// populated is the healthy cluster with three nodes of the NodePool general, each with its NodeClaim and a pod of the Deployment shop/web.
func populated(t *testing.T) (*snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec) {
	t.Helper()
	s, spec := healthy(t)
	s.Workloads = append(s.Workloads, snapshot.Workload{Kind: "Deployment", Namespace: "shop", Name: "web", Replicas: 3, Surges: true})
	for i, zone := range []string{"a", "b", "c"} {
		node := fmt.Sprintf("node-%d", i+1)
		s.Nodes = append(s.Nodes, snapshot.Node{Name: node, NodePool: "general", NodeClaim: fmt.Sprintf("general-%d", i+1), Zone: zone})
		s.NodeClaims = append(s.NodeClaims, claim(s, fmt.Sprintf("general-%d", i+1), node))
		s.Pods = append(s.Pods, webPod(fmt.Sprintf("web-%d", i+1), node))
	}
	return s, spec
}

// claim is a NodeClaim of the NodePool general that is well.
func claim(s *snapshot.Snapshot, name, node string) snapshot.NodeClaim {
	return snapshot.NodeClaim{
		Name: name, NodePool: "general", NodeClass: "default", Node: node, Created: s.TakenAt.Add(-time.Hour), ExpireAfter: 720 * time.Hour,
		CPU: 4000, Memory: 16 << 30, Finalizers: []string{"karpenter.sh/termination"},
		Conditions: map[string]snapshot.Condition{"Launched": {Status: "True"}, "Registered": {Status: "True"}, "Initialized": {Status: "True"}},
	}
}

func webPod(name, node string) snapshot.Pod {
	return snapshot.Pod{
		Namespace: "shop", Name: name, Node: node, Phase: corev1.PodRunning, Ready: true,
		Labels: map[string]string{"app": "web", "pod-template-hash": "5d4f"}, Owner: snapshot.Owner{Kind: "ReplicaSet", Name: "web-5d4f"},
	}
}

// single is the one pod of a Deployment on node-1.
func single(s *snapshot.Snapshot, surges bool) *snapshot.Pod {
	s.Workloads = append(s.Workloads, snapshot.Workload{Kind: "Deployment", Namespace: "pay", Name: "ledger", Replicas: 1, Surges: surges})
	s.Pods = append(s.Pods, snapshot.Pod{
		Namespace: "pay", Name: "ledger-0", Node: "node-1", Ready: true, Labels: map[string]string{"app": "ledger", "pod-template-hash": "77"},
		Owner: snapshot.Owner{Kind: "ReplicaSet", Name: "ledger-77"},
	})
	return &s.Pods[len(s.Pods)-1]
}

// bare is a pod without a controller on node-1.
func bare(s *snapshot.Snapshot) *snapshot.Pod {
	s.Pods = append(s.Pods, snapshot.Pod{Namespace: "ops", Name: "debug", Node: "node-1"})
	return &s.Pods[len(s.Pods)-1]
}

func budgetOf(namespace, app string, expected, desired int32) snapshot.Budget {
	return snapshot.Budget{
		Namespace: namespace, Name: app, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
		MinAvailable: fmt.Sprint(desired), Expected: expected, Desired: desired, Healthy: expected, Allowed: max(expected-desired, 0),
	}
}

// nodeCase changes the populated cluster; these codes must be found, and nothing else.
type nodeCase struct {
	change func(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec)
	codes  []string
	// objects of the first finding, and what it says.
	objects []string
	why     []string
	fix     string
}

func (c nodeCase) test(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	s, spec := populated(t)
	c.change(s, spec)
	findings := run(t, s, spec)
	g.Expect(codes(findings)).To(ConsistOf(slices.Clone(c.codes)))
	if len(c.objects) == 0 {
		return
	}
	at := slices.IndexFunc(findings, func(f v1alpha1.Finding) bool { return f.Code == c.codes[0] })
	g.Expect(findings[at].Objects).To(Equal(c.objects))
	for _, text := range c.why {
		g.Expect(findings[at].Why).To(ContainSubstring(text))
	}
	g.Expect(findings[at].Fix).To(ContainSubstring(c.fix))
}

func testNodes(t *testing.T, cases map[string]nodeCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, c.test)
	}
}

func TestNothingIsFoundWhereNodesAndPodsAreWell(t *testing.T) {
	s, spec := populated(t)
	NewWithT(t).Expect(run(t, s, spec)).To(BeEmpty())
}

// populating makes a change of the populated cluster one of the healthy cluster.
func populating(c func(*snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec)) change {
	return func(t *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		full, _ := populated(t)
		s.Workloads, s.Nodes, s.NodeClaims, s.Pods = full.Workloads, full.Nodes, full.NodeClaims, full.Pods
		c(s, spec)
	}
}

// init puts a failing case of each code of nodes and pods among the wrongs.
func init() {
	for _, cases := range []map[string]nodeCase{budgetCases, singletonCases, podCases, placementCases, renamedCases, claimCases, expiryCases, limitCases, defaultsCases, readCases} {
		for _, title := range slices.Sorted(maps.Keys(cases)) {
			c := cases[title]
			if len(c.codes) == 0 || c.codes[0] == "PointOfNoReturn" {
				continue
			}
			wrongs[c.codes[0]] = populating(c.change)
			if len(c.codes) > 1 {
				comesWith[c.codes[0]] = c.codes[1:]
			}
		}
	}
}

func TestWithNodesThatStayNothingMoves(t *testing.T) {
	for _, cases := range []map[string]nodeCase{budgetCases, singletonCases, placementCases, limitCases} {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				s, spec := populated(t)
				c.change(s, spec)
				spec.Strategy, spec.Nodes, spec.NodePools = v1alpha1.StrategyInPlace, v1alpha1.NodesKeep, nil
				NewWithT(t).Expect(run(t, s, spec)).To(BeEmpty())
			})
		}
	}
}

func TestOnlyPodsOnNodesOfTheRunCount(t *testing.T) {
	for name, cases := range map[string]map[string]nodeCase{"budget": budgetCases, "singleton": singletonCases, "pod": podCases} {
		for title, c := range cases {
			t.Run(name+"/"+title, func(t *testing.T) {
				s, spec := populated(t)
				c.change(s, spec)
				for i := range s.Pods {
					s.Pods[i].Node = "a-node-of-a-node-group"
				}
				for _, f := range run(t, s, spec) {
					NewWithT(t).Expect(f.Code).To(Equal("DeadAnnotation"), "which is about the controller")
				}
			})
		}
	}
}

// Status is written when it changes, and a plan is made again every minute: what is found must not change for the time alone.
func TestTheTextOfFindingsDoesNotTick(t *testing.T) {
	for _, cases := range []map[string]nodeCase{budgetCases, singletonCases, podCases, placementCases, renamedCases, claimCases, expiryCases, limitCases} {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				s, spec := populated(t)
				c.change(s, spec)
				before := run(t, s, spec)
				s.TakenAt = s.TakenAt.Add(time.Minute)
				g.Expect(run(t, s, spec)).To(Equal(before))
			})
		}
	}
}
