package ec2

import (
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type describeSubnetsInput struct {
	listing
	SubnetIDs []string `q:"SubnetId"`
}

type describeSubnetsOutput struct {
	Subnets []subnet `xml:"subnetSet>item"`
	more
}

type subnet struct {
	SubnetID                    string `xml:"subnetId"`
	SubnetARN                   string `xml:"subnetArn"`
	State                       string `xml:"state"`
	OwnerID                     string `xml:"ownerId"`
	VPCID                       string `xml:"vpcId"`
	CIDRBlock                   string `xml:"cidrBlock"`
	AvailabilityZone            string `xml:"availabilityZone"`
	AvailabilityZoneID          string `xml:"availabilityZoneId"`
	AvailableIPAddressCount     int    `xml:"availableIpAddressCount"`
	DefaultForAZ                bool   `xml:"defaultForAz"`
	MapPublicIPOnLaunch         bool   `xml:"mapPublicIpOnLaunch"`
	AssignIPv6AddressOnCreation bool   `xml:"assignIpv6AddressOnCreation"`
	Tags                        []tag  `xml:"tagSet>item"`
}

// subnetFields has the filters of DescribeSubnets, some of which have an older second name.
func (s service) subnetFields() fields[world.SubnetView] {
	zone := one(func(v world.SubnetView) string { return v.Zone.Name })
	cidr := one(func(v world.SubnetView) string { return v.CIDR })
	return fields[world.SubnetView]{
		"subnet-id": one(func(v world.SubnetView) string { return v.ID }),
		"vpc-id":    func(world.SubnetView) []string { return []string{s.w.Seed().VPC.ID} },
		"state":     func(world.SubnetView) []string { return []string{"available"} },
		"owner-id":  func(world.SubnetView) []string { return []string{s.w.Seed().Account} },
		"cidr":      cidr, "cidr-block": cidr, "cidrBlock": cidr,
		"availability-zone": zone, "availabilityZone": zone,
		"availability-zone-id":    one(func(v world.SubnetView) string { return v.Zone.ID }),
		"map-public-ip-on-launch": flag(func(v world.SubnetView) bool { return v.Public }),
	}
}

func (s service) describeSubnets(in describeSubnetsInput) (*describeSubnetsOutput, error) {
	if err := exclusive(in.MaxResults, in.SubnetIDs, "subnetIds"); err != nil {
		return nil, err
	}
	all, err := pick(s.w.Subnets(), func(v world.SubnetView) string { return v.ID }, in.SubnetIDs, func(id string) error {
		return awserr.New("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	tags := func(v world.SubnetView) map[string]string { return v.Tags }
	found, err := apply(in.Filters, all, s.subnetFields(), tags)
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(5, 1000, 1000), found, func(v world.SubnetView) string { return v.ID },
		in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeSubnetsOutput{Subnets: lo.Map(page, s.subnet), more: more{next}}, nil
}

func (s service) subnet(v world.SubnetView, _ int) subnet {
	seed := s.w.Seed()
	return subnet{
		SubnetID: v.ID, SubnetARN: seed.ARN("ec2", seed.Region, "subnet/"+v.ID), State: "available", OwnerID: seed.Account,
		VPCID: seed.VPC.ID, CIDRBlock: v.CIDR, AvailabilityZone: v.Zone.Name, AvailabilityZoneID: v.Zone.ID,
		AvailableIPAddressCount: v.FreeIPs, MapPublicIPOnLaunch: v.Public, Tags: tagList(v.Tags),
	}
}

type describeSecurityGroupsInput struct {
	listing
	GroupIDs   []string `q:"GroupId"`
	GroupNames []string `q:"GroupName"`
}

type describeSecurityGroupsOutput struct {
	SecurityGroups []securityGroup `xml:"securityGroupInfo>item"`
	more
}

type securityGroup struct {
	OwnerID           string         `xml:"ownerId"`
	GroupID           string         `xml:"groupId"`
	GroupName         string         `xml:"groupName"`
	GroupDescription  string         `xml:"groupDescription"`
	VPCID             string         `xml:"vpcId"`
	Permissions       []ipPermission `xml:"ipPermissions>item"`
	PermissionsEgress []ipPermission `xml:"ipPermissionsEgress>item"`
	Tags              []tag          `xml:"tagSet>item"`
}

// ipPermission is a rule of a security group. All groups of the emulator have the same: members reach each other, and
// everything outside.
type ipPermission struct {
	Protocol string         `xml:"ipProtocol"`
	Groups   []userGroup    `xml:"groups>item,omitempty"`
	Ranges   []ipRangeShape `xml:"ipRanges>item,omitempty"`
}

type userGroup struct {
	UserID  string `xml:"userId"`
	GroupID string `xml:"groupId"`
}

type ipRangeShape struct {
	CIDR string `xml:"cidrIp"`
}

func (s service) groupFields() fields[world.SecurityGroup] {
	return fields[world.SecurityGroup]{
		"group-id":    one(func(g world.SecurityGroup) string { return g.ID }),
		"group-name":  one(func(g world.SecurityGroup) string { return g.Name }),
		"description": one(func(g world.SecurityGroup) string { return g.Description }),
		"vpc-id":      func(world.SecurityGroup) []string { return []string{s.w.Seed().VPC.ID} },
		"owner-id":    func(world.SecurityGroup) []string { return []string{s.w.Seed().Account} },
	}
}

func (s service) describeSecurityGroups(in describeSecurityGroupsInput) (*describeSecurityGroupsOutput, error) {
	if err := exclusive(in.MaxResults, append(in.GroupIDs, in.GroupNames...), "securityGroupIds"); err != nil {
		return nil, err
	}
	missing := func(id string) error {
		return awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	}
	all := s.w.SecurityGroups()
	byID, err := pick(all, func(g world.SecurityGroup) string { return g.ID }, in.GroupIDs, missing)
	if err != nil {
		return nil, err
	}
	both, err := pick(byID, func(g world.SecurityGroup) string { return g.Name }, in.GroupNames, missing)
	if err != nil {
		return nil, err
	}
	tags := func(g world.SecurityGroup) map[string]string { return g.Tags }
	found, err := apply(in.Filters, both, s.groupFields(), tags)
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(5, 1000, 1000), found, func(g world.SecurityGroup) string { return g.ID },
		in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeSecurityGroupsOutput{SecurityGroups: lo.Map(page, s.securityGroup), more: more{next}}, nil
}

func (s service) securityGroup(g world.SecurityGroup, _ int) securityGroup {
	seed := s.w.Seed()
	return securityGroup{
		OwnerID: seed.Account, GroupID: g.ID, GroupName: g.Name, GroupDescription: g.Description, VPCID: seed.VPC.ID,
		Permissions:       []ipPermission{{Protocol: "-1", Groups: []userGroup{{UserID: seed.Account, GroupID: g.ID}}}},
		PermissionsEgress: []ipPermission{{Protocol: "-1", Ranges: []ipRangeShape{{CIDR: "0.0.0.0/0"}}}},
		Tags:              tagList(g.Tags),
	}
}

type describeVpcsInput struct {
	listing
	VPCIDs []string `q:"VpcId"`
}

type describeVpcsOutput struct {
	VPCs []vpc `xml:"vpcSet>item"`
	more
}

type vpc struct {
	VPCID           string `xml:"vpcId"`
	OwnerID         string `xml:"ownerId"`
	State           string `xml:"state"`
	CIDRBlock       string `xml:"cidrBlock"`
	InstanceTenancy string `xml:"instanceTenancy"`
	IsDefault       bool   `xml:"isDefault"`
	Tags            []tag  `xml:"tagSet>item"`
}

var vpcFields = fields[world.VPC]{
	"vpc-id":     one(func(v world.VPC) string { return v.ID }),
	"cidr":       one(func(v world.VPC) string { return v.CIDR }),
	"state":      func(world.VPC) []string { return []string{"available"} },
	"is-default": func(world.VPC) []string { return []string{"false"} },
}

func (s service) describeVpcs(in describeVpcsInput) (*describeVpcsOutput, error) {
	id := func(v world.VPC) string { return v.ID }
	all, err := pick(s.w.VPCs(), id, in.VPCIDs, func(id string) error {
		return awserr.New("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	found, err := apply(in.Filters, all, vpcFields, func(v world.VPC) map[string]string { return v.Tags })
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(5, 1000, 1000), found, id, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeVpcsOutput{more: more{next}, VPCs: lo.Map(page, func(v world.VPC, _ int) vpc {
		return vpc{
			VPCID: v.ID, OwnerID: s.w.Seed().Account, State: "available", CIDRBlock: v.CIDR, InstanceTenancy: "default",
			Tags: tagList(v.Tags),
		}
	})}, nil
}

// pick returns the items whose key is named, all if none is; a name without an item is an error.
func pick[T any](items []T, key func(T) string, names []string, missing func(string) error) ([]T, error) {
	if len(names) == 0 {
		return items, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(items, func(i T) bool { return key(i) == name }) {
			return nil, missing(name)
		}
	}
	return lo.Filter(items, func(i T, _ int) bool { return slices.Contains(names, key(i)) }), nil
}
