package record

import (
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

type nodes struct {
	all          map[string]Node
	blue         map[string]bool // NodePools
	before, peak int
}

func newNodes() nodes { return nodes{all: map[string]Node{}, blue: map[string]bool{}} }

func (n *nodes) begin(pools []string) {
	for _, p := range pools {
		n.blue[p] = true
	}
	n.before, _, _ = n.count()
	n.peak = len(n.all)
}

func (n *nodes) count() (blue, green, other int) {
	for _, node := range n.all {
		switch {
		case node.Canary:
			other++
		case n.blue[node.Pool]:
			blue++
		default:
			green++
		}
	}
	return blue, green, other
}

func (n *nodes) report() report.Nodes {
	blue, green, _ := n.count()
	return report.Nodes{BlueBefore: n.before, BlueAfter: blue, GreenAfter: green, Peak: n.peak}
}

func (e Node) apply(r *Recorder, _ time.Time) {
	r.nodes.all[e.Name] = e
	r.nodes.peak = max(r.nodes.peak, len(r.nodes.all))
}

func (e NodeGone) apply(r *Recorder, _ time.Time) { delete(r.nodes.all, e.Name) }
