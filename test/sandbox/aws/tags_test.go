package aws_test

import (
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// subnetTags returns the tags of a subnet.
func (e *emulator) subnetTags(t *testing.T, id string) map[string]string {
	t.Helper()
	s, ok := lo.Find(e.State().Subnets, func(s control.Subnet) bool { return s.ID == id })
	NewWithT(t).Expect(ok).To(BeTrue())
	return s.Tags
}

func TestTagsAreAddedAndTakenAway(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := e.ec2()
	before := e.subnetTags(t, subnetC)
	_, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{
		Resources: []string{subnetC, groupID}, Tags: tags("karpenter.sh/discovery", "sandbox"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.subnetTags(t, subnetC)).To(HaveKeyWithValue("karpenter.sh/discovery", "sandbox"))
	g.Expect(e.subnetTags(t, subnetC)).To(HaveLen(len(before) + 1))

	listed, err := api.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []ec2types.Filter{
		where("resource-type", "subnet"), where("key", "karpenter.sh/discovery"),
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed.Tags).To(HaveLen(3))

	_, err = api.DeleteTags(t.Context(), &ec2.DeleteTagsInput{
		Resources: []string{subnetC}, Tags: []ec2types.Tag{{Key: sdk.String("karpenter.sh/discovery"), Value: sdk.String("other")}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.subnetTags(t, subnetC)).To(HaveKey("karpenter.sh/discovery"), "another value is left alone")
	_, err = api.DeleteTags(t.Context(), &ec2.DeleteTagsInput{
		Resources: []string{subnetC}, Tags: []ec2types.Tag{{Key: sdk.String("karpenter.sh/discovery")}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.subnetTags(t, subnetC)).To(Equal(before))
}

func TestDeletingAllTagsLeavesThoseOfAWS(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	_, err := e.ec2().DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{groupID}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.State().SecurityGroups[0].Tags).To(Equal(map[string]string{"aws:eks:cluster-name": "sandbox"}))
}

func TestTagsThatEC2Refuses(t *testing.T) {
	many := lo.Times(50, func(n int) ec2types.Tag { return tags(fmt.Sprintf("key-%d", n), "")[0] })
	for name, tc := range map[string]struct {
		in   ec2.CreateTagsInput
		code string
	}{
		"reserved":               {ec2.CreateTagsInput{Resources: []string{subnetA}, Tags: tags("aws:x", "y")}, "InvalidParameterValue"},
		"too long a key":         {ec2.CreateTagsInput{Resources: []string{subnetA}, Tags: tags(strings.Repeat("k", 129), "")}, "InvalidParameterValue"},
		"too long a value":       {ec2.CreateTagsInput{Resources: []string{subnetA}, Tags: tags("k", strings.Repeat("v", 257))}, "InvalidParameterValue"},
		"twice the same key":     {ec2.CreateTagsInput{Resources: []string{subnetA}, Tags: tags("k", "1", "k", "2")}, "InvalidParameterValue"},
		"too many":               {ec2.CreateTagsInput{Resources: []string{subnetA}, Tags: many}, "TagLimitExceeded"},
		"an absent subnet":       {ec2.CreateTagsInput{Resources: []string{subnetA, "subnet-1"}, Tags: tags("k", "v")}, "InvalidSubnetID.NotFound"},
		"an absent group":        {ec2.CreateTagsInput{Resources: []string{"sg-1"}, Tags: tags("k", "v")}, "InvalidGroup.NotFound"},
		"an absent instance":     {ec2.CreateTagsInput{Resources: []string{"i-1"}, Tags: tags("k", "v")}, "InvalidInstanceID.NotFound"},
		"an ID that is none":     {ec2.CreateTagsInput{Resources: []string{"web"}, Tags: tags("k", "v")}, "InvalidID"},
		"a dry run":              {ec2.CreateTagsInput{Resources: []string{subnetA}, Tags: tags("k", "v"), DryRun: sdk.Bool(true)}, "DryRunOperation"},
		"a dry run of something": {ec2.CreateTagsInput{Resources: []string{"sg-1"}, Tags: tags("k", "v"), DryRun: sdk.Bool(true)}, "InvalidGroup.NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			e := start(t)
			before := e.subnetTags(t, subnetA)
			_, err := e.ec2().CreateTags(t.Context(), &tc.in)
			g.Expect(err).To(failWith(tc.code))
			g.Expect(e.subnetTags(t, subnetA)).To(Equal(before), "a refused call changes nothing")
		})
	}
}

func TestEveryResourceOfALaunchCanBeTagged(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	id := e.launch(t, "m5.large", subnetA, "us-west-2a", 1)[0]
	i := e.describe(t, id)
	resources := []string{id, *i.NetworkInterfaces[0].NetworkInterfaceId, *i.BlockDeviceMappings[0].Ebs.VolumeId,
		e.State().LaunchTemplates[0].ID, "vpc-0a1b2c3d4e5f60001", *i.ImageId}
	_, err := e.ec2().CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: resources, Tags: tags("marked", "yes")})
	g.Expect(err).NotTo(HaveOccurred())
	listed, err := e.ec2().DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []ec2types.Filter{where("tag:marked", "yes")}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lo.Map(listed.Tags, func(d ec2types.TagDescription, _ int) string { return string(d.ResourceType) })).
		To(ConsistOf("instance", "network-interface", "volume", "launch-template", "vpc", "image"))
}
