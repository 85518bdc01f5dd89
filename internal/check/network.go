package check

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// networkChecks are about what AWS has for the EC2NodeClasses, where the run may ask it.
func networkChecks() []Check {
	return []Check{
		{Code: "SelectorMatchesNothing", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: eachNetwork(selectorMatchesNothing)},
		{Code: "SubnetsFull", Severity: v1alpha1.SeverityWarning, Find: eachNetwork(subnetsFull)},
		{Code: "NodeRoleMissing", Severity: v1alpha1.SeverityWarning, Find: eachNetwork(nodeRoleMissing)},
		{Code: "InterruptionQueueMissing", Severity: v1alpha1.SeverityWarning, Find: interruptionQueueMissing},
	}
}

// eachNetwork runs a check over what AWS has for each EC2NodeClass that the run copies as it is.
func eachNetwork(find func(in Input, class string, n snapshot.ClassNetwork) []Hit) func(Input) []Hit {
	return eachNodeClass(func(in Input, c *unstructured.Unstructured) []Hit {
		if in.Snapshot.Platform.Network == nil || classPatch(in, c.GetName()) != nil {
			return nil
		}
		n, looked := in.Snapshot.Platform.Network.Classes[c.GetName()]
		if !looked {
			return nil
		}
		return find(in, c.GetName(), n)
	})
}

func selectorMatchesNothing(_ Input, class string, n snapshot.ClassNetwork) []Hit {
	var lost, terms []string
	if len(n.Subnets) == 0 {
		lost, terms = append(lost, "no subnet"), append(terms, "spec.subnetSelectorTerms")
	}
	if len(n.SecurityGroups) == 0 {
		lost, terms = append(lost, "no security group"), append(terms, "spec.securityGroupSelectorTerms")
	}
	if len(lost) == 0 {
		return nil
	}
	return one([]string{"EC2NodeClass/" + class}, "tag what they are to match, or correct them; or name its NodePools in spec.nodePools.exclude",
		"its %s match %s in AWS, so no node can be launched from it, nor from its green copy", strings.Join(terms, " and "), strings.Join(lost, " and "))
}

// addressesOfNode is about how many addresses a node takes when it comes: VPC CNI attaches a whole network interface for its first
// pods, which has 10 addresses on the smaller instance types (WARM_ENI_TARGET=1, its default), and keeps them.
const addressesOfNode = 10

func subnetsFull(in Input, class string, n snapshot.ClassNetwork) []Hit {
	var nodes int32
	for _, p := range planned(in) {
		if snapshot.NodeClassName(p) == class {
			nodes += in.Snapshot.NodesOf(p.GetName())
		}
	}
	var free int32
	objects, each := make([]string, 0, 1+len(n.Subnets)), make([]string, 0, len(n.Subnets))
	objects = append(objects, "EC2NodeClass/"+class)
	for _, s := range n.Subnets {
		free += s.Free
		objects = append(objects, s.ID)
		each = append(each, fmt.Sprintf("%s in %s: %d", s.ID, s.Zone, s.Free))
	}
	if len(n.Subnets) == 0 || free >= nodes*addressesOfNode {
		return nil
	}
	return one(objects, "add subnets with room to what it selects (nodes do not drift by that), exclude NodePools and go pool by pool, or make do with less by prefix delegation or WARM_IP_TARGET of VPC CNI",
		"it has %d nodes, and as many green ones beside them take about %d addresses (%d each, for pods too), of which %d are free (%s)",
		nodes, nodes*addressesOfNode, addressesOfNode, free, strings.Join(each, ", "))
}

func nodeRoleMissing(_ Input, class string, n snapshot.ClassNetwork) []Hit {
	objects := []string{"EC2NodeClass/" + class}
	if n.MissingRole != "" {
		objects = append(objects, "role "+n.MissingRole)
	}
	if n.MissingProfile != "" {
		objects = append(objects, "instance profile "+n.MissingProfile)
	}
	if len(objects) == 1 {
		return nil
	}
	return one(objects, "make it, or correct spec.role or spec.instanceProfile (of the green copy: spec.nodePools.nodeClassOverrides)",
		"IAM has no %s, which it names: an instance profile that is there already goes on working, and none can be made for its green copy", strings.Join(objects[1:], " and no "))
}

func interruptionQueueMissing(in Input) []Hit {
	q := in.Snapshot.Platform.Queue
	if in.Plan == nil || q == nil || !q.Missing {
		return nil
	}
	return one([]string{"queue " + q.Name, "settings.interruptionQueue"}, "make it, or correct settings.interruptionQueue in spec.target.values",
		"SQS has no queue %s in this region, or the operator may not see it: the new controller looks for it when it starts", q.Name)
}
