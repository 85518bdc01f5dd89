// Package ec2 serves the part of EC2 that Karpenter and our operator call, in the EC2 query protocol.
package ec2

import (
	"context"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is EC2 acting on a world.
type service struct{ w *world.World }

// New describes EC2, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "ec2", Protocol: wire.EC2Query, Version: "2016-11-15",
		Namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
		Operations: map[string]wire.Operation{
			"CreateFleet":                   wire.Op(s.createFleet),
			"CreateLaunchTemplate":          wire.Op(s.createLaunchTemplate),
			"CreateTags":                    wire.Op(s.createTags),
			"DeleteLaunchTemplate":          wire.Op(s.deleteLaunchTemplate),
			"DeleteTags":                    wire.Op(s.deleteTags),
			"DescribeCapacityReservations":  reading(s.describeCapacityReservations),
			"DescribeImages":                reading(s.describeImages),
			"DescribeInstanceStatus":        reading(s.describeInstanceStatus),
			"DescribeInstanceTypeOfferings": reading(s.describeInstanceTypeOfferings),
			"DescribeInstanceTypes":         reading(s.describeInstanceTypes),
			"DescribeInstances":             reading(s.describeInstances),
			"DescribeLaunchTemplates":       reading(s.describeLaunchTemplates),
			"DescribePlacementGroups":       reading(s.describePlacementGroups),
			"DescribeSecurityGroups":        reading(s.describeSecurityGroups),
			"DescribeSpotPriceHistory":      reading(s.describeSpotPriceHistory),
			"DescribeSubnets":               reading(s.describeSubnets),
			"DescribeTags":                  reading(s.describeTags),
			"DescribeVpcs":                  reading(s.describeVpcs),
			"RunInstances":                  wire.Op(s.runInstances),
			"TerminateInstances":            wire.Op(s.terminateInstances),
		},
	}
}

// request has the parameters that every call can have.
type request struct {
	DryRun bool `q:"DryRun"`
}

func (r request) dryRun() bool { return r.DryRun }

// listing has the parameters of the calls that list something in pages.
type listing struct {
	request
	Filters    []filter `q:"Filter"`
	MaxResults int      `q:"MaxResults"`
	NextToken  string   `q:"NextToken"`
}

// more is the token of the next page in an answer.
type more struct {
	NextToken string `xml:"nextToken,omitempty"`
}

// reading makes an operation of a function that changes nothing. A dry run of it is checked like any call, and then
// answered as EC2 answers dry runs.
func reading[I interface{ dryRun() bool }, O any](f func(I) (*O, error)) wire.Operation {
	return wire.Op(func(_ context.Context, _ wire.Call, in *I) (*O, error) {
		out, err := f(*in)
		if err == nil && (*in).dryRun() {
			return nil, awserr.DryRun()
		}
		return out, err
	})
}

// paging is how EC2 splits answers; the bounds of MaxResults differ from call to call.
func paging(lowest, highest, byDefault int) wire.Paging {
	return wire.Paging{
		Parameter: "maxResults", Min: lowest, Max: highest, Default: byDefault, BadToken: "InvalidNextToken",
	}
}

// exclusive refuses page sizes together with IDs, as most describe calls do.
func exclusive(size int, ids []string, parameter string) error {
	if size != 0 && len(ids) > 0 {
		return awserr.New("InvalidParameterCombination",
			"The parameter %s cannot be used with the parameter maxResults", parameter)
	}
	return nil
}
