// Package cloud reads and tags what a cluster has in AWS. It never touches an instance: Karpenter terminates instances by
// their tags (pkg/controllers/nodeclaim/garbagecollection of the provider), so a wrong tag can cost nodes.
package cloud

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// callTimeout bounds every call, its retries included.
const callTimeout = 30 * time.Second

// Cluster is what EKS says of a cluster.
type Cluster struct {
	VPC            string
	SecurityGroups []string
}

// Client reads and tags subnets and security groups, and looks at what else Karpenter uses.
type Client interface {
	Inspector
	// Cluster describes an EKS cluster.
	Cluster(ctx context.Context, name string) (Cluster, error)
	// NodeGroupSubnets are the subnets of a cluster's managed node groups, sorted.
	NodeGroupSubnets(ctx context.Context, cluster string) ([]string, error)
	// VPCSubnets are all subnets of a VPC, sorted.
	VPCSubnets(ctx context.Context, vpc string) ([]string, error)
	// Tags are the tags of subnets and security groups, by their id.
	Tags(ctx context.Context, ids []string) (map[string]map[string]string, error)
	// Tag adds one tag to subnets and security groups. Other resources are refused.
	Tag(ctx context.Context, ids []string, key, value string) error
	// Untag removes a tag where it has this value.
	Untag(ctx context.Context, ids []string, key, value string) error
}

// Factory makes a Client for a region; empty for the environment's.
type Factory func(ctx context.Context, region string) (Client, error)

// AWS is the Client that talks to AWS.
type AWS struct {
	ec2    *ec2.Client
	eks    *eks.Client
	iam    *iam.Client
	sqs    *sqs.Client
	region string
}

var _ Client = (*AWS)(nil)

// NewAWS makes a Client with the process's own credentials, as a Factory.
func NewAWS(ctx context.Context, region string) (Client, error) {
	var opts []func(*config.LoadOptions) error
	if region != "" {
		opts = append(opts, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("no AWS region: set spec.aws.region, or AWS_REGION in the operator's environment: %w", ErrNotConfigured)
	}
	return &AWS{
		ec2: ec2.NewFromConfig(cfg), eks: eks.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg), region: cfg.Region,
	}, nil
}

// Cluster implements Client.
func (a *AWS) Cluster(ctx context.Context, name string) (Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := a.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(name)})
	if err != nil {
		return Cluster{}, fmt.Errorf("describing EKS cluster %s: %w", name, err)
	}
	vpc := out.Cluster.ResourcesVpcConfig
	if vpc == nil {
		return Cluster{}, fmt.Errorf("describing EKS cluster %s: it has no VPC", name)
	}
	groups := slices.Clone(vpc.SecurityGroupIds)
	if id := aws.ToString(vpc.ClusterSecurityGroupId); id != "" {
		groups = append(groups, id)
	}
	slices.Sort(groups)
	return Cluster{VPC: aws.ToString(vpc.VpcId), SecurityGroups: slices.Compact(groups)}, nil
}

// NodeGroupSubnets implements Client.
func (a *AWS) NodeGroupSubnets(ctx context.Context, cluster string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var out []string
	pages := eks.NewListNodegroupsPaginator(a.eks, &eks.ListNodegroupsInput{ClusterName: aws.String(cluster)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing node groups of EKS cluster %s: %w", cluster, err)
		}
		for _, name := range page.Nodegroups {
			group, err := a.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: aws.String(cluster), NodegroupName: aws.String(name)})
			if err != nil {
				return nil, fmt.Errorf("describing node group %s of EKS cluster %s: %w", name, cluster, err)
			}
			out = append(out, group.Nodegroup.Subnets...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// VPCSubnets implements Client.
func (a *AWS) VPCSubnets(ctx context.Context, vpc string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var out []string
	pages := ec2.NewDescribeSubnetsPaginator(a.ec2, &ec2.DescribeSubnetsInput{
		Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the subnets of VPC %s: %w", vpc, err)
		}
		for _, s := range page.Subnets {
			out = append(out, aws.ToString(s.SubnetId))
		}
	}
	slices.Sort(out)
	return out, nil
}

// Tags implements Client.
func (a *AWS) Tags(ctx context.Context, ids []string) (map[string]map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out := map[string]map[string]string{}
	for _, id := range ids {
		out[id] = map[string]string{}
	}
	subnets, groups := split(ids)
	if len(subnets) > 0 {
		found, err := a.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: subnets})
		if err != nil {
			return nil, fmt.Errorf("describing subnets %s: %w", strings.Join(subnets, ", "), err)
		}
		for _, s := range found.Subnets {
			out[aws.ToString(s.SubnetId)] = tagMap(s.Tags)
		}
	}
	if len(groups) > 0 {
		found, err := a.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: groups})
		if err != nil {
			return nil, fmt.Errorf("describing security groups %s: %w", strings.Join(groups, ", "), err)
		}
		for _, g := range found.SecurityGroups {
			out[aws.ToString(g.GroupId)] = tagMap(g.Tags)
		}
	}
	return out, nil
}

// Tag implements Client.
func (a *AWS) Tag(ctx context.Context, ids []string, key, value string) error {
	if err := onlySafe(ids, key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []ec2types.Tag{{Key: aws.String(key), Value: aws.String(value)}}})
	if err != nil {
		return fmt.Errorf("tagging %s with %s=%s: %w", strings.Join(ids, ", "), key, value, err)
	}
	return nil
}

// Untag implements Client.
func (a *AWS) Untag(ctx context.Context, ids []string, key, value string) error {
	if err := onlySafe(ids, key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// EC2 deletes a tag only where the value that is given matches.
	_, err := a.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: ids, Tags: []ec2types.Tag{{Key: aws.String(key), Value: aws.String(value)}}})
	if err != nil {
		return fmt.Errorf("removing tag %s=%s from %s: %w", key, value, strings.Join(ids, ", "), err)
	}
	return nil
}

func tagMap(tags []ec2types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}
