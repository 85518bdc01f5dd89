package ec2

import (
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// launchData are the parameters that a launch template and RunInstances have in common.
type launchData struct {
	ImageID             string             `q:"ImageId"`
	InstanceType        string             `q:"InstanceType"`
	KeyName             string             `q:"KeyName"`
	UserData            string             `q:"UserData"`
	EBSOptimized        bool               `q:"EbsOptimized"`
	SecurityGroupIDs    []string           `q:"SecurityGroupId"`
	SecurityGroups      []string           `q:"SecurityGroup"`
	Profile             profileSpec        `q:"IamInstanceProfile"`
	Monitoring          enabled            `q:"Monitoring"`
	Enclave             enabled            `q:"EnclaveOptions"`
	Metadata            metadataOptions    `q:"MetadataOptions"`
	Placement           placementSpec      `q:"Placement"`
	Market              marketOptions      `q:"InstanceMarketOptions"`
	CapacityReservation reservationSpec    `q:"CapacityReservationSpecification"`
	BlockDevices        []blockDeviceSpec  `q:"BlockDeviceMapping"`
	NetworkInterfaces   []networkInterface `q:"NetworkInterface"`
	TagSpecifications   []tagSpecification `q:"TagSpecification"`
}

type profileSpec struct {
	ARN  string `q:"Arn"`
	Name string `q:"Name"`
}

type enabled struct {
	Enabled bool `q:"Enabled"`
}

type metadataOptions struct {
	HTTPEndpoint     string `q:"HttpEndpoint"`
	HTTPTokens       string `q:"HttpTokens"`
	HopLimit         int    `q:"HttpPutResponseHopLimit"`
	HTTPProtocolIPv6 string `q:"HttpProtocolIpv6"`
	InstanceTags     string `q:"InstanceMetadataTags"`
}

type placementSpec struct {
	AvailabilityZone string `q:"AvailabilityZone"`
	Tenancy          string `q:"Tenancy"`
	GroupID          string `q:"GroupId"`
	GroupName        string `q:"GroupName"`
	PartitionNumber  int    `q:"PartitionNumber"`
}

type marketOptions struct {
	MarketType string `q:"MarketType"`
}

type reservationSpec struct {
	Preference string            `q:"CapacityReservationPreference"`
	Target     reservationTarget `q:"CapacityReservationTarget"`
}

type reservationTarget struct {
	ID string `q:"CapacityReservationId"`
}

type blockDeviceSpec struct {
	DeviceName string  `q:"DeviceName"`
	EBS        ebsSpec `q:"Ebs"`
}

// ebsSpec is checked for nothing: the emulator has volumes and no disks.
type ebsSpec struct {
	DeleteOnTermination *bool  `q:"DeleteOnTermination"`
	Encrypted           *bool  `q:"Encrypted"`
	IOPS                int    `q:"Iops"`
	KMSKeyID            string `q:"KmsKeyId"`
	SnapshotID          string `q:"SnapshotId"`
	Throughput          int    `q:"Throughput"`
	InitializationRate  int    `q:"VolumeInitializationRate"`
	VolumeSize          int    `q:"VolumeSize"`
	VolumeType          string `q:"VolumeType"`
}

type networkInterface struct {
	DeviceIndex       *int         `q:"DeviceIndex"`
	CardIndex         *int         `q:"NetworkCardIndex"`
	InterfaceType     string       `q:"InterfaceType"`
	SubnetID          string       `q:"SubnetId"`
	Groups            []string     `q:"SecurityGroupId"`
	AssociatePublicIP *bool        `q:"AssociatePublicIpAddress"`
	Delete            *bool        `q:"DeleteOnTermination"`
	Description       string       `q:"Description"`
	Tracking          trackingSpec `q:"ConnectionTrackingSpecification"`
}

type trackingSpec struct {
	TCPEstablished int `q:"TcpEstablishedTimeout"`
	UDP            int `q:"UdpTimeout"`
	UDPStream      int `q:"UdpStreamTimeout"`
}

// launchTags are the resource types that the tags of a launch can be for.
var launchTags = []string{"instance", "volume", "network-interface", "spot-instances-request"}

// spec turns the parameters into what the world launches. Groups and subnets of the first network interface stand for
// those of the instance, which may then not name its own.
func (d launchData) spec() (world.LaunchSpec, error) {
	if err := d.check(); err != nil {
		return world.LaunchSpec{}, err
	}
	userData, err := world.DecodeUserData(d.UserData)
	if err != nil {
		return world.LaunchSpec{}, err
	}
	tags, err := tagsByType(d.TagSpecifications, launchTags...)
	if err != nil {
		return world.LaunchSpec{}, err
	}
	s := world.LaunchSpec{
		ImageID: d.ImageID, InstanceType: d.InstanceType, Zone: d.Placement.AvailabilityZone,
		Groups:      append(slices.Clone(d.SecurityGroupIDs), d.SecurityGroups...),
		ProfileName: d.Profile.Name, ProfileARN: d.Profile.ARN, UserData: userData,
		Market: world.CapacityType(d.Market.MarketType), Tags: tags,
		BlockDevices: lo.Map(d.BlockDevices, func(b blockDeviceSpec, _ int) string { return b.DeviceName }),
		LaunchOptions: world.LaunchOptions{
			KeyName: d.KeyName, DetailedMonitoring: d.Monitoring.Enabled, EBSOptimized: d.EBSOptimized,
			Tenancy: d.Placement.Tenancy, HTTPEndpoint: d.Metadata.HTTPEndpoint, HTTPTokens: d.Metadata.HTTPTokens,
			HopLimit: d.Metadata.HopLimit, HTTPProtocolIPv6: d.Metadata.HTTPProtocolIPv6,
			MetadataTags: d.Metadata.InstanceTags, EnclaveEnabled: d.Enclave.Enabled,
			CapacityPreference: d.CapacityReservation.Preference, CapacityReservation: d.CapacityReservation.Target.ID,
			PlacementGroup: lo.CoalesceOrEmpty(d.Placement.GroupID, d.Placement.GroupName),
		},
	}
	if len(d.NetworkInterfaces) > 0 {
		first := d.NetworkInterfaces[0]
		s.SubnetID, s.PublicIP = first.SubnetID, lo.FromPtr(first.AssociatePublicIP)
		if len(first.Groups) > 0 {
			s.Groups = first.Groups
		}
	}
	return s, nil
}

// check refuses what EC2 refuses before it looks at anything that exists, and what the emulator cannot do.
func (d launchData) check() error {
	if m := d.Market.MarketType; m != "" && m != string(world.Spot) {
		return awserr.InvalidValue("MarketType", m, "This emulator knows spot only.")
	}
	if p := d.CapacityReservation.Preference; !slices.Contains([]string{"", "none", "open", "capacity-reservations-only"}, p) {
		return awserr.InvalidValue("CapacityReservationPreference", p, "")
	}
	if t := d.Placement.Tenancy; !slices.Contains([]string{"", "default", "dedicated"}, t) {
		return awserr.InvalidValue("Tenancy", t, "This emulator knows default and dedicated only.")
	}
	for _, n := range d.NetworkInterfaces {
		if !slices.Contains([]string{"", "interface"}, n.InterfaceType) {
			return awserr.InvalidValue("InterfaceType", n.InterfaceType, "This emulator has plain interfaces only.")
		}
	}
	if len(d.NetworkInterfaces) > 1 {
		return awserr.New("InvalidParameterValue", "This emulator gives an instance one network interface, not %d.",
			len(d.NetworkInterfaces))
	}
	return nil
}
