package aws_test

import (
	"fmt"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
)

func subnetIDs(out *ec2.DescribeSubnetsOutput) []string {
	return lo.Map(out.Subnets, func(s ec2types.Subnet, _ int) string { return *s.SubnetId })
}

func TestSubnetsAreFoundByIDAndFilters(t *testing.T) {
	e := start(t)
	for name, tc := range map[string]struct {
		in     ec2.DescribeSubnetsInput
		expect []string
	}{
		"by ID":              {ec2.DescribeSubnetsInput{SubnetIds: []string{subnetC}}, []string{subnetC}},
		"by tag":             {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("tag:karpenter.sh/discovery", "sandbox")}}, []string{subnetA, subnetB}},
		"by tag key":         {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("tag-key", "karpenter.sh/discovery")}}, []string{subnetA, subnetB}},
		"by pattern":         {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("tag:Name", "sandbox-private-?")}}, []string{subnetA, subnetB, subnetC}},
		"any of the values":  {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("subnet-id", subnetA, subnetC)}}, []string{subnetA, subnetC}},
		"all of the filters": {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("tag-key", "karpenter.sh/discovery"), where("availability-zone", "us-west-2b")}}, []string{subnetB}},
		"none":               {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("vpc-id", "vpc-1")}}, []string{}},
		"case counts":        {ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("tag:name", "*")}}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out, err := e.ec2().DescribeSubnets(t.Context(), &tc.in)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(subnetIDs(out)).To(ConsistOf(tc.expect))
		})
	}
}

func TestSubnetsTellTheirZoneAndFreeAddresses(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	out, err := e.ec2().DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("map-public-ip-on-launch", "true")}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Subnets).To(HaveLen(1))
	g.Expect(*out.Subnets[0].AvailabilityZoneId).To(Equal("usw2-az1"))
	g.Expect(*out.Subnets[0].AvailableIpAddressCount).To(BeEquivalentTo(256 - 5 - 12))

	free := func() int32 {
		out, err := e.ec2().DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{subnetA}})
		g.Expect(err).NotTo(HaveOccurred())
		return *out.Subnets[0].AvailableIpAddressCount
	}
	before := free()
	ids := e.launch(t, "m5.large", subnetA, "us-west-2a", 3)
	g.Expect(free()).To(Equal(before - 3))
	_, err = e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(free, patience).Should(Equal(before))
}

func TestSecurityGroupsAndVPCs(t *testing.T) {
	g := NewWithT(t)
	api := start(t).ec2()
	groups, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{
		where("tag:kubernetes.io/cluster/sandbox", "owned"), where("vpc-id", "vpc-0a1b2c3d4e5f60001"),
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(groups.SecurityGroups).To(HaveLen(1))
	g.Expect(*groups.SecurityGroups[0].GroupId).To(Equal(groupID))
	g.Expect(*groups.SecurityGroups[0].IpPermissionsEgress[0].IpRanges[0].CidrIp).To(Equal("0.0.0.0/0"))
	vpcs, err := api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-0a1b2c3d4e5f60001"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*vpcs.Vpcs[0].CidrBlock).To(Equal("192.168.0.0/16"))
}

func TestPagesAreWholeWhateverTheirSize(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	ids := e.launch(t, "m5.large", subnetA, "us-west-2a", 23)
	for _, size := range []int32{5, 7, 23, 1000} {
		pages := ec2.NewDescribeInstancesPaginator(e.ec2(), &ec2.DescribeInstancesInput{MaxResults: &size})
		var got []string
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			found := instances(page)
			g.Expect(len(found)).To(BeNumerically("<=", size))
			got = append(got, lo.Map(found, func(i ec2types.Instance, _ int) string { return *i.InstanceId })...)
		}
		g.Expect(got).To(ConsistOf(ids), "in pages of %d", size)
	}
}

func TestNodeGroups(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) {
		seed, err := aws.DefaultSeed()
		g.Expect(err).NotTo(HaveOccurred())
		first := seed.NodeGroups[0]
		for n := range 4 {
			more := first
			more.Name = fmt.Sprintf("group-%d", n)
			seed.NodeGroups = append(seed.NodeGroups, more)
		}
		c.Seed = seed
	})
	api := eks.NewFromConfig(e.config())
	pages := eks.NewListNodegroupsPaginator(api, &eks.ListNodegroupsInput{ClusterName: sdk.String("sandbox"), MaxResults: sdk.Int32(2)})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		names = append(names, page.Nodegroups...)
	}
	g.Expect(names).To(ConsistOf("system", "group-0", "group-1", "group-2", "group-3"))
	out, err := api.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: sdk.String("sandbox"), NodegroupName: sdk.String("system")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Nodegroup.Subnets).To(ConsistOf(subnetA, subnetB, subnetC))
	g.Expect(*out.Nodegroup.NodeRole).To(Equal("arn:aws:iam::123456789012:role/sandbox-node"))
	g.Expect(out.Nodegroup.Taints[0].Effect).To(BeEquivalentTo("NO_SCHEDULE"))
	g.Expect(*out.Nodegroup.ScalingConfig.DesiredSize).To(BeEquivalentTo(4))
}

func TestPodIdentityAssociations(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) {
		seed, err := aws.DefaultSeed()
		g.Expect(err).NotTo(HaveOccurred())
		other := seed.PodIdentities[0]
		other.Namespace, other.Role = "kube-system", "sandbox-node"
		seed.PodIdentities = append(seed.PodIdentities, other)
		c.Seed = seed
	})
	api := eks.NewFromConfig(e.config())
	cluster := sdk.String("sandbox")
	pages := eks.NewListPodIdentityAssociationsPaginator(api, &eks.ListPodIdentityAssociationsInput{ClusterName: cluster, MaxResults: sdk.Int32(1)})
	ids := map[string]*string{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		for _, a := range page.Associations {
			ids[*a.Namespace+"/"+*a.ServiceAccount] = a.AssociationId
		}
	}
	g.Expect(ids).To(And(HaveLen(2), HaveKey("karpenter/karpenter"), HaveKey("kube-system/karpenter")))
	out, err := api.DescribePodIdentityAssociation(t.Context(), &eks.DescribePodIdentityAssociationInput{ClusterName: cluster, AssociationId: ids["kube-system/karpenter"]})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Association.RoleArn).To(Equal("arn:aws:iam::123456789012:role/sandbox-node"))
	g.Expect(*out.Association.Namespace).To(Equal("kube-system"))

	found, err := api.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{
		ClusterName: cluster, Namespace: sdk.String("karpenter"), ServiceAccount: sdk.String("another"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Associations).To(BeEmpty())
	_, err = api.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{ClusterName: sdk.String("other")})
	g.Expect(err).To(failWith("ResourceNotFoundException"))
	_, err = api.DescribePodIdentityAssociation(t.Context(), &eks.DescribePodIdentityAssociationInput{ClusterName: cluster, AssociationId: sdk.String("a-9")})
	g.Expect(err).To(failWith("ResourceNotFoundException"))
}
