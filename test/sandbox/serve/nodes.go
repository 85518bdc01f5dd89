package serve

import (
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
)

// hostCount is enough for two replicas of two releases on different hosts in different zones, as Karpenter's chart
// demands of each release.
const hostCount = 4

// hostNodes are the nodes of the account's managed node group, as AWS's default seed has it: in two zones.
func hostNodes() []podrunner.Node {
	zones := []string{"us-west-2a", "us-west-2b"}
	nodes := make([]podrunner.Node, 0, hostCount)
	for i := range hostCount {
		nodes = append(nodes, podrunner.Node{
			Name:   fmt.Sprintf("host-%d", i+1),
			Zone:   zones[i%len(zones)],
			IP:     network.NodeIP(i),
			Labels: map[string]string{"eks.amazonaws.com/nodegroup": "system", "role": "system"},
		})
	}
	return nodes
}
