package check

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// leaving is what a run moves: the pods on the nodes of the NodePools that its plan replaces. It is worked out once for all checks,
// with maps, so that no check looks at all pods for each pod.
type leaving struct {
	pods []*snapshot.Pod
	// deployments and statefulSets by namespace and name.
	deployments, statefulSets map[[2]string]*snapshot.Workload
	// budgets that the pods are under.
	budgets map[*snapshot.Pod][]*snapshot.Budget
	// alike counts, by controller, the pods that have not ended, wherever they are.
	alike map[controller]int
}

type controller struct {
	namespace string
	snapshot.Owner
}

// moves is what the run moves. It is nil where it moves nothing: there is no plan, or spec.nodes is Keep.
func (in Input) moves() *leaving {
	if in.memo != nil && in.memo.done {
		return in.memo.leaving
	}
	m := findLeaving(in)
	if in.memo != nil {
		in.memo.done, in.memo.leaving = true, m
	}
	return m
}

// memo keeps for the checks of one Run what several of them need.
type memo struct {
	done    bool
	leaving *leaving
}

// replaces says that the run removes nodes. With spec.nodes: Keep a plan has NodePools as well, and none of their nodes goes.
func (in Input) replaces() bool {
	return in.Plan != nil && in.Spec.Nodes != v1alpha1.NodesKeep
}

func findLeaving(in Input) *leaving {
	if !in.replaces() {
		return nil
	}
	m := &leaving{deployments: map[[2]string]*snapshot.Workload{}, statefulSets: map[[2]string]*snapshot.Workload{}, alike: map[controller]int{}}
	for i := range in.Snapshot.Workloads {
		switch w := &in.Snapshot.Workloads[i]; w.Kind {
		case "Deployment":
			m.deployments[[2]string{w.Namespace, w.Name}] = w
		case "StatefulSet":
			m.statefulSets[[2]string{w.Namespace, w.Name}] = w
		}
	}
	nodes := in.blueNodes()
	for i := range in.Snapshot.Pods {
		p := &in.Snapshot.Pods[i]
		m.alike[controllerOf(p)]++
		if nodes[p.Node] && !p.Terminating {
			m.pods = append(m.pods, p)
		}
	}
	m.budgets = under(in.Snapshot.Budgets, m.pods)
	return m
}

// blueNodes are the nodes that the plan replaces, but for those that go already.
func (in Input) blueNodes() map[string]bool {
	blue := in.bluePools()
	out := map[string]bool{}
	for i := range in.Snapshot.Nodes {
		if n := &in.Snapshot.Nodes[i]; blue[n.NodePool] && n.Deleted.IsZero() {
			out[n.Name] = true
		}
	}
	return out
}

// bluePools are the NodePools of the plan, by name.
func (in Input) bluePools() map[string]bool {
	out := map[string]bool{}
	if in.Plan != nil {
		for i := range in.Plan.Pools {
			out[in.Plan.Pools[i].Blue] = true
		}
	}
	return out
}

func controllerOf(p *snapshot.Pod) controller { return controller{p.Namespace, p.Owner} }

// under are the budgets that pods are under, by pod. A budget is looked up by one of the labels that it demands, so that a pod meets
// few that it is not under.
func under(budgets []snapshot.Budget, pods []*snapshot.Pod) map[*snapshot.Pod][]*snapshot.Budget {
	type key struct{ namespace, label, value string }
	type candidate struct {
		budget   *snapshot.Budget
		selector labels.Selector
	}
	by := map[key][]candidate{}
	for i := range budgets {
		b := &budgets[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Selector) // a nil selector matches nothing, as in the disruption controller
		if err != nil {
			continue // the API server validates selectors
		}
		k := key{namespace: b.Namespace}
		if b.Selector != nil && len(b.Selector.MatchLabels) > 0 {
			k.label = sortedKeys(b.Selector.MatchLabels)[0]
			k.value = b.Selector.MatchLabels[k.label]
		}
		by[k] = append(by[k], candidate{b, selector})
	}
	out := map[*snapshot.Pod][]*snapshot.Budget{}
	for _, p := range pods {
		add := func(k key) {
			for _, c := range by[k] {
				if c.selector.Matches(labels.Set(p.Labels)) {
					out[p] = append(out[p], c.budget)
				}
			}
		}
		add(key{namespace: p.Namespace})
		for label, value := range p.Labels {
			add(key{p.Namespace, label, value})
		}
		slices.SortFunc(out[p], func(a, b *snapshot.Budget) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// deployment is the Deployment of a pod; nil when it is of none.
func (m *leaving) deployment(p *snapshot.Pod) *snapshot.Workload {
	name := p.Deployment()
	if name == "" {
		return nil
	}
	return m.deployments[[2]string{p.Namespace, name}]
}

// workload names what a pod belongs to, as findings do; the pod itself for a bare one.
func (m *leaving) workload(p *snapshot.Pod) string {
	if d := m.deployment(p); d != nil {
		return d.Object()
	}
	if p.Owner.Kind == "" {
		return podObject(p)
	}
	return p.Owner.Kind + "/" + p.Namespace + "/" + p.Owner.Name
}

func podObject(p *snapshot.Pod) string { return "Pod/" + p.Namespace + "/" + p.Name }

// group gathers pods about which one thing is to be said, and names their objects, each once.
type group struct {
	pods    int
	objects []string
	seen    map[string]bool
	nodes   map[string]bool
}

func (g *group) add(p *snapshot.Pod, objects ...string) {
	if g.seen == nil {
		g.seen, g.nodes = map[string]bool{}, map[string]bool{}
	}
	g.pods++
	g.nodes[p.Node] = true
	for _, o := range objects {
		if !g.seen[o] {
			g.seen[o] = true
			g.objects = append(g.objects, o)
		}
	}
}

// where says how many pods they are and on which nodes.
func (g *group) where() string {
	names := sortedKeys(g.nodes)
	const named = 3
	out := fmt.Sprintf("%s on %s (%s", plural(g.pods, "pod"), plural(len(names), "node"), strings.Join(names[:min(len(names), named)], ", "))
	if more := len(names) - named; more > 0 {
		out += fmt.Sprintf(", and %d more", more)
	}
	return out + ")"
}

func (g *group) hits(fix, why string, args ...any) []Hit {
	if g.pods == 0 {
		return nil
	}
	return one(g.objects, fix, why, args...)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
