package check

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// pool is a NodePool that is there after the run: a green one, as the run will make it, or one that stays.
type pool struct {
	name string
	// blue is the NodePool that it replaces; empty for one that stays.
	blue string
	spec map[string]any
	// zones of the subnets that its EC2NodeClass finds; nil when they are not known.
	zones []string
}

// after are the NodePools of Karpenter that are there after the run. A patch of the spec that cannot be laid over a NodePool leaves it as
// it is: the phase NodePools says so.
func (in Input) after() []pool {
	if in.Plan == nil {
		return nil
	}
	var out []pool
	for i := range in.Snapshot.NodePools {
		u := &in.Snapshot.NodePools[i]
		if !plan.Managed(u) || u.GetDeletionTimestamp() != nil {
			continue
		}
		spec, _, err := unstructured.NestedMap(u.Object, "spec")
		if err != nil {
			continue
		}
		p := pool{name: u.GetName(), spec: spec, zones: in.subnetZones(snapshot.NodeClassName(u))}
		if planned := slices.IndexFunc(in.Plan.Pools, func(p v1alpha1.PoolPlan) bool { return p.Blue == u.GetName() }); planned >= 0 {
			p.name, p.blue = in.Plan.Pools[planned].Green, u.GetName()
			if merged, err := values.Merge(spec, override(in.Spec, u.GetName(), false)); err == nil {
				p.spec = merged
			}
			if override(in.Spec, snapshot.NodeClassName(u), true) != nil {
				p.zones = nil // it may select other subnets
			}
		}
		out = append(out, p)
	}
	return out
}

// override is the patch that the spec has for a NodePool, or for an EC2NodeClass; nil for none.
func override(spec *v1alpha1.KarpenterUpgradeSpec, name string, ofClass bool) []byte {
	if spec.NodePools == nil {
		return nil
	}
	all := spec.NodePools.Overrides
	if ofClass {
		all = spec.NodePools.NodeClassOverrides
	}
	for i := range all {
		if all[i].Name == name && all[i].Patch != nil {
			return all[i].Patch.Raw
		}
	}
	return nil
}

// subnetZones are the zones of the subnets that an EC2NodeClass has found, as its status says; nil when it says nothing.
func (in Input) subnetZones(class string) []string {
	for i := range in.Snapshot.NodeClasses {
		if in.Snapshot.NodeClasses[i].GetName() != class {
			continue
		}
		subnets, _, _ := unstructured.NestedSlice(in.Snapshot.NodeClasses[i].Object, "status", "subnets")
		var out []string
		for _, o := range subnets {
			subnet, _ := o.(map[string]any)
			zone, _, _ := unstructured.NestedString(subnet, "zone")
			if zone == "" {
				return nil
			}
			out = append(out, zone)
		}
		return out
	}
	return nil
}

// requirement is one of a NodePool's.
type requirement struct {
	key, operator string
	values        []string
}

func (p *pool) requirements() []requirement {
	all, _, _ := unstructured.NestedSlice(p.spec, "template", "spec", "requirements")
	out := make([]requirement, 0, len(all))
	for _, o := range all {
		m, ok := o.(map[string]any)
		if !ok {
			continue
		}
		r := requirement{}
		r.key, _, _ = unstructured.NestedString(m, "key")
		r.operator, _, _ = unstructured.NestedString(m, "operator")
		r.values, _, _ = unstructured.NestedStringSlice(m, "values")
		out = append(out, r)
	}
	return out
}

// labels are those that the NodePool gives all its nodes by its template.
func (p *pool) labels() map[string]string {
	out, _, _ := unstructured.NestedStringMap(p.spec, "template", "metadata", "labels")
	return out
}

// reaches says that the NodePool may launch nodes in a zone, as far as is known.
func (p *pool) reaches(zone string) bool {
	if p.zones != nil && !slices.Contains(p.zones, zone) {
		return false
	}
	if has, ok := p.labels()[corev1.LabelTopologyZone]; ok && has != zone {
		return false
	}
	for _, r := range p.requirements() {
		if r.key != corev1.LabelTopologyZone && r.key != corev1.LabelFailureDomainBetaZone {
			continue
		}
		in := slices.Contains(r.values, zone)
		if (r.operator == string(corev1.NodeSelectorOpIn) && !in) || (r.operator == string(corev1.NodeSelectorOpNotIn) && in) {
			return false
		}
	}
	return true
}
