package aws_test

import (
	"encoding/base64"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"
)

const (
	subnetA = "subnet-0a1b2c3d4e5f60001"
	subnetB = "subnet-0a1b2c3d4e5f60002"
	subnetC = "subnet-0a1b2c3d4e5f60003"
	groupID = "sg-0a1b2c3d4e5f60001"
	profile = "KarpenterNodeInstanceProfile-sandbox"
)

// image finds the newest AL2023 image of an architecture by its public parameter.
func (e *emulator) image(t *testing.T, arch string) string {
	t.Helper()
	out, err := ssm.NewFromConfig(e.config()).GetParameter(t.Context(), &ssm.GetParameterInput{Name: sdk.String(
		"/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/" + arch + "/standard/recommended/image_id")})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return *out.Parameter.Value
}

// templateInput is a launch template as Karpenter makes it.
func templateInput(name, image string) *ec2.CreateLaunchTemplateInput {
	return &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &name,
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			ImageId: &image, UserData: sdk.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\n"))),
			IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: sdk.String(profile)},
			SecurityGroupIds:   []string{groupID},
			MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
				HttpEndpoint: "enabled", HttpProtocolIpv6: "disabled", HttpTokens: "required",
				HttpPutResponseHopLimit: sdk.Int32(2), InstanceMetadataTags: "disabled",
			},
			BlockDeviceMappings: []ec2types.LaunchTemplateBlockDeviceMappingRequest{{
				DeviceName: sdk.String("/dev/xvda"),
				Ebs:        &ec2types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: sdk.Bool(true), VolumeSize: sdk.Int32(20), VolumeType: "gp3"},
			}},
			TagSpecifications: []ec2types.LaunchTemplateTagSpecificationRequest{
				{ResourceType: "network-interface", Tags: tags("karpenter.sh/nodepool", "blue")},
				{ResourceType: "spot-instances-request", Tags: tags("karpenter.sh/nodepool", "blue")},
			},
		},
		TagSpecifications: []ec2types.TagSpecification{
			{ResourceType: "launch-template", Tags: tags("eks:eks-cluster-name", "sandbox", "karpenter.k8s.aws/ec2nodeclass", "default")},
		},
	}
}

// template makes a launch template for an architecture.
func (e *emulator) template(t *testing.T, name, arch string) {
	t.Helper()
	_, err := e.ec2().CreateLaunchTemplate(t.Context(), templateInput(name, e.image(t, arch)))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// tags makes tags of keys and values in turn.
func tags(pairs ...string) []ec2types.Tag {
	return lo.Map(lo.Chunk(pairs, 2), func(p []string, _ int) ec2types.Tag { return ec2types.Tag{Key: &p[0], Value: &p[1]} })
}

// override is a pool of a fleet.
func override(instanceType, subnet, zone string) ec2types.FleetLaunchTemplateOverridesRequest {
	return ec2types.FleetLaunchTemplateOverridesRequest{
		InstanceType: ec2types.InstanceType(instanceType), SubnetId: &subnet, AvailabilityZone: &zone,
	}
}

// fleetInput is a fleet as Karpenter makes it.
func fleetInput(template, capacityType string, n int32, overrides ...ec2types.FleetLaunchTemplateOverridesRequest) *ec2.CreateFleetInput {
	in := &ec2.CreateFleetInput{
		Type: "instant",
		LaunchTemplateConfigs: []ec2types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateName: &template, Version: sdk.String("$Latest"),
			},
			Overrides: overrides,
		}},
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{
			DefaultTargetCapacityType: ec2types.DefaultTargetCapacityType(capacityType), TotalTargetCapacity: &n,
		},
		TagSpecifications: lo.Map([]ec2types.ResourceType{"instance", "volume", "fleet"},
			func(r ec2types.ResourceType, _ int) ec2types.TagSpecification {
				return ec2types.TagSpecification{ResourceType: r, Tags: tags(
					"karpenter.sh/nodepool", "blue", "kubernetes.io/cluster/sandbox", "owned", "eks:eks-cluster-name", "sandbox",
					"karpenter.k8s.aws/ec2nodeclass", "default")}
			}),
	}
	if capacityType == "spot" {
		in.SpotOptions = &ec2types.SpotOptionsRequest{AllocationStrategy: "price-capacity-optimized"}
	} else {
		in.OnDemandOptions = &ec2types.OnDemandOptionsRequest{AllocationStrategy: "lowest-price"}
	}
	return in
}

// launch launches n instances of a type in a subnet and returns their IDs.
func (e *emulator) launch(t *testing.T, instanceType, subnet, zone string, n int32) []string {
	t.Helper()
	g := NewWithT(t)
	api := e.ec2()
	if _, err := api.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"launch"}}); err != nil {
		e.template(t, "launch", "x86_64")
	}
	out, err := api.CreateFleet(t.Context(), fleetInput("launch", "on-demand", n, override(instanceType, subnet, zone)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Errors).To(BeEmpty())
	return launched(out)
}

// launched returns the IDs of the instances of a fleet.
func launched(out *ec2.CreateFleetOutput) []string {
	return lo.FlatMap(out.Instances, func(i ec2types.CreateFleetInstance, _ int) []string { return i.InstanceIds })
}

// where makes a filter.
func where(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: &name, Values: values}
}

// instances flattens reservations.
func instances(out *ec2.DescribeInstancesOutput) []ec2types.Instance {
	return lo.FlatMap(out.Reservations, func(r ec2types.Reservation, _ int) []ec2types.Instance { return r.Instances })
}

// describe returns one instance.
func (e *emulator) describe(t *testing.T, id string) ec2types.Instance {
	t.Helper()
	g := NewWithT(t)
	out, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	g.Expect(err).NotTo(HaveOccurred())
	found := instances(out)
	g.Expect(found).To(HaveLen(1))
	return found[0]
}

// state returns a function that tells the state of an instance.
func (e *emulator) state(t *testing.T, id string) func() string {
	t.Helper()
	return func() string { return string(e.describe(t, id).State.Name) }
}
