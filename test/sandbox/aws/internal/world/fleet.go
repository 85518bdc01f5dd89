package world

import (
	"cmp"
	"errors"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// FleetInput is the input of CreateFleet for a fleet of type instant.
type FleetInput struct {
	Configs []FleetConfig
	// CapacityType is the default target capacity type, Target the number of instances.
	CapacityType CapacityType
	Target       int
	// Strategy is the allocation strategy of the capacity type.
	Strategy string
	// Tags are by resource type: instance, volume, fleet and so on.
	Tags                     map[string]map[string]string
	Token, Params, Principal string
	DryRun                   bool
}

// FleetConfig is a launch template with overrides.
type FleetConfig struct {
	TemplateID, TemplateName, Version string
	Overrides                         []FleetOverride
}

// FleetOverride is a launch template override. Empty fields leave the template's value.
type FleetOverride struct {
	InstanceType, SubnetID, Zone, ImageID string
	// Priority orders the overrides in the prioritized strategies, the lowest first; nil comes last.
	Priority *float64
	// MaxPrice and WeightedCapacity are not here: nobody sends them.
}

// FleetResult is what became of a fleet.
type FleetResult struct {
	ID       string
	Launches []FleetLaunch
	Errors   []FleetError
}

// FleetLaunch are the instances of one pool.
type FleetLaunch struct {
	FleetPool
	InstanceIDs []string
}

// FleetError says why a pool was passed over.
type FleetError struct {
	FleetPool
	Code, Message string
}

// FleetPool is a launch template with one override, which is a pool of capacity.
type FleetPool struct {
	TemplateID, TemplateName, Version string
	Override                          FleetOverride
	InstanceType                      string
	CapacityType                      CapacityType
}

// The allocation strategies that are understood. The first three order pools by price: the emulator has no better
// measure of capacity, so a pool has either enough or, where an ICE rule says so, nothing.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-allocation-strategy.html.
var (
	priceStrategies    = []string{"lowest-price", "price-capacity-optimized", "capacity-optimized", "diversified", ""}
	priorityStrategies = []string{"prioritized", "capacity-optimized-prioritized"}
)

// candidate is a pool with what a choice between pools needs.
type candidate struct {
	FleetPool
	spec  LaunchSpec
	price float64
	// running is how many instances the pool's zone has already.
	running int
}

// CreateFleet launches an instant fleet. Pools that cannot serve are reported in the result; only what is wrong with
// the request as a whole is an error.
func (w *World) CreateFleet(in FleetInput) (FleetResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return once(w.tokens, "CreateFleet", in.Token, in.Params, func() (FleetResult, error) { return w.createFleet(in) })
}

func (w *World) createFleet(in FleetInput) (FleetResult, error) {
	if in.Target < 1 {
		return FleetResult{}, awserr.New("InvalidParameterValue", "TotalTargetCapacity must be 1 or more, not %d", in.Target)
	}
	if err := checkAllTags(in.Tags); err != nil {
		return FleetResult{}, err
	}
	pools, err := w.candidates(in)
	if err != nil {
		return FleetResult{}, err
	}
	if err := orderPools(pools, in.Strategy); err != nil {
		return FleetResult{}, err
	}
	if in.DryRun {
		return FleetResult{}, awserr.DryRun()
	}
	result := FleetResult{ID: "fleet-" + newUUID()}
	w.register(result.ID, "fleet", in.Tags["fleet"])
	for _, p := range pools {
		if in.Target == 0 {
			break
		}
		launched, err := w.fill(p, in, result.ID)
		in.Target -= len(launched)
		if len(launched) > 0 {
			result.Launches = append(result.Launches, FleetLaunch{FleetPool: p.FleetPool, InstanceIDs: launched})
		}
		if refused := (*awserr.Error)(nil); errors.As(err, &refused) {
			result.Errors = append(result.Errors, FleetError{FleetPool: p.FleetPool, Code: refused.Code, Message: refused.Message})
		}
	}
	return result, nil
}

// fill launches as much of the target in one pool as it has room for; the error says why it was not all.
func (w *World) fill(c candidate, in FleetInput, fleet string) ([]string, error) {
	spec := c.spec
	spec.Tags = lo.Assign(spec.Tags)
	spec.Tags["instance"] = lo.Assign(spec.Tags["instance"], map[string]string{"aws:ec2:fleet-id": fleet})
	l, err := w.resolve(spec)
	if err != nil {
		return nil, err
	}
	var ids []string
	for range in.Target {
		i, err := w.start(l, newID("r-", 17), in.Principal)
		if err != nil {
			return ids, err
		}
		ids = append(ids, i.ID)
	}
	return ids, nil
}

// candidates makes the pools of a fleet: one for each override, one for a template without overrides.
func (w *World) candidates(in FleetInput) ([]candidate, error) {
	if len(in.Configs) == 0 {
		return nil, awserr.MissingParameter("LaunchTemplateConfigs")
	}
	var out []candidate
	for _, c := range in.Configs {
		t, err := w.template(c.TemplateID, c.TemplateName)
		if err != nil {
			return nil, err
		}
		if err := t.version(c.Version); err != nil {
			return nil, err
		}
		overrides := c.Overrides
		if len(overrides) == 0 {
			overrides = []FleetOverride{{}}
		}
		for _, o := range overrides {
			out = append(out, w.candidate(t, o, in))
		}
	}
	return out, nil
}

func (w *World) candidate(t *LaunchTemplate, o FleetOverride, in FleetInput) candidate {
	spec := LaunchSpec{InstanceType: o.InstanceType, SubnetID: o.SubnetID, Zone: o.Zone, ImageID: o.ImageID, Tags: in.Tags}
	spec = spec.over(t.Spec)
	spec.Market = in.CapacityType
	spec.Tags = t.stamp(spec.Tags)
	zone := spec.Zone
	if sn, ok := w.subnets[spec.SubnetID]; ok {
		zone = sn.Zone
	}
	// The answer names the zone of the subnet even where the request did not.
	o.Zone = cmp.Or(o.Zone, zone)
	kind := w.types[spec.InstanceType]
	price := kind.OnDemandPrice
	if in.CapacityType == Spot {
		price = kind.SpotPrice(zone)
	}
	return candidate{
		FleetPool: FleetPool{
			TemplateID: t.ID, TemplateName: t.Name, Version: "1", Override: o, InstanceType: spec.InstanceType,
			CapacityType: in.CapacityType,
		},
		spec: spec, price: price,
		running: lo.CountBy(lo.Values(w.instances), func(i *instance) bool { return i.Zone.Name == zone && i.active() }),
	}
}

// orderPools sorts pools by the strategy. Of equal pools the one whose zone has fewer instances comes first, so that
// nodes spread over zones, then the one that was named first.
func orderPools(pools []candidate, strategy string) error {
	switch {
	case slices.Contains(priceStrategies, strategy):
		slices.SortStableFunc(pools, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.running, b.running))
		})
	case slices.Contains(priorityStrategies, strategy):
		slices.SortStableFunc(pools, func(a, b candidate) int {
			return cmp.Or(comparePriority(a.Override.Priority, b.Override.Priority), cmp.Compare(a.running, b.running))
		})
	default:
		return awserr.InvalidValue("AllocationStrategy", strategy, "This emulator does not know it.")
	}
	return nil
}

func comparePriority(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	default:
		return cmp.Compare(*a, *b)
	}
}
