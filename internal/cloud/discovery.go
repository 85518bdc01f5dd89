package cloud

import (
	"context"
	"errors"
	"slices"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// ErrNotConfigured says that the spec, or the operator's environment, lacks what it takes to talk to AWS. It goes away when
// somebody sets it.
var ErrNotConfigured = errors.New("not configured")

// Discoverable are the subnets and security groups of a cluster that a discovery tag is for, sorted: its security groups, and the
// subnets that the source names. ofNodeClasses are the subnets that the EC2NodeClasses resolved.
func Discoverable(ctx context.Context, c Client, name string, source v1alpha1.SubnetSource, ofNodeClasses []string) ([]string, error) {
	cluster, err := c.Cluster(ctx, name)
	if err != nil {
		return nil, err
	}
	subnets := ofNodeClasses
	switch source {
	case v1alpha1.SubnetsOfNodeGroups:
		subnets, err = c.NodeGroupSubnets(ctx, name)
	case v1alpha1.SubnetsOfVPC:
		subnets, err = c.VPCSubnets(ctx, cluster.VPC)
	case v1alpha1.SubnetsOfNodeClasses:
	}
	if err != nil {
		return nil, err
	}
	out := slices.Concat(subnets, cluster.SecurityGroups)
	slices.Sort(out)
	return slices.Compact(out), nil
}
