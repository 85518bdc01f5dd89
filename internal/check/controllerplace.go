package check

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// controllerPlaceChecks are about where Karpenter's pods, and this operator's, run and will run.
func controllerPlaceChecks() []Check {
	return []Check{
		{Code: "ControllerOnOwnNodes", Severity: v1alpha1.SeverityWarning, Find: controllerOnOwnNodes},
		{Code: "OperatorOnOwnNodes", Severity: v1alpha1.SeverityInfo, Find: operatorOnOwnNodes},
		{Code: "ControllerKilled", Severity: v1alpha1.SeverityWarning, Find: controllerKilled},
		{Code: "ControllerUnprotected", Severity: v1alpha1.SeverityInfo, Find: controllerUnprotected},
		{Code: "NoRoomForSecondRelease", Severity: v1alpha1.SeverityWarning, Find: noRoom},
	}
}

// controllers are the pods of the release to upgrade.
func controllers(in Input) []snapshot.ControllerPod {
	source := in.source()
	if source == nil {
		return nil
	}
	var out []snapshot.ControllerPod
	for _, p := range in.Snapshot.Platform.Pods {
		if p.Namespace == source.Namespace && p.Release == source.Release.Name {
			out = append(out, p)
		}
	}
	return out
}

func podName(p snapshot.ControllerPod) string { return "Pod/" + p.Namespace + "/" + p.Name }

// onOwnNodes are the pods on nodes of NodePools, and what says where they are.
func onOwnNodes(pods []snapshot.ControllerPod) (objects []string, where string) {
	var on []string
	for _, p := range pods {
		if p.NodePool != "" {
			objects = append(objects, podName(p))
			on = append(on, fmt.Sprintf("%s on node %s of NodePool %s", p.Name, p.Node, p.NodePool))
		}
	}
	return objects, strings.Join(on, ", ")
}

func controllerOnOwnNodes(in Input) []Hit {
	objects, where := onOwnNodes(controllers(in))
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "keep them off such nodes, as the chart's default affinity does (karpenter.sh/nodepool DoesNotExist), on a managed node group or Fargate: helm upgrade at the present version, and the same in spec.target.values",
		"Karpenter runs on nodes that it owns itself, which the run empties: %s; when it is evicted and has no other node, there is nobody to launch one", where)
}

func operatorOnOwnNodes(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	var own []snapshot.ControllerPod
	for _, p := range in.Snapshot.Platform.Pods {
		if p.Release == "" {
			own = append(own, p)
		}
	}
	objects, where := onOwnNodes(own)
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "set affinity of this operator's chart to nodes that no NodePool owns, or leave it: another pod, or the next one, goes on where this one stopped",
		"this operator runs on nodes that the run empties: %s; the run stands still while its pod moves", where)
}

func controllerKilled(in Input) []Hit {
	var objects, what []string
	for _, p := range controllers(in) {
		if p.Killed > 0 {
			objects = append(objects, podName(p))
			what = append(what, fmt.Sprintf("%s restarted %d times at %s", p.Name, p.Killed, p.Memory))
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "raise controller.resources.limits.memory (and requests) of the release, and in spec.target.values for the second one",
		"they were killed for want of memory (%s), and the run doubles the nodes that Karpenter has to keep in mind", strings.Join(what, ", "))
}

func controllerUnprotected(in Input) []Hit {
	source := in.source()
	pods := controllers(in)
	if source == nil || len(pods) == 0 {
		return nil
	}
	var lacks, helps []string
	if source.Replicas == 1 {
		lacks, helps = append(lacks, "one replica, so nobody stands by when its node goes"), append(helps, "replicas: 2")
	}
	if len(in.Snapshot.Platform.Budgets) == 0 {
		lacks, helps = append(lacks, "no PodDisruptionBudget, so all of its pods may be evicted at once"), append(helps, "podDisruptionBudget.maxUnavailable: 1")
	}
	if slices.ContainsFunc(pods, func(p snapshot.ControllerPod) bool { return p.PriorityClass == "" }) {
		lacks, helps = append(lacks, "no priority class, so other pods may push it aside"), append(helps, "priorityClassName: system-cluster-critical")
	}
	if len(lacks) == 0 {
		return nil
	}
	return one([]string{fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name)}, "set "+strings.Join(helps, ", ")+" in spec.target.values",
		"Karpenter has %s", strings.Join(lacks, "; "))
}

// noRoom finds that the pods of the second release, which run beside those of the first for most of the run, have no place.
func noRoom(in Input) []Hit {
	standby := in.Snapshot.Platform.Standby
	if in.Plan == nil || standby == nil || in.Plan.Hops[len(in.Plan.Hops)-1].Strategy == v1alpha1.StrategyInPlace {
		return nil
	}
	r := newRoom(in.Snapshot.Platform.Hosts, standby)
	placed := r.place(standby.Replicas)
	if placed == standby.Replicas || in.Snapshot.Platform.HostsUnread > 0 || onFargate(in) {
		return nil
	}
	objects := []string{fmt.Sprintf("HelmRelease/%s/%s", standby.Namespace, in.Plan.GreenRelease)}
	for _, h := range in.Snapshot.Platform.Hosts {
		objects = append(objects, "Node/"+h.Name)
	}
	return one(objects, "add a node to the node group that Karpenter runs on (two zones, where replicas spread over zones), or lower replicas or controller.resources.requests in spec.target.values",
		"the second release wants %d pods of %s each beside those of the first, and %d of them have a place on nodes that no NodePool owns: %s",
		standby.Replicas, r.want(), placed, r.describe())
}

// onFargate says that Karpenter runs where each pod brings its own node.
func onFargate(in Input) bool {
	return slices.ContainsFunc(controllers(in), func(p snapshot.ControllerPod) bool { return strings.HasPrefix(p.Node, "fargate-") })
}

func memory(bytes int64) string {
	return resource.NewQuantity(bytes>>20<<20, resource.BinarySI).String()
}
