package check

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// staticNodePool finds NodePools with spec.replicas (feature gate StaticCapacity): Karpenter keeps that many
// nodes whether pods need them or not, so a blue node that is emptied and deleted is launched again, and a green copy is full
// from the start.
func staticNodePool(in Input) []Hit {
	var objects []string
	for _, p := range planned(in) {
		if _, static, _ := unstructured.NestedFieldNoCopy(p.Object, "spec", "replicas"); static {
			objects = append(objects, "NodePool/"+p.GetName())
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "name them in spec.nodePools.exclude: their nodes stay, under the new controller, and drift replaces them when it has to",
		"Karpenter keeps as many nodes of them as spec.replicas says: it launches a blue one again for each that the run removes")
}

// workloadPinned finds workloads that no green node can hold: their pods would be evicted into Pending, or Karpenter would launch
// blue nodes for them again and again.
func workloadPinned(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	var objects []string
	pools := map[string]bool{}
	for i := range in.Snapshot.Workloads {
		w := &in.Snapshot.Workloads[i]
		if w.Kind != "Deployment" && w.Kind != "StatefulSet" {
			continue // see templatePinned
		}
		blue := slices.DeleteFunc(slices.Clone(w.NodePools), func(name string) bool { return !replaced(in, name) })
		if len(blue) == 0 || slices.ContainsFunc(w.NodePools, func(name string) bool { return staysOrGreen(in, name) }) {
			continue
		}
		objects = append(objects, w.Object())
		for _, p := range blue {
			pools[p] = true
		}
	}
	if len(objects) == 0 {
		return nil
	}
	names := sortedKeys(pools)
	return one(objects, fmt.Sprintf("let their required node affinity take the green NodePools as well, which may be named before they exist (karpenter.sh/nodepool In %s), or a label that both have; or name the NodePools in spec.nodePools.exclude",
		strings.Join(append(names, greenOf(in, names)...), ", ")),
		"their pods accept nodes of %s only, which the run replaces: no green node would hold them", strings.Join(names, ", "))
}

// staysOrGreen says that a NodePool is there after the run.
func staysOrGreen(in Input, name string) bool {
	if slices.ContainsFunc(in.Plan.Pools, func(p v1alpha1.PoolPlan) bool { return p.Green == name }) {
		return true
	}
	there := slices.ContainsFunc(in.Snapshot.NodePools, func(p unstructured.Unstructured) bool { return p.GetName() == name })
	return there && !replaced(in, name)
}

func replaced(in Input, name string) bool {
	return slices.ContainsFunc(in.Plan.Pools, func(p v1alpha1.PoolPlan) bool { return p.Blue == name })
}

func greenOf(in Input, blue []string) []string {
	var out []string
	for _, p := range in.Plan.Pools {
		if slices.Contains(blue, p.Blue) {
			out = append(out, p.Green)
		}
	}
	return out
}
