// Package eks serves the part of EKS that Karpenter and our operator call, in the REST JSON protocol.
package eks

import (
	"context"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is EKS acting on a world.
type service struct{ w *world.World }

// New describes EKS, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "eks", Protocol: wire.RESTJSON,
		Routes: []wire.Route{
			{Method: "GET", Path: "/clusters/{name}", Action: "DescribeCluster"},
			{Method: "GET", Path: "/clusters/{clusterName}/node-groups", Action: "ListNodegroups"},
			{Method: "GET", Path: "/clusters/{clusterName}/node-groups/{nodegroupName}", Action: "DescribeNodegroup"},
			{Method: "GET", Path: "/clusters/{clusterName}/pod-identity-associations", Action: "ListPodIdentityAssociations"},
			{Method: "GET", Path: "/clusters/{clusterName}/pod-identity-associations/{associationId}", Action: "DescribePodIdentityAssociation"},
		},
		Operations: map[string]wire.Operation{
			"DescribeCluster":                wire.Op(s.describeCluster),
			"DescribeNodegroup":              wire.Op(s.describeNodegroup),
			"DescribePodIdentityAssociation": wire.Op(s.describeAssociation),
			"ListNodegroups":                 wire.Op(s.listNodegroups),
			"ListPodIdentityAssociations":    wire.Op(s.listAssociations),
		},
	}
}

// created is when everything in the seed was made.
var created = wire.Epoch{Time: time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)}

type describeClusterInput struct {
	Name string `q:"name,required"`
}

type describeClusterOutput struct {
	Cluster cluster `json:"cluster"`
}

type cluster struct {
	Name                 string               `json:"name"`
	ARN                  string               `json:"arn"`
	CreatedAt            wire.Epoch           `json:"createdAt"`
	Version              string               `json:"version"`
	Endpoint             string               `json:"endpoint"`
	RoleARN              string               `json:"roleArn"`
	VPC                  vpcConfig            `json:"resourcesVpcConfig"`
	Network              networkConfig        `json:"kubernetesNetworkConfig"`
	Logging              logging              `json:"logging"`
	Identity             identity             `json:"identity"`
	Status               string               `json:"status"`
	CertificateAuthority certificateAuthority `json:"certificateAuthority"`
	PlatformVersion      string               `json:"platformVersion"`
	Tags                 map[string]string    `json:"tags"`
	Access               accessConfig         `json:"accessConfig"`
	Upgrade              upgradePolicy        `json:"upgradePolicy"`
	DeletionProtection   bool                 `json:"deletionProtection"`
}

type vpcConfig struct {
	SubnetIDs              []string `json:"subnetIds"`
	SecurityGroupIDs       []string `json:"securityGroupIds"`
	ClusterSecurityGroupID string   `json:"clusterSecurityGroupId"`
	VPCID                  string   `json:"vpcId"`
	EndpointPublicAccess   bool     `json:"endpointPublicAccess"`
	EndpointPrivateAccess  bool     `json:"endpointPrivateAccess"`
	PublicAccessCIDRs      []string `json:"publicAccessCidrs"`
}

type networkConfig struct {
	ServiceIPv4CIDR string `json:"serviceIpv4Cidr"`
	IPFamily        string `json:"ipFamily"`
}

type logging struct {
	ClusterLogging []logSetup `json:"clusterLogging"`
}

type logSetup struct {
	Types   []string `json:"types"`
	Enabled bool     `json:"enabled"`
}

type identity struct {
	OIDC oidc `json:"oidc"`
}

type oidc struct {
	Issuer string `json:"issuer"`
}

type certificateAuthority struct {
	Data string `json:"data"`
}

type accessConfig struct {
	AuthenticationMode string `json:"authenticationMode"`
}

type upgradePolicy struct {
	SupportType string `json:"supportType"`
}

func (s service) describeCluster(_ context.Context, _ wire.Call, in *describeClusterInput) (*describeClusterOutput, error) {
	if err := s.clusterNamed(in.Name); err != nil {
		return nil, err
	}
	seed := s.w.Seed()
	c := seed.Cluster
	return &describeClusterOutput{Cluster: cluster{
		Name: c.Name, ARN: seed.ClusterARN(), CreatedAt: created, Version: c.Version, Endpoint: c.Endpoint,
		RoleARN: s.roleARN(c.Role),
		VPC: vpcConfig{
			SubnetIDs: c.Subnets, SecurityGroupIDs: orEmpty(c.AdditionalSecurityGroups), ClusterSecurityGroupID: c.SecurityGroup,
			VPCID: seed.VPC.ID, EndpointPublicAccess: true, EndpointPrivateAccess: true, PublicAccessCIDRs: []string{"0.0.0.0/0"},
		},
		Network:  networkConfig{ServiceIPv4CIDR: c.ServiceCIDR, IPFamily: "ipv4"},
		Logging:  logging{ClusterLogging: []logSetup{{Types: []string{"api", "audit"}}}},
		Identity: identity{OIDC: oidc{Issuer: c.OIDCIssuer}}, Status: "ACTIVE",
		CertificateAuthority: certificateAuthority{Data: c.CertificateAuthority}, PlatformVersion: "eks.1",
		Tags: lo.Assign(c.Tags), Access: accessConfig{AuthenticationMode: c.AuthenticationMode},
		Upgrade: upgradePolicy{SupportType: "EXTENDED"},
	}}, nil
}

// clusterNamed refuses every name but that of the cluster.
func (s service) clusterNamed(name string) error {
	if name != s.w.Seed().Cluster.Name {
		return awserr.New("ResourceNotFoundException", "No cluster found for name: %s.", name)
	}
	return nil
}

func (s service) roleARN(name string) string {
	r, err := s.w.Role(name)
	if err != nil { // The seed was checked: the role is there.
		return ""
	}
	return r.ARN
}

type listNodegroupsInput struct {
	Cluster    string `q:"clusterName,required"`
	MaxResults int    `q:"maxResults"`
	NextToken  string `q:"nextToken"`
}

type listNodegroupsOutput struct {
	Nodegroups []string `json:"nodegroups"`
	NextToken  string   `json:"nextToken,omitempty"`
}

var paging = wire.Paging{Parameter: "maxResults", Min: 1, Max: 100, Default: 100, BadToken: "InvalidParameterException"}

func (s service) listNodegroups(_ context.Context, _ wire.Call, in *listNodegroupsInput) (*listNodegroupsOutput, error) {
	if err := s.clusterNamed(in.Cluster); err != nil {
		return nil, err
	}
	names := lo.Map(s.w.Seed().NodeGroups, func(g world.NodeGroup, _ int) string { return g.Name })
	page, next, err := wire.Page(paging, names, func(n string) string { return n }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &listNodegroupsOutput{Nodegroups: orEmpty(page), NextToken: next}, nil
}

type describeNodegroupInput struct {
	Cluster   string `q:"clusterName,required"`
	Nodegroup string `q:"nodegroupName,required"`
}

type describeNodegroupOutput struct {
	Nodegroup nodegroup `json:"nodegroup"`
}

type nodegroup struct {
	Name          string            `json:"nodegroupName"`
	ARN           string            `json:"nodegroupArn"`
	Cluster       string            `json:"clusterName"`
	Version       string            `json:"version"`
	Release       string            `json:"releaseVersion"`
	CreatedAt     wire.Epoch        `json:"createdAt"`
	ModifiedAt    wire.Epoch        `json:"modifiedAt"`
	Status        string            `json:"status"`
	CapacityType  string            `json:"capacityType"`
	Scaling       scaling           `json:"scalingConfig"`
	InstanceTypes []string          `json:"instanceTypes"`
	Subnets       []string          `json:"subnets"`
	AMIType       string            `json:"amiType"`
	NodeRole      string            `json:"nodeRole"`
	Labels        map[string]string `json:"labels"`
	Taints        []taint           `json:"taints"`
	DiskSize      int               `json:"diskSize"`
	Health        health            `json:"health"`
	Update        updateConfig      `json:"updateConfig"`
	Tags          map[string]string `json:"tags"`
}

type scaling struct {
	Min     int `json:"minSize"`
	Max     int `json:"maxSize"`
	Desired int `json:"desiredSize"`
}

type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type health struct {
	Issues []issue `json:"issues"`
}

// issue is what node groups of the emulator never have.
type issue struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type updateConfig struct {
	MaxUnavailable int `json:"maxUnavailable"`
}

func (s service) describeNodegroup(_ context.Context, _ wire.Call, in *describeNodegroupInput) (*describeNodegroupOutput, error) {
	if err := s.clusterNamed(in.Cluster); err != nil {
		return nil, err
	}
	seed := s.w.Seed()
	g, ok := lo.Find(seed.NodeGroups, func(g world.NodeGroup) bool { return g.Name == in.Nodegroup })
	if !ok {
		return nil, awserr.New("ResourceNotFoundException", "No node group found for name: %s.", in.Nodegroup)
	}
	return &describeNodegroupOutput{Nodegroup: nodegroup{
		Name: g.Name, ARN: seed.ARN("eks", seed.Region, "nodegroup/"+in.Cluster+"/"+g.Name+"/0c0ffee0-0000-4000-8000-000000000001"),
		Cluster: in.Cluster, Version: seed.Cluster.Version, Release: seed.Cluster.Version + ".0-20260806", CreatedAt: created,
		ModifiedAt: created, Status: "ACTIVE", CapacityType: g.CapacityType,
		Scaling:       scaling{Min: g.MinSize, Max: g.MaxSize, Desired: g.DesiredSize},
		InstanceTypes: g.InstanceTypes, Subnets: g.Subnets, AMIType: g.AMIType, NodeRole: s.roleARN(g.Role),
		Labels:   lo.Assign(g.Labels),
		Taints:   lo.Map(g.Taints, func(t world.NodeGroupTaint, _ int) taint { return taint(t) }),
		DiskSize: 20, Health: health{Issues: []issue{}}, Update: updateConfig{MaxUnavailable: 1}, Tags: lo.Assign(g.Tags),
	}}, nil
}

// orEmpty gives a list that encodes as [] and never as null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
