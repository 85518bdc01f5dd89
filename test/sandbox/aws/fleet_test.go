package aws_test

import (
	"context"
	"encoding/base64"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// fleet makes a fleet of the template "launch".
func (e *emulator) fleet(t *testing.T, capacityType string, n int32, overrides ...ec2types.FleetLaunchTemplateOverridesRequest) *ec2.CreateFleetOutput {
	t.Helper()
	out, err := e.ec2().CreateFleet(t.Context(), fleetInput("launch", capacityType, n, overrides...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return out
}

func TestTheCheapestPoolIsTaken(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	out := e.fleet(t, "on-demand", 2, override("m5.xlarge", subnetA, "us-west-2a"), override("c6a.large", subnetA, "us-west-2a"),
		override("m5.large", subnetA, "us-west-2a"))
	g.Expect(out.Errors).To(BeEmpty())
	g.Expect(out.Instances).To(HaveLen(1))
	g.Expect(out.Instances[0].InstanceType).To(BeEquivalentTo("c6a.large"))
	g.Expect(out.Instances[0].InstanceIds).To(HaveLen(2))
}

func TestPrioritiesAreHeeded(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	first, second := override("m5.xlarge", subnetA, "us-west-2a"), override("c6a.large", subnetA, "us-west-2a")
	first.Priority, second.Priority = sdk.Float64(0.1), sdk.Float64(0.2)
	in := fleetInput("launch", "on-demand", 1, second, first, override("m5.large", subnetA, "us-west-2a"))
	in.OnDemandOptions.AllocationStrategy = "prioritized"
	out, err := e.ec2().CreateFleet(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Instances[0].InstanceType).To(BeEquivalentTo("m5.xlarge"))
}

func TestEqualPoolsSpreadOverZones(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	for range 4 {
		e.fleet(t, "on-demand", 1, override("m5.large", subnetA, "us-west-2a"), override("m5.large", subnetB, "us-west-2b"))
	}
	zones := lo.CountValuesBy(e.State().Instances, func(i control.Instance) string { return i.Zone })
	g.Expect(zones).To(Equal(map[string]int{"us-west-2a": 2, "us-west-2b": 2}))
}

func TestLackOfCapacity(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	pools := []ec2types.FleetLaunchTemplateOverridesRequest{
		override("m5.large", subnetA, "us-west-2a"), override("m5.large", subnetB, "us-west-2b"), override("m5.xlarge", subnetA, "us-west-2a"),
	}
	_, err := e.control.AddICE(t.Context(), control.ICE{InstanceType: "m5.large", Zone: "us-west-2*", CapacityType: "on-demand"})
	g.Expect(err).NotTo(HaveOccurred())

	out := e.fleet(t, "on-demand", 1, pools...)
	g.Expect(out.Instances[0].InstanceType).To(BeEquivalentTo("m5.xlarge"), "the next pool serves")
	g.Expect(out.Errors).To(HaveLen(2), "the pools that cannot are told")
	for _, refused := range out.Errors {
		g.Expect(*refused.ErrorCode).To(Equal("InsufficientInstanceCapacity"))
		g.Expect(refused.LaunchTemplateAndOverrides.Overrides.InstanceType).To(BeEquivalentTo("m5.large"))
		g.Expect(*refused.LaunchTemplateAndOverrides.Overrides.AvailabilityZone).To(HavePrefix("us-west-2"))
		g.Expect(refused.Lifecycle).To(BeEquivalentTo("on-demand"))
	}
	g.Expect(e.fleet(t, "spot", 1, pools[0]).Instances).To(HaveLen(1), "spot is not affected")

	out = e.fleet(t, "on-demand", 1, pools[:2]...)
	g.Expect(out.Instances).To(BeEmpty())
	g.Expect(out.Errors).To(HaveLen(2), "a fleet that gets nothing is answered all the same")

	rules, err := e.control.ICEs(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rules[0].Hits).To(Equal(4))
	g.Expect(e.control.RemoveICE(t.Context(), rules[0].ID)).To(Succeed())
	g.Expect(e.fleet(t, "on-demand", 1, pools[0]).Instances).To(HaveLen(1))
}

func TestAddressesRunOut(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) {
		seed, err := aws.DefaultSeed()
		g.Expect(err).NotTo(HaveOccurred())
		seed.Subnets[0].UsedIPs = 1<<13 - 5 - 2 // Two addresses of the /19 are left.
		c.Seed = seed
	})
	e.template(t, "launch", "x86_64")
	out := e.fleet(t, "on-demand", 3, override("m5.large", subnetA, "us-west-2a"), override("m5.xlarge", subnetB, "us-west-2b"))
	g.Expect(out.Instances).To(HaveLen(2))
	g.Expect(out.Instances[0].InstanceIds).To(HaveLen(2), "what fits is launched")
	g.Expect(out.Instances[1].InstanceType).To(BeEquivalentTo("m5.xlarge"), "the rest goes elsewhere")
	g.Expect(out.Errors).To(HaveLen(1))
	g.Expect(*out.Errors[0].ErrorCode).To(Equal("InsufficientFreeAddressesInSubnet"))
	g.Expect(*out.Errors[0].LaunchTemplateAndOverrides.Overrides.SubnetId).To(Equal(subnetA))
}

func TestPoolsThatCannotServeAreTold(t *testing.T) {
	e := start(t)
	e.template(t, "launch", "x86_64")
	image := override("m5.large", subnetA, "us-west-2a")
	image.ImageId = sdk.String("ami-00000000000000000")
	for name, tc := range map[string]struct {
		pool ec2types.FleetLaunchTemplateOverridesRequest
		code string
		text string
	}{
		"another architecture": {override("m6g.large", subnetA, "us-west-2a"), "InvalidParameterValue", "'arm64' of the specified instance type does not match the architecture 'x86_64'"},
		"an absent subnet":     {override("m5.large", "subnet-1", "us-west-2a"), "InvalidSubnetID.NotFound", "subnet-1"},
		"another zone":         {override("m5.large", subnetA, "us-west-2b"), "InvalidParameterValue", "us-west-2b"},
		"an absent image":      {image, "InvalidAMIID.NotFound", "ami-00000000000000000"},
		"an absent type":       {override("p5.48xlarge", subnetA, "us-west-2a"), "InvalidParameterValue", "p5.48xlarge"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out := e.fleet(t, "on-demand", 1, tc.pool)
			g.Expect(out.Instances).To(BeEmpty())
			g.Expect(out.Errors).To(HaveLen(1))
			g.Expect(*out.Errors[0].ErrorCode).To(Equal(tc.code))
			g.Expect(*out.Errors[0].ErrorMessage).To(ContainSubstring(tc.text))
		})
	}
}

func TestFleetsThatAreRefused(t *testing.T) {
	e := start(t)
	e.template(t, "launch", "x86_64")
	pool := override("m5.large", subnetA, "us-west-2a")
	for name, tc := range map[string]struct {
		change func(*ec2.CreateFleetInput)
		code   string
	}{
		"an absent template": {func(in *ec2.CreateFleetInput) {
			in.LaunchTemplateConfigs[0].LaunchTemplateSpecification.LaunchTemplateName = sdk.String("other")
		}, "InvalidLaunchTemplateName.NotFoundException"},
		"an absent template version": {func(in *ec2.CreateFleetInput) {
			in.LaunchTemplateConfigs[0].LaunchTemplateSpecification.Version = sdk.String("7")
		}, "InvalidLaunchTemplateId.VersionNotFound"},
		"another type of fleet": {func(in *ec2.CreateFleetInput) { in.Type = "maintain" }, "InvalidParameterValue"},
		"a capacity block": {func(in *ec2.CreateFleetInput) {
			in.TargetCapacitySpecification.DefaultTargetCapacityType = "capacity-block"
		}, "InvalidParameterValue"},
		"a parameter that is not supported": {func(in *ec2.CreateFleetInput) {
			in.LaunchTemplateConfigs[0].Overrides[0].WeightedCapacity = sdk.Float64(2)
		}, "UnknownParameter"},
		"tags for something else": {func(in *ec2.CreateFleetInput) {
			in.TagSpecifications = []ec2types.TagSpecification{{ResourceType: "vpc", Tags: tags("a", "b")}}
		}, "InvalidParameterValue"},
		"reserved tags": {func(in *ec2.CreateFleetInput) {
			in.TagSpecifications[0].Tags = tags("aws:a", "b")
		}, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			in := fleetInput("launch", "on-demand", 1, pool)
			tc.change(in)
			_, err := e.ec2().CreateFleet(t.Context(), in)
			NewWithT(t).Expect(err).To(failWith(tc.code))
		})
	}
}

func TestClientTokensMakeCallsIdempotent(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	call := func(ctx context.Context, n int32) (*ec2.CreateFleetOutput, error) {
		in := fleetInput("launch", "on-demand", n, override("m5.large", subnetA, "us-west-2a"))
		in.ClientToken, in.LaunchTemplateConfigs[0].Overrides[0].Priority = sdk.String("token-1"), sdk.Float64(1.5)
		return e.ec2().CreateFleet(ctx, in)
	}
	first, err := call(t.Context(), 1)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := call(t.Context(), 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(launched(again)).To(Equal(launched(first)))
	g.Expect(e.State().Instances).To(HaveLen(1))
	_, err = call(t.Context(), 2)
	g.Expect(err).To(failWith("IdempotentParameterMismatch"))
}

func TestLaunchTemplatesThatAreRefused(t *testing.T) {
	e := start(t)
	image := e.image(t, "x86_64")
	for name, tc := range map[string]struct {
		change func(*ec2.CreateLaunchTemplateInput)
		code   string
		text   string
	}{
		"a malformed name": {func(in *ec2.CreateLaunchTemplateInput) { in.LaunchTemplateName = sdk.String("a b") }, "InvalidLaunchTemplateName.MalformedException", "a b"},
		"no base64":        {func(in *ec2.CreateLaunchTemplateInput) { in.LaunchTemplateData.UserData = sdk.String("§") }, "InvalidUserData.Malformed", "BASE64"},
		"too long a user data": {func(in *ec2.CreateLaunchTemplateInput) {
			in.LaunchTemplateData.UserData = sdk.String(base64.StdEncoding.EncodeToString(make([]byte, 16385)))
		}, "InvalidUserData.Malformed", "User data is limited to 16384 bytes"},
		"a market that is not": {func(in *ec2.CreateLaunchTemplateInput) {
			in.LaunchTemplateData.InstanceMarketOptions = &ec2types.LaunchTemplateInstanceMarketOptionsRequest{MarketType: "capacity-block"}
		}, "InvalidParameterValue", "MarketType"},
		"an interface that is not": {func(in *ec2.CreateLaunchTemplateInput) {
			in.LaunchTemplateData.NetworkInterfaces = []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{InterfaceType: sdk.String("efa")}}
		}, "InvalidParameterValue", "InterfaceType"},
	} {
		t.Run(name, func(t *testing.T) {
			in := templateInput("other", image)
			tc.change(in)
			_, err := e.ec2().CreateLaunchTemplate(t.Context(), in)
			NewWithT(t).Expect(err).To(failWith(tc.code, tc.text))
		})
	}
}
