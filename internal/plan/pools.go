package plan

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// nodeClassGroup is the API group of Karpenter's AWS provider. NodePools of other groups (EKS Auto Mode's, for one) belong to
// another controller.
const nodeClassGroup = "karpenter.k8s.aws"

// maxWeight is the highest weight of a NodePool (sigs.k8s.io/karpenter pkg/apis/v1/nodepool.go).
const maxWeight = 100

// suffixOfRun is the default suffix that an earlier run gave a name: it is replaced and not added to.
var suffixOfRun = regexp.MustCompile(`-v[0-9]+-[0-9]+-[0-9]+$`)

// Suffix of the names of green objects.
func Suffix(spec *v1alpha1.KarpenterUpgradeSpec) string {
	if spec.NodePools != nil && spec.NodePools.Suffix != "" {
		return spec.NodePools.Suffix
	}
	return "-v" + strings.ReplaceAll(spec.Target.Version, ".", "-")
}

// Managed says that a NodePool belongs to Karpenter's AWS provider.
func Managed(pool *unstructured.Unstructured) bool {
	group, _, _ := unstructured.NestedString(pool.Object, "spec", "template", "spec", "nodeClassRef", "group")
	return group == nodeClassGroup || group == ""
}

// pools plans the NodePools to replace, in the order in which their nodes move.
func pools(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) []v1alpha1.PoolPlan {
	replaced := replacedPools(s, spec)
	weights := greenWeights(replaced)
	out := make([]v1alpha1.PoolPlan, 0, len(replaced))
	for i := range replaced {
		p := &replaced[i]
		if spec.Strategy == v1alpha1.StrategyInPlace {
			out = append(out, stays(s, p))
			continue
		}
		out = append(out, v1alpha1.PoolPlan{
			Blue:      p.GetName(),
			Green:     greenName(p.GetName(), overrides(spec, false), Suffix(spec)),
			NodeClass: greenName(snapshot.NodeClassName(p), overrides(spec, true), Suffix(spec)),
			Weight:    weights[p.GetName()],
			Nodes:     s.NodesOf(p.GetName()),
		})
	}
	order := poolOrder(spec)
	slices.SortStableFunc(out, func(a, b v1alpha1.PoolPlan) int {
		if c := rank(order, a.Blue) - rank(order, b.Blue); c != 0 {
			return c
		}
		return strings.Compare(a.Blue, b.Blue)
	})
	return out
}

// stays is the plan of a NodePool whose nodes are replaced by nodes of its own.
func stays(s *snapshot.Snapshot, p *unstructured.Unstructured) v1alpha1.PoolPlan {
	return v1alpha1.PoolPlan{
		Blue: p.GetName(), Green: p.GetName(), NodeClass: snapshot.NodeClassName(p),
		Weight: int32(snapshot.Weight(p)), Nodes: s.NodesOf(p.GetName()),
	}
}

func replacedPools(s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) []unstructured.Unstructured {
	var out []unstructured.Unstructured
	for i := range s.NodePools {
		p := &s.NodePools[i]
		excluded := spec.NodePools != nil && slices.Contains(spec.NodePools.Exclude, p.GetName())
		if Managed(p) && !excluded && p.GetDeletionTimestamp() == nil {
			out = append(out, *p)
		}
	}
	return out
}

// greenWeights lifts the green NodePools above all blue ones and keeps their order among themselves: Karpenter tries
// NodePools by weight, so no workload that a green one can hold lands on a blue one. Static NodePools (spec.replicas) may
// have no weight and get 0.
func greenWeights(replaced []unstructured.Unstructured) map[string]int32 {
	var distinct []int64
	for i := range replaced {
		if !static(&replaced[i]) {
			distinct = append(distinct, snapshot.Weight(&replaced[i]))
		}
	}
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	out := map[string]int32{}
	for i := range replaced {
		if static(&replaced[i]) {
			continue
		}
		above := len(distinct) - 1 - slices.Index(distinct, snapshot.Weight(&replaced[i]))
		out[replaced[i].GetName()] = int32(max(maxWeight-above, 1))
	}
	return out
}

func static(pool *unstructured.Unstructured) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(pool.Object, "spec", "replicas")
	return found
}

// nodeClasses plans the EC2NodeClasses to copy: those of the NodePools to replace.
func nodeClasses(s *snapshot.Snapshot, planned []v1alpha1.PoolPlan) []v1alpha1.NodeClassPlan {
	var out []v1alpha1.NodeClassPlan
	for i := range s.NodePools {
		blue := snapshot.NodeClassName(&s.NodePools[i])
		at := slices.IndexFunc(planned, func(p v1alpha1.PoolPlan) bool { return p.Blue == s.NodePools[i].GetName() })
		if at < 0 {
			continue
		}
		if !slices.ContainsFunc(out, func(c v1alpha1.NodeClassPlan) bool { return c.Blue == blue }) {
			out = append(out, v1alpha1.NodeClassPlan{Blue: blue, Green: planned[at].NodeClass, CopyOf: s.Splits[blue]})
		}
	}
	slices.SortFunc(out, func(a, b v1alpha1.NodeClassPlan) int { return strings.Compare(a.Blue, b.Blue) })
	for i := range out {
		out[i].CanaryPool = canaryPool(planned, out[i].Green)
	}
	return out
}

// canaryPool picks the NodePool whose requirements the canary of an EC2NodeClass takes: the one with the most nodes, since
// it matters most.
func canaryPool(planned []v1alpha1.PoolPlan, nodeClass string) string {
	var best *v1alpha1.PoolPlan
	for i := range planned {
		p := &planned[i]
		if p.NodeClass == nodeClass && (best == nil || p.Nodes > best.Nodes || (p.Nodes == best.Nodes && p.Blue < best.Blue)) {
			best = p
		}
	}
	return best.Green
}

func overrides(spec *v1alpha1.KarpenterUpgradeSpec, ofNodeClasses bool) []v1alpha1.Override {
	switch {
	case spec.NodePools == nil:
		return nil
	case ofNodeClasses:
		return spec.NodePools.NodeClassOverrides
	default:
		return spec.NodePools.Overrides
	}
}

func greenName(blue string, overrides []v1alpha1.Override, suffix string) string {
	for _, o := range overrides {
		if o.Name == blue && o.GreenName != "" {
			return o.GreenName
		}
	}
	base := suffixOfRun.ReplaceAllString(blue, "")
	if base == "" {
		base = blue
	}
	return base + suffix
}

func poolOrder(spec *v1alpha1.KarpenterUpgradeSpec) []string {
	if spec.Migration.Order == nil || spec.Migration.Order.Nodes == nil {
		return nil
	}
	return spec.Migration.Order.Nodes.Pools
}

func rank(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}
