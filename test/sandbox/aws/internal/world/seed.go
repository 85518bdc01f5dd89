package world

import (
	_ "embed"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Seed is what the account has at the start. Its YAML form is what a seed file contains; unknown fields are refused.
// The embedded default (DefaultSeed) is a commented example of every part.
type Seed struct {
	// Account is the twelve digits of the account, Partition one of aws, aws-cn, aws-us-gov.
	Account   string `json:"account"`
	Partition string `json:"partition"`
	// Region is the only region that exists.
	Region string `json:"region"`
	// Zones are the availability zones.
	Zones []Zone `json:"zones"`
	// VPC is the network that everything is in.
	VPC VPC `json:"vpc"`
	// Cluster is the EKS cluster.
	Cluster        Cluster         `json:"cluster"`
	Subnets        []Subnet        `json:"subnets"`
	SecurityGroups []SecurityGroup `json:"securityGroups"`
	NodeGroups     []NodeGroup     `json:"nodeGroups,omitempty"`
	// Images says which AMIs are published.
	Images Images `json:"images"`
	// InstanceTypes are patterns of the instance types that are offered, out of the catalogue; empty offers all.
	InstanceTypes []string `json:"instanceTypes,omitempty"`
	// Roles and InstanceProfiles are in IAM.
	Roles            []Role            `json:"roles,omitempty"`
	InstanceProfiles []InstanceProfile `json:"instanceProfiles,omitempty"`
	// PodIdentities are the associations of EKS Pod Identity.
	PodIdentities []PodIdentity `json:"podIdentities,omitempty"`
	// Queues are SQS queues.
	Queues []Queue `json:"queues,omitempty"`
	// Parameters are further SSM parameters, by name.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Zone is an availability zone.
type Zone struct {
	// Name is for example us-west-2a, ID usw2-az1.
	Name string `json:"name"`
	ID   string `json:"id"`
}

// VPC is a virtual private cloud.
type VPC struct {
	ID   string            `json:"id"`
	CIDR string            `json:"cidr"`
	Tags map[string]string `json:"tags,omitempty"`
}

// Cluster is an EKS cluster.
type Cluster struct {
	Name string `json:"name"`
	// Version is the Kubernetes minor, for example 1.36.
	Version  string `json:"version"`
	Endpoint string `json:"endpoint"`
	// CertificateAuthority is the cluster's CA, PEM in base64.
	CertificateAuthority string `json:"certificateAuthority"`
	ServiceCIDR          string `json:"serviceCIDR"`
	OIDCIssuer           string `json:"oidcIssuer"`
	// Role is the name of the cluster's role.
	Role string `json:"role"`
	// SecurityGroup is the one that EKS made, AdditionalSecurityGroups are those the user gave.
	SecurityGroup            string   `json:"securityGroup"`
	AdditionalSecurityGroups []string `json:"additionalSecurityGroups,omitempty"`
	// Subnets are those of the control plane.
	Subnets []string `json:"subnets"`
	// AuthenticationMode is API, CONFIG_MAP or API_AND_CONFIG_MAP.
	AuthenticationMode string `json:"authenticationMode"`
	// ZonalShift says that the cluster is registered with ARC zonal shift.
	ZonalShift bool              `json:"zonalShift,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// Subnet is a subnet of the VPC.
type Subnet struct {
	ID   string `json:"id"`
	Zone string `json:"zone"`
	CIDR string `json:"cidr"`
	// Public says that instances get a public address.
	Public bool `json:"public,omitempty"`
	// UsedIPs is how many addresses others have taken already.
	UsedIPs int               `json:"usedIPs,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// SecurityGroup is a security group of the VPC.
type SecurityGroup struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// NodeGroup is a managed node group of the cluster. Its instances are not in EC2: the nodes are there already.
type NodeGroup struct {
	Name string `json:"name"`
	// Role is the name of the node role.
	Role          string            `json:"role"`
	Subnets       []string          `json:"subnets"`
	AMIType       string            `json:"amiType"`
	CapacityType  string            `json:"capacityType"`
	InstanceTypes []string          `json:"instanceTypes"`
	MinSize       int               `json:"minSize"`
	MaxSize       int               `json:"maxSize"`
	DesiredSize   int               `json:"desiredSize"`
	Labels        map[string]string `json:"labels,omitempty"`
	Taints        []NodeGroupTaint  `json:"taints,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
}

// NodeGroupTaint is a taint in EKS's spelling: the effect is NO_SCHEDULE, NO_EXECUTE or PREFER_NO_SCHEDULE.
type NodeGroupTaint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Images says which EKS-optimized AMIs are published: for every Kubernetes minor, family, architecture and variant one
// image a generation.
type Images struct {
	// KubernetesVersions are the minors, for example 1.36.
	KubernetesVersions []string `json:"kubernetesVersions"`
	// AL2Through is the last minor that has Amazon Linux 2 images.
	AL2Through string `json:"al2Through"`
	// Generations are the releases in order. Settings.AMIGeneration says how many of them are published.
	Generations []Generation `json:"generations"`
	// Custom are images of the account itself.
	Custom []CustomImage `json:"custom,omitempty"`
}

// Generation is one release of the EKS-optimized AMIs.
type Generation struct {
	// Date is the release date, YYYY-MM-DD. AL2 and AL2023 make their version of it.
	Date string `json:"date"`
	// Bottlerocket is the Bottlerocket version, without a leading v.
	Bottlerocket string `json:"bottlerocket"`
}

// CustomImage is an image that the account owns.
type CustomImage struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Architecture is x86_64 or arm64.
	Architecture string `json:"architecture"`
	// Date is the creation date, YYYY-MM-DD.
	Date string            `json:"date"`
	Tags map[string]string `json:"tags,omitempty"`
}

// Role is an IAM role.
type Role struct {
	Name string `json:"name"`
	// Path begins and ends with a slash; empty stands for /.
	Path string `json:"path,omitempty"`
	// WebIdentities are the subjects that may assume the role with a token of the cluster's issuer, as patterns, for
	// example system:serviceaccount:kube-system:karpenter.
	WebIdentities []string `json:"webIdentities,omitempty"`
	// Statements are what its policies say. They are read by SimulatePrincipalPolicy; calls are not held to them.
	Statements []Statement `json:"statements,omitempty"`
}

// PodIdentity is an EKS Pod Identity association: the role that a ServiceAccount has.
type PodIdentity struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	// Role is the name of one of roles.
	Role string `json:"role"`
}

// Statement is a statement of an IAM policy without conditions. Patterns are as in IAM.
type Statement struct {
	// Effect is Allow or Deny.
	Effect  string   `json:"effect"`
	Actions []string `json:"actions"`
	// Resources default to *.
	Resources []string `json:"resources,omitempty"`
}

// InstanceProfile is an IAM instance profile.
type InstanceProfile struct {
	Name string            `json:"name"`
	Path string            `json:"path,omitempty"`
	Role string            `json:"role,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
}

// Queue is an SQS queue.
type Queue struct {
	Name string `json:"name"`
}

//go:embed seed_default.yaml
var defaultSeed []byte

// DefaultSeed returns a fresh copy of the embedded seed.
func DefaultSeed() (*Seed, error) { return ParseSeed(defaultSeed) }

// ParseSeed reads a seed from YAML or JSON and checks it.
func ParseSeed(raw []byte) (*Seed, error) {
	s := &Seed{}
	if err := yaml.UnmarshalStrict(raw, s); err != nil {
		return nil, fmt.Errorf("reading the AWS seed: %w", err)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("checking the AWS seed: %w", err)
	}
	return s, nil
}

// ARN makes an ARN in the seed's account. The region is left out for global services.
func (s *Seed) ARN(service, region, resource string) string {
	return "arn:" + s.Partition + ":" + service + ":" + region + ":" + s.Account + ":" + resource
}

// ClusterARN is the ARN of the cluster.
func (s *Seed) ClusterARN() string { return s.ARN("eks", s.Region, "cluster/"+s.Cluster.Name) }

// RoleARN is the ARN of a role.
func (s *Seed) RoleARN(r Role) string { return s.ARN("iam", "", "role"+orSlash(r.Path)+r.Name) }

// orSlash gives an IAM path its default.
func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
