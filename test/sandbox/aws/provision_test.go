package aws_test

import (
	"encoding/base64"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"
)

// template makes a launch template as Karpenter does.
func template(t *testing.T, api *ec2.Client, name, image string) {
	t.Helper()
	_, err := api.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &name,
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			ImageId: &image, UserData: sdk.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\n"))),
			IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{
				Name: sdk.String("KarpenterNodeInstanceProfile-sandbox"),
			},
			SecurityGroupIds: []string{"sg-0a1b2c3d4e5f60001"},
			MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
				HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: sdk.Int32(2),
			},
		},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

func TestFirst(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := e.ec2()
	out, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{
		Name: sdk.String("tag:karpenter.sh/discovery"), Values: []string{"sandbox"},
	}}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lo.Map(out.Subnets, func(s ec2types.Subnet, _ int) string { return *s.AvailabilityZone })).
		To(ConsistOf("us-west-2a", "us-west-2b"))
}
