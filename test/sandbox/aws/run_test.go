package aws_test

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

func TestRunInstances(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	in := &ec2.RunInstancesInput{
		MinCount: sdk.Int32(2), MaxCount: sdk.Int32(3), InstanceType: "m6g.large", ImageId: sdk.String(e.image(t, "arm64")),
		SubnetId: sdk.String(subnetB), SecurityGroupIds: []string{groupID}, ClientToken: sdk.String("once"),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: "instance", Tags: tags("Name", "web")}},
	}
	out, err := e.ec2().RunInstances(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Instances).To(HaveLen(3))
	first := out.Instances[0]
	g.Expect(first.State.Name).To(BeEquivalentTo("pending"))
	g.Expect(*first.PrivateIpAddress).To(Equal("192.168.32.4"), "the first four addresses of a subnet are reserved")
	g.Expect(*first.PrivateDnsName).To(Equal("ip-192-168-32-4.us-west-2.compute.internal"))
	g.Expect(first.Architecture).To(BeEquivalentTo("arm64"))
	g.Expect(*out.ReservationId).To(HavePrefix("r-"))
	again, err := e.ec2().RunInstances(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*again.ReservationId).To(Equal(*out.ReservationId))
	g.Expect(e.State().Instances).To(HaveLen(3))
}

func TestRunInstancesThatAreRefused(t *testing.T) {
	e := start(t)
	e.template(t, "launch", "x86_64")
	e.AddICE(control.ICE{InstanceType: "c5.*"})
	for name, tc := range map[string]struct {
		change func(*ec2.RunInstancesInput)
		code   string
		text   string
	}{
		"an absent profile": {func(in *ec2.RunInstancesInput) {
			in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: sdk.String("nobody")}
		}, "InvalidParameterValue", "Invalid IAM Instance Profile name"},
		"no subnet": {func(in *ec2.RunInstancesInput) { in.SubnetId = nil }, "VPCIdNotSpecified", ""},
		"a subnet twice": {func(in *ec2.RunInstancesInput) {
			in.NetworkInterfaces = []ec2types.InstanceNetworkInterfaceSpecification{{SubnetId: sdk.String(subnetB)}}
		}, "InvalidParameterCombination", "Network interfaces"},
		"an absent group":      {func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-1"} }, "InvalidGroup.NotFound", "sg-1"},
		"fewer than the least": {func(in *ec2.RunInstancesInput) { in.MaxCount, in.MinCount = sdk.Int32(1), sdk.Int32(2) }, "InvalidParameterValue", "MinCount"},
		"no capacity":          {func(in *ec2.RunInstancesInput) { in.InstanceType = "c5.large" }, "InsufficientInstanceCapacity", "c5.large"},
		"a malformed image":    {func(in *ec2.RunInstancesInput) { in.ImageId = sdk.String("golden") }, "InvalidAMIID.Malformed", "golden"},
		"a group that is not":  {func(in *ec2.RunInstancesInput) { in.Placement = &ec2types.Placement{GroupName: sdk.String("pg")} }, "InvalidPlacementGroup.Unknown", "pg"},
		"a reservation that is not": {func(in *ec2.RunInstancesInput) {
			in.CapacityReservationSpecification = &ec2types.CapacityReservationSpecification{CapacityReservationTarget: &ec2types.CapacityReservationTarget{CapacityReservationId: sdk.String("cr-1")}}
		}, "InvalidCapacityReservationId.NotFound", "cr-1"},
		"an absent template": {func(in *ec2.RunInstancesInput) {
			in.LaunchTemplate = &ec2types.LaunchTemplateSpecification{LaunchTemplateId: sdk.String("lt-1")}
		}, "InvalidLaunchTemplateId.NotFound", "lt-1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := &ec2.RunInstancesInput{
				MinCount: sdk.Int32(1), MaxCount: sdk.Int32(1), InstanceType: "m5.large", SubnetId: sdk.String(subnetA),
				LaunchTemplate: &ec2types.LaunchTemplateSpecification{LaunchTemplateName: sdk.String("launch"), Version: sdk.String("1")},
			}
			tc.change(in)
			_, err := e.ec2().RunInstances(t.Context(), in)
			g.Expect(err).To(failWith(tc.code, tc.text))
			g.Expect(e.State().Instances).To(BeEmpty())
		})
	}
}
