package ec2

import (
	"context"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type createFleetInput struct {
	request
	Type              string             `q:"Type"`
	ClientToken       string             `q:"ClientToken"`
	Context           string             `q:"Context"`
	Configs           []fleetConfig      `q:"LaunchTemplateConfigs,required"`
	Capacity          targetCapacity     `q:"TargetCapacitySpecification,required"`
	OnDemand          allocation         `q:"OnDemandOptions"`
	Spot              allocation         `q:"SpotOptions"`
	TagSpecifications []tagSpecification `q:"TagSpecification"`
}

type fleetConfig struct {
	Template  templateRef     `q:"LaunchTemplateSpecification"`
	Overrides []fleetOverride `q:"Overrides"`
}

type templateRef struct {
	ID      string `q:"LaunchTemplateId" xml:"launchTemplateId"`
	Name    string `q:"LaunchTemplateName" xml:"launchTemplateName"`
	Version string `q:"Version" xml:"version"`
}

type fleetOverride struct {
	InstanceType     string   `q:"InstanceType" xml:"instanceType,omitempty"`
	SubnetID         string   `q:"SubnetId" xml:"subnetId,omitempty"`
	AvailabilityZone string   `q:"AvailabilityZone" xml:"availabilityZone,omitempty"`
	ImageID          string   `q:"ImageId" xml:"imageId,omitempty"`
	Priority         *float64 `q:"Priority" xml:"priority,omitempty"`
}

type targetCapacity struct {
	Total       int    `q:"TotalTargetCapacity"`
	DefaultType string `q:"DefaultTargetCapacityType"`
}

type allocation struct {
	Strategy string `q:"AllocationStrategy"`
}

type createFleetOutput struct {
	FleetID   string          `xml:"fleetId"`
	Errors    []fleetError    `xml:"errorSet>item"`
	Instances []fleetInstance `xml:"fleetInstanceSet>item"`
}

type fleetInstance struct {
	Template     templateAndOverrides `xml:"launchTemplateAndOverrides"`
	Lifecycle    string               `xml:"lifecycle"`
	InstanceIDs  []string             `xml:"instanceIds>item"`
	InstanceType string               `xml:"instanceType"`
}

type fleetError struct {
	Template  templateAndOverrides `xml:"launchTemplateAndOverrides"`
	Lifecycle string               `xml:"lifecycle"`
	Code      string               `xml:"errorCode"`
	Message   string               `xml:"errorMessage"`
}

type templateAndOverrides struct {
	Template  templateRef   `xml:"launchTemplateSpecification"`
	Overrides fleetOverride `xml:"overrides"`
}

func (s service) createFleet(_ context.Context, c wire.Call, in *createFleetInput) (*createFleetOutput, error) {
	if in.Type != "instant" {
		return nil, awserr.InvalidValue("Type", in.Type, "This emulator makes fleets of the type instant only.")
	}
	capacityType := world.CapacityType(lo.CoalesceOrEmpty(in.Capacity.DefaultType, string(world.OnDemand)))
	if !slices.Contains([]world.CapacityType{world.OnDemand, world.Spot}, capacityType) {
		return nil, awserr.InvalidValue("DefaultTargetCapacityType", string(capacityType),
			"This emulator knows on-demand and spot only.")
	}
	tags, err := tagsByType(in.TagSpecifications, append(slices.Clone(launchTags), "fleet")...)
	if err != nil {
		return nil, err
	}
	for _, config := range in.Configs {
		if err := oneOf("LaunchTemplateId", config.Template.ID, "LaunchTemplateName", config.Template.Name); err != nil {
			return nil, err
		}
	}
	result, err := s.w.CreateFleet(world.FleetInput{
		Configs: lo.Map(in.Configs, fleetConfig.toWorld), CapacityType: capacityType, Target: in.Capacity.Total,
		Strategy: lo.Ternary(capacityType == world.Spot, in.Spot, in.OnDemand).Strategy, Tags: tags, Token: in.ClientToken,
		Params: fingerprint(*in), Principal: c.Principal, DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return describeFleet(result), nil
}

func (f fleetConfig) toWorld(_ int) world.FleetConfig {
	return world.FleetConfig{
		TemplateID: f.Template.ID, TemplateName: f.Template.Name, Version: f.Template.Version,
		Overrides: lo.Map(f.Overrides, func(o fleetOverride, _ int) world.FleetOverride {
			return world.FleetOverride{
				InstanceType: o.InstanceType, SubnetID: o.SubnetID, Zone: o.AvailabilityZone, ImageID: o.ImageID,
				Priority: o.Priority,
			}
		}),
	}
}

func describeFleet(r world.FleetResult) *createFleetOutput {
	return &createFleetOutput{
		FleetID: r.ID,
		Errors: lo.Map(r.Errors, func(e world.FleetError, _ int) fleetError {
			return fleetError{
				Template: describePool(e.FleetPool), Lifecycle: string(e.CapacityType), Code: e.Code, Message: e.Message,
			}
		}),
		Instances: lo.Map(r.Launches, func(l world.FleetLaunch, _ int) fleetInstance {
			return fleetInstance{
				Template: describePool(l.FleetPool), Lifecycle: string(l.CapacityType), InstanceIDs: l.InstanceIDs,
				InstanceType: l.InstanceType,
			}
		}),
	}
}

func describePool(p world.FleetPool) templateAndOverrides {
	return templateAndOverrides{
		Template: templateRef{ID: p.TemplateID, Version: p.Version},
		Overrides: fleetOverride{
			InstanceType: p.InstanceType, SubnetID: p.Override.SubnetID, AvailabilityZone: p.Override.Zone,
			ImageID: p.Override.ImageID, Priority: p.Override.Priority,
		},
	}
}

// oneOf refuses none and both of two parameters.
func oneOf(a, valueA, b, valueB string) error {
	switch {
	case valueA == "" && valueB == "":
		return awserr.New("MissingParameter", "The request must contain the parameter %s or %s", a, b)
	case valueA != "" && valueB != "":
		return awserr.New("InvalidParameterCombination", "The parameters %s and %s cannot be used together", a, b)
	default:
		return nil
	}
}
