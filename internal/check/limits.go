package check

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// limitsTooLow finds limits that leave no room for what replaces the nodes. A limit is a NodePool's own: a green NodePool has that of its
// blue one, and begins at nothing, so it needs as much as blue uses and, since it is filled by other nodes than blue was, one node more.
// In place old and new nodes share the limit: it needs what is used and, on top, the nodes that are emptied at the same time.
func limitsTooLow(in Input) []Hit {
	if !in.replaces() {
		return nil
	}
	largest, counts := in.largest()
	var out []Hit
	after := in.after()
	for _, blue := range planned(in) {
		at := slices.IndexFunc(after, func(p pool) bool { return p.blue == blue.GetName() })
		used := usedBy(blue)
		if at < 0 || counts[blue.GetName()] == 0 {
			continue
		}
		if _, known := used["nodes"]; !known {
			used["nodes"] = *resource.NewQuantity(int64(counts[blue.GetName()]), resource.DecimalSI)
		}
		limits, _, _ := unstructured.NestedMap(after[at].spec, "limits")
		var tight []string
		for _, name := range sortedKeys(limits) {
			if short := in.short(name, limits[name], used[name], largest[blue.GetName()], counts[blue.GetName()]); short != "" {
				tight = append(tight, short)
			}
		}
		if len(tight) > 0 {
			out = append(out, Hit{
				Objects: []string{"NodePool/" + blue.GetName()},
				Why:     "spec.limits leave no room for the nodes that replace its nodes: " + strings.Join(tight, "; "),
				Fix:     fmt.Sprintf("kubectl edit nodepool %s and raise spec.limits, which causes no drift; with BlueGreen, spec.nodePools.overrides can raise those of %s alone", blue.GetName(), after[at].name),
			})
		}
	}
	return out
}

// short says by how much a limit is too low; empty when it is not.
func (in Input) short(name string, limit any, used resource.Quantity, node size, count int) string {
	text := fmt.Sprint(limit)
	allowed, err := resource.ParseQuantity(text)
	if err != nil {
		return "" // the API server validates it
	}
	one := node.of(name)
	surge := int64(1)
	how := "as much as is used, and one node"
	if in.Spec.Strategy == v1alpha1.StrategyInPlace {
		surge = int64(in.surge(count))
		how = fmt.Sprintf("what is used, and the %s that are emptied at the same time", plural(int(surge), "node"))
	}
	needed := used.DeepCopy()
	for range surge {
		needed.Add(one)
	}
	if needed.Cmp(allowed) <= 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s used, the limit is %s, and the run needs %s (%s of up to %s)", name, used.String(), text, needed.String(), how, one.String())
}

// surge is how many nodes of a NodePool are emptied at the same time, by spec.migration.maxUnavailable.
func (in Input) surge(count int) int {
	limit := ptr.Deref(in.Spec.Migration.MaxUnavailable, intstr.FromString("10%"))
	n, err := intstr.GetScaledValueFromIntOrPercent(&limit, int(in.Plan.Nodes), true)
	if err != nil {
		return 1 // the API validates it
	}
	return max(min(n, count), 1)
}

// size of a node: CPU in thousandths, memory in bytes.
type size struct{ cpu, memory int64 }

// of is how much of a resource such a node has. It is 0 for what is not known.
func (s size) of(name string) resource.Quantity {
	switch name {
	case "cpu":
		return *resource.NewMilliQuantity(s.cpu, resource.DecimalSI)
	case "memory":
		return *resource.NewQuantity(s.memory, resource.BinarySI)
	case "nodes":
		return *resource.NewQuantity(1, resource.DecimalSI)
	default:
		return resource.Quantity{}
	}
}

// largest is, by NodePool, the size of the largest node, and how many there are.
func (in Input) largest() (map[string]size, map[string]int) {
	sizes, counts := map[string]size{}, map[string]int{}
	for _, c := range in.claims() {
		s := sizes[c.NodePool]
		sizes[c.NodePool] = size{max(s.cpu, c.CPU), max(s.memory, c.Memory)}
		counts[c.NodePool]++
	}
	return sizes, counts
}

// usedBy is what the nodes of a NodePool have, as its status says.
func usedBy(nodePool *unstructured.Unstructured) map[string]resource.Quantity {
	all, _, _ := unstructured.NestedMap(nodePool.Object, "status", "resources")
	out := map[string]resource.Quantity{}
	for name, v := range all {
		if q, err := resource.ParseQuantity(fmt.Sprint(v)); err == nil {
			out[name] = q
		}
	}
	return out
}
