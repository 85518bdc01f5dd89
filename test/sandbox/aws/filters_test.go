package aws_test

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

func TestInstancesAreFilteredByWhatTheyAre(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	id := launched(e.fleet(t, "spot", 1, override("m5.large", subnetA, "us-west-2a")))[0]
	launched(e.fleet(t, "on-demand", 1, override("c6a.large", subnetB, "us-west-2b")))
	i := e.describe(t, id)
	g.Eventually(e.state(t, id), patience).Should(Equal("running"))
	for name, value := range map[string]string{
		"instance-id": id, "instance-type": "m5.*", "availability-zone": "us-west-2a", "availability-zone-id": "usw2-az1",
		"subnet-id": subnetA, "private-ip-address": *i.PrivateIpAddress, "private-dns-name": *i.PrivateDnsName, "instance-lifecycle": "spot",
	} {
		out, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{where(name, value)}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(lo.Map(instances(out), func(i ec2types.Instance, _ int) string { return *i.InstanceId })).To(ConsistOf(id), name)
	}
	for name, value := range map[string]string{
		"image-id": *i.ImageId, "architecture": "x86_64", "vpc-id": *i.VpcId, "instance.group-id": groupID, "iam-instance-profile.arn": "*" + profile,
	} {
		out, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{where(name, value)}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(instances(out)).To(HaveLen(2), name)
	}
	out, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		where("reservation-id", "r-0"), where("instance-state-code", "16"),
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instances(out)).To(BeEmpty())
}

func TestInstanceTypesAreFilteredByWhatTheyAre(t *testing.T) {
	e := start(t)
	for name, tc := range map[string]struct {
		filters []ec2types.Filter
		has     string
		not     string
	}{
		"bare metal":   {[]ec2types.Filter{where("bare-metal", "true")}, "m5.metal", "m5.large"},
		"burstable":    {[]ec2types.Filter{where("burstable-performance-supported", "true")}, "t3.nano", "m5.large"},
		"nitro":        {[]ec2types.Filter{where("hypervisor", "nitro")}, "m5.large", "m5.metal"},
		"memory":       {[]ec2types.Filter{where("memory-info.size-in-mib", "8192")}, "m5.large", "m5.xlarge"},
		"processors":   {[]ec2types.Filter{where("vcpu-info.default-vcpus", "16")}, "c6a.4xlarge", "m5.large"},
		"architecture": {[]ec2types.Filter{where("processor-info.supported-architecture", "arm64")}, "m6g.large", "m5.large"},
		"names":        {[]ec2types.Filter{where("instance-type", "m5.*"), where("supported-usage-class", "spot"), where("current-generation", "true")}, "m5.large", "c5.large"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out, err := e.ec2().DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{Filters: tc.filters})
			g.Expect(err).NotTo(HaveOccurred())
			names := lo.Map(out.InstanceTypes, func(i ec2types.InstanceTypeInfo, _ int) string { return string(i.InstanceType) })
			g.Expect(names).To(ContainElement(tc.has))
			g.Expect(names).NotTo(ContainElement(tc.not))
		})
	}
}

func TestOtherThingsAreFilteredByWhatTheyAre(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := e.ec2()
	for _, f := range []ec2types.Filter{
		where("cidr-block", "192.168.64.0/19"), where("availability-zone-id", "usw2-az3"), where("subnet-id", subnetC),
	} {
		out, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{f, where("state", "available"), where("owner-id", "123456789012")}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(subnetIDs(out)).To(ConsistOf(subnetC), *f.Name)
	}
	for _, f := range []ec2types.Filter{where("group-id", groupID), where("group-name", "eks-*"), where("description", "EKS created*")} {
		out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{f, where("owner-id", "*")}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.SecurityGroups).To(HaveLen(1), *f.Name)
	}
	images, err := api.DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"self"}, Filters: []ec2types.Filter{
		where("name", "golden-*"), where("tag:team", "platform"), where("is-public", "false"), where("architecture", "x86_64"), where("state", "available"),
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(images.Images).To(HaveLen(1))
	vpcs, err := api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: []ec2types.Filter{where("cidr", "192.168.*"), where("is-default", "false"), where("tag:Name", "sandbox")}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(vpcs.Vpcs).To(HaveLen(1))
	_, err = api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}})
	g.Expect(err).To(failWith("InvalidVpcID.NotFound"))
}

func TestLaunchTemplatesAreFoundByIDAndName(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	id := e.State().LaunchTemplates[0].ID
	for name, in := range map[string]*ec2.DescribeLaunchTemplatesInput{
		"ID":     {LaunchTemplateIds: []string{id}},
		"both":   {LaunchTemplateIds: []string{id}, LaunchTemplateNames: []string{"launch"}},
		"filter": {Filters: []ec2types.Filter{where("launch-template-name", "la*")}},
	} {
		out, err := e.ec2().DescribeLaunchTemplates(t.Context(), in)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.LaunchTemplates).To(HaveLen(1), name)
		g.Expect(*out.LaunchTemplates[0].CreatedBy).To(HaveSuffix("user/" + principal))
	}
	for code, in := range map[string]*ec2.DeleteLaunchTemplateInput{
		"DryRunOperation":                  {LaunchTemplateId: &id, DryRun: sdk.Bool(true)},
		"MissingParameter":                 {},
		"InvalidParameterCombination":      {LaunchTemplateId: &id, LaunchTemplateName: sdk.String("launch")},
		"InvalidLaunchTemplateId.NotFound": {LaunchTemplateId: sdk.String("lt-1")},
	} {
		_, err := e.ec2().DeleteLaunchTemplate(t.Context(), in)
		g.Expect(err).To(failWith(code))
	}
	_, err := e.ec2().DeleteLaunchTemplate(t.Context(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: &id})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestTheServerDoesWhatTheControlAPIDoes(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	f := e.AddFaultFor(t, control.Fault{Code: "InternalError"})
	g.Expect(e.Faults()).To(HaveLen(1))
	g.Expect(e.RemoveFault(f.ID)).To(BeTrue())
	g.Expect(e.RemoveFault(f.ID)).To(BeFalse())
	e.AddFaultFor(t, control.Fault{Code: "InternalError"})
	e.ClearFaults()
	g.Expect(e.Faults()).To(BeEmpty())
	ice := e.AddICE(control.ICE{})
	g.Expect(e.RemoveICE(ice.ID)).To(BeTrue())
	e.AddICE(control.ICE{})
	e.ClearICE()
	g.Expect(e.control.ICEs(t.Context())).To(BeEmpty())
	e.AddICE(control.ICE{})
	g.Expect(e.control.ClearICE(t.Context())).To(Succeed())

	id := e.launch(t, "m5.large", subnetA, "us-west-2a", 1)[0]
	g.Expect(e.SetInstanceHealth(id, control.Health{SystemImpaired: true})).To(Succeed())
	g.Expect(e.TerminateInstance(id)).To(Succeed())
	g.Eventually(e.state(t, id), patience).Should(Equal("terminated"))
	state, err := e.control.State(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(state.Instances).To(HaveLen(1))
	e.ClearRequests()
	g.Expect(e.Counts()).To(BeEmpty())
}
