package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Inspector looks at what Karpenter uses in AWS. It only reads.
type Inspector interface {
	// Subnets are those that match all of the filters, by id.
	Subnets(ctx context.Context, filters []Filter) ([]Subnet, error)
	// SecurityGroups are the ids of those that match all of the filters, sorted.
	SecurityGroups(ctx context.Context, filters []Filter) ([]string, error)
	// Allowed says of each action whether a role, by its ARN, may do it on all resources of this region.
	Allowed(ctx context.Context, role string, actions []string) (map[string]bool, error)
	// PodIdentity is the ARN of the role that a ServiceAccount has by a Pod Identity association; empty when it has none.
	PodIdentity(ctx context.Context, cluster, namespace, account string) (string, error)
	// HasQueue says that there is an SQS queue of this name.
	HasQueue(ctx context.Context, name string) (bool, error)
	// HasRole and HasInstanceProfile say that IAM has one of this name.
	HasRole(ctx context.Context, name string) (bool, error)
	HasInstanceProfile(ctx context.Context, name string) (bool, error)
}

// Filter of EC2: a name such as tag:Name, and the values of which one has to match.
type Filter struct {
	Name   string
	Values []string
}

// Subnet of a VPC.
type Subnet struct {
	ID, Zone string
	// Free IPv4 addresses.
	Free int32
}

var _ Inspector = (*AWS)(nil)

func ec2Filters(filters []Filter) []ec2types.Filter {
	out := make([]ec2types.Filter, 0, len(filters))
	for _, f := range filters {
		out = append(out, ec2types.Filter{Name: aws.String(f.Name), Values: f.Values})
	}
	return out
}

// told writes filters for an error.
func told(filters []Filter) string {
	out := make([]string, 0, len(filters))
	for _, f := range filters {
		out = append(out, f.Name+"="+strings.Join(f.Values, ","))
	}
	return strings.Join(out, " ")
}

// Subnets implements Inspector.
func (a *AWS) Subnets(ctx context.Context, filters []Filter) ([]Subnet, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var out []Subnet
	pages := ec2.NewDescribeSubnetsPaginator(a.ec2, &ec2.DescribeSubnetsInput{Filters: ec2Filters(filters)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the subnets with %s: %w", told(filters), err)
		}
		for _, s := range page.Subnets {
			out = append(out, Subnet{ID: aws.ToString(s.SubnetId), Zone: aws.ToString(s.AvailabilityZone), Free: aws.ToInt32(s.AvailableIpAddressCount)})
		}
	}
	slices.SortFunc(out, func(a, b Subnet) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// SecurityGroups implements Inspector.
func (a *AWS) SecurityGroups(ctx context.Context, filters []Filter) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var out []string
	pages := ec2.NewDescribeSecurityGroupsPaginator(a.ec2, &ec2.DescribeSecurityGroupsInput{Filters: ec2Filters(filters)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the security groups with %s: %w", told(filters), err)
		}
		for _, g := range page.SecurityGroups {
			out = append(out, aws.ToString(g.GroupId))
		}
	}
	slices.Sort(out)
	return out, nil
}

// Allowed implements Inspector. Karpenter's policies allow reading in the cluster's region only, so the region is part of the question.
func (a *AWS) Allowed(ctx context.Context, role string, actions []string) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out := map[string]bool{}
	pages := iam.NewSimulatePrincipalPolicyPaginator(a.iam, &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: aws.String(role), ActionNames: actions,
		ContextEntries: []iamtypes.ContextEntry{{
			ContextKeyName: aws.String("aws:RequestedRegion"), ContextKeyType: iamtypes.ContextKeyTypeEnumString, ContextKeyValues: []string{a.region},
		}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("simulating the policies of %s: %w", role, err)
		}
		for _, r := range page.EvaluationResults {
			out[aws.ToString(r.EvalActionName)] = r.EvalDecision == iamtypes.PolicyEvaluationDecisionTypeAllowed
		}
	}
	return out, nil
}

// PodIdentity implements Inspector.
func (a *AWS) PodIdentity(ctx context.Context, cluster, namespace, account string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := a.eks.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{
		ClusterName: aws.String(cluster), Namespace: aws.String(namespace), ServiceAccount: aws.String(account),
	})
	if err != nil {
		return "", fmt.Errorf("listing the Pod Identity associations of EKS cluster %s: %w", cluster, err)
	}
	if len(found.Associations) == 0 { // there is at most one of a ServiceAccount
		return "", nil
	}
	id := found.Associations[0].AssociationId
	out, err := a.eks.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String(cluster), AssociationId: id})
	if err != nil {
		return "", fmt.Errorf("describing Pod Identity association %s of EKS cluster %s: %w", aws.ToString(id), cluster, err)
	}
	return aws.ToString(out.Association.RoleArn), nil
}

// HasQueue implements Inspector.
func (a *AWS) HasQueue(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)})
	var missing *sqstypes.QueueDoesNotExist
	if errors.As(err, &missing) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for SQS queue %s: %w", name, err)
	}
	return true, nil
}

// HasRole implements Inspector.
func (a *AWS) HasRole(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	return there(err, "looking for IAM role "+name)
}

// HasInstanceProfile implements Inspector.
func (a *AWS) HasInstanceProfile(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String(name)})
	return there(err, "looking for instance profile "+name)
}

// there reads the answer of IAM to a look at one object.
func there(err error, what string) (bool, error) {
	var missing *iamtypes.NoSuchEntityException
	if errors.As(err, &missing) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return true, nil
}
