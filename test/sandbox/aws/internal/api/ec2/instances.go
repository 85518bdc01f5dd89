package ec2

import (
	"strconv"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type describeInstancesInput struct {
	listing
	InstanceIDs []string `q:"InstanceId"`
}

type describeInstancesOutput struct {
	Reservations []reservation `xml:"reservationSet>item"`
	more
}

type reservation struct {
	ReservationID string     `xml:"reservationId"`
	OwnerID       string     `xml:"ownerId"`
	Instances     []instance `xml:"instancesSet>item"`
}

type instance struct {
	InstanceID          string              `xml:"instanceId"`
	ImageID             string              `xml:"imageId"`
	State               instanceState       `xml:"instanceState"`
	PrivateDNSName      string              `xml:"privateDnsName"`
	PublicDNSName       string              `xml:"dnsName"`
	TransitionReason    string              `xml:"reason"`
	KeyName             string              `xml:"keyName,omitempty"`
	AMILaunchIndex      int                 `xml:"amiLaunchIndex"`
	InstanceType        string              `xml:"instanceType"`
	LaunchTime          wire.Time           `xml:"launchTime"`
	Placement           placement           `xml:"placement"`
	Monitoring          string              `xml:"monitoring>state"`
	SubnetID            string              `xml:"subnetId,omitempty"`
	VPCID               string              `xml:"vpcId,omitempty"`
	PrivateIP           string              `xml:"privateIpAddress,omitempty"`
	SourceDestCheck     bool                `xml:"sourceDestCheck"`
	Groups              []groupID           `xml:"groupSet>item"`
	StateReason         *stateReason        `xml:"stateReason,omitempty"`
	Architecture        string              `xml:"architecture"`
	RootDeviceType      string              `xml:"rootDeviceType"`
	RootDeviceName      string              `xml:"rootDeviceName"`
	BlockDevices        []attachedVolume    `xml:"blockDeviceMapping>item"`
	VirtualizationType  string              `xml:"virtualizationType"`
	Lifecycle           string              `xml:"instanceLifecycle,omitempty"`
	SpotRequestID       string              `xml:"spotInstanceRequestId,omitempty"`
	Hypervisor          string              `xml:"hypervisor"`
	NetworkInterfaces   []attachedInterface `xml:"networkInterfaceSet>item"`
	Profile             *attachedProfile    `xml:"iamInstanceProfile,omitempty"`
	EBSOptimized        bool                `xml:"ebsOptimized"`
	ENASupport          bool                `xml:"enaSupport"`
	CPU                 cpuOptions          `xml:"cpuOptions"`
	CapacityReservation capacityPreference  `xml:"capacityReservationSpecification"`
	Metadata            metadataDescription `xml:"metadataOptions"`
	EnclaveEnabled      bool                `xml:"enclaveOptions>enabled"`
	PlatformDetails     string              `xml:"platformDetails"`
	UsageOperation      string              `xml:"usageOperation"`
	Tags                []tag               `xml:"tagSet>item"`
}

type placement struct {
	AvailabilityZone   string `xml:"availabilityZone"`
	AvailabilityZoneID string `xml:"availabilityZoneId"`
	GroupName          string `xml:"groupName"`
	Tenancy            string `xml:"tenancy"`
}

type groupID struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type stateReason struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

type attachedVolume struct {
	DeviceName string `xml:"deviceName"`
	EBS        volume `xml:"ebs"`
}

type volume struct {
	VolumeID            string    `xml:"volumeId"`
	Status              string    `xml:"status"`
	AttachTime          wire.Time `xml:"attachTime"`
	DeleteOnTermination bool      `xml:"deleteOnTermination"`
}

type attachedInterface struct {
	ID              string      `xml:"networkInterfaceId"`
	SubnetID        string      `xml:"subnetId"`
	VPCID           string      `xml:"vpcId"`
	OwnerID         string      `xml:"ownerId"`
	Status          string      `xml:"status"`
	InterfaceType   string      `xml:"interfaceType"`
	PrivateIP       string      `xml:"privateIpAddress"`
	PrivateDNSName  string      `xml:"privateDnsName"`
	SourceDestCheck bool        `xml:"sourceDestCheck"`
	Groups          []groupID   `xml:"groupSet>item"`
	Attachment      attachment  `xml:"attachment"`
	PrivateIPs      []privateIP `xml:"privateIpAddressesSet>item"`
}

type attachment struct {
	ID                  string    `xml:"attachmentId"`
	DeviceIndex         int       `xml:"deviceIndex"`
	CardIndex           int       `xml:"networkCardIndex"`
	Status              string    `xml:"status"`
	AttachTime          wire.Time `xml:"attachTime"`
	DeleteOnTermination bool      `xml:"deleteOnTermination"`
}

type privateIP struct {
	Address string `xml:"privateIpAddress"`
	DNSName string `xml:"privateDnsName"`
	Primary bool   `xml:"primary"`
}

type attachedProfile struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

type cpuOptions struct {
	Cores   int `xml:"coreCount"`
	Threads int `xml:"threadsPerCore"`
}

type capacityPreference struct {
	Preference string `xml:"capacityReservationPreference"`
}

type metadataDescription struct {
	State            string `xml:"state"`
	HTTPTokens       string `xml:"httpTokens"`
	HopLimit         int    `xml:"httpPutResponseHopLimit"`
	HTTPEndpoint     string `xml:"httpEndpoint"`
	HTTPProtocolIPv6 string `xml:"httpProtocolIpv6"`
	InstanceTags     string `xml:"instanceMetadataTags"`
}

// instanceFields has the filters of DescribeInstances.
func (s service) instanceFields() fields[world.Instance] {
	return fields[world.Instance]{
		"instance-id":          one(func(i world.Instance) string { return i.ID }),
		"instance-state-name":  one(func(i world.Instance) string { return string(i.State) }),
		"instance-state-code":  one(func(i world.Instance) string { return strconv.Itoa(i.State.Code()) }),
		"instance-type":        one(func(i world.Instance) string { return i.Type.Name }),
		"image-id":             one(func(i world.Instance) string { return i.Image.ID }),
		"architecture":         one(func(i world.Instance) string { return i.Image.Architecture }),
		"availability-zone":    one(func(i world.Instance) string { return i.Zone.Name }),
		"availability-zone-id": one(func(i world.Instance) string { return i.Zone.ID }),
		"subnet-id":            one(func(i world.Instance) string { return i.Subnet.ID }),
		"vpc-id":               func(world.Instance) []string { return []string{s.w.Seed().VPC.ID} },
		"private-dns-name":     one(func(i world.Instance) string { return i.PrivateDNSName }),
		"private-ip-address":   one(func(i world.Instance) string { return i.PrivateIP.String() }),
		"reservation-id":       one(func(i world.Instance) string { return i.ReservationID }),
		"instance.group-id": func(i world.Instance) []string {
			return lo.Map(i.SecurityGroups, func(g world.SecurityGroup, _ int) string { return g.ID })
		},
		"instance-lifecycle": func(i world.Instance) []string {
			if i.CapacityType != world.Spot {
				return nil
			}
			return []string{"spot"}
		},
		"iam-instance-profile.arn": func(i world.Instance) []string {
			if i.Profile == nil {
				return nil
			}
			return []string{i.Profile.ARN}
		},
	}
}

func (s service) describeInstances(in describeInstancesInput) (*describeInstancesOutput, error) {
	if err := exclusive(in.MaxResults, in.InstanceIDs, "instancesSet"); err != nil {
		return nil, err
	}
	all, err := s.w.Instances(in.InstanceIDs)
	if err != nil {
		return nil, err
	}
	found, err := apply(in.Filters, all, s.instanceFields(), func(i world.Instance) map[string]string { return i.Tags })
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(5, 1000, 1000), found, func(i world.Instance) string { return i.ID },
		in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeInstancesOutput{Reservations: s.reservations(page), more: more{next}}, nil
}

// reservations groups instances by the launch that made them, in the order given.
func (s service) reservations(instances []world.Instance) []reservation {
	var out []reservation
	at := map[string]int{}
	for _, i := range instances {
		n, seen := at[i.ReservationID]
		if !seen {
			n = len(out)
			at[i.ReservationID] = n
			out = append(out, reservation{ReservationID: i.ReservationID, OwnerID: s.w.Seed().Account})
		}
		out[n].Instances = append(out[n].Instances, s.instance(i, len(out[n].Instances)))
	}
	return out
}

// instance describes an instance. A terminated one has neither network nor disks.
func (s service) instance(i world.Instance, index int) instance {
	d := instance{
		InstanceID: i.ID, ImageID: i.Image.ID, State: describeState(i.State), TransitionReason: i.StateReason.Transition,
		KeyName: i.Options.KeyName, AMILaunchIndex: index, InstanceType: i.Type.Name, LaunchTime: wire.Time{Time: i.LaunchTime},
		Placement: placement{
			AvailabilityZone: i.Zone.Name, AvailabilityZoneID: i.Zone.ID, Tenancy: lo.CoalesceOrEmpty(i.Options.Tenancy, "default"),
		},
		Monitoring: lo.Ternary(i.Options.DetailedMonitoring, "enabled", "disabled"), SourceDestCheck: true,
		Architecture: i.Image.Architecture, RootDeviceType: "ebs", RootDeviceName: i.Image.RootDevice,
		VirtualizationType: "hvm", SpotRequestID: i.SpotRequestID, Hypervisor: "xen", EBSOptimized: i.Options.EBSOptimized,
		ENASupport: true, CPU: cpuOptions{Cores: i.Type.VCPUs / i.Type.ThreadsPerCore(), Threads: i.Type.ThreadsPerCore()},
		CapacityReservation: capacityPreference{Preference: lo.CoalesceOrEmpty(i.Options.CapacityPreference, "open")},
		Metadata:            describeMetadata(i), EnclaveEnabled: i.Options.EnclaveEnabled, PlatformDetails: "Linux/UNIX",
		UsageOperation: "RunInstances", Tags: tagList(i.Tags),
	}
	if i.CapacityType == world.Spot {
		d.Lifecycle = "spot"
	}
	if i.Profile != nil {
		d.Profile = &attachedProfile{ARN: i.Profile.ARN, ID: i.Profile.ID}
	}
	if i.StateReason.Code != "" {
		d.StateReason = &stateReason{Code: i.StateReason.Code, Message: i.StateReason.Message}
	}
	if i.State != world.Terminated {
		s.attach(&d, i)
	}
	return d
}

// attach describes the network and the disks of an instance.
func (s service) attach(d *instance, i world.Instance) {
	seed := s.w.Seed()
	d.SubnetID, d.VPCID, d.PrivateIP, d.PrivateDNSName = i.Subnet.ID, seed.VPC.ID, i.PrivateIP.String(), i.PrivateDNSName
	d.Groups = lo.Map(i.SecurityGroups, func(g world.SecurityGroup, _ int) groupID { return groupID{ID: g.ID, Name: g.Name} })
	at := wire.Time{Time: i.LaunchTime}
	d.BlockDevices = lo.Map(i.Volumes, func(v world.Volume, _ int) attachedVolume {
		return attachedVolume{
			DeviceName: v.Device,
			EBS:        volume{VolumeID: v.ID, Status: "attached", AttachTime: at, DeleteOnTermination: true},
		}
	})
	d.NetworkInterfaces = []attachedInterface{{
		ID: i.InterfaceID, SubnetID: i.Subnet.ID, VPCID: seed.VPC.ID, OwnerID: seed.Account, Status: "in-use",
		InterfaceType: "interface", PrivateIP: d.PrivateIP, PrivateDNSName: d.PrivateDNSName, SourceDestCheck: true,
		Groups: d.Groups,
		Attachment: attachment{
			ID: "eni-attach-" + i.InterfaceID[len("eni-"):], Status: "attached", AttachTime: at, DeleteOnTermination: true,
		},
		PrivateIPs: []privateIP{{Address: d.PrivateIP, DNSName: d.PrivateDNSName, Primary: true}},
	}}
}

func describeMetadata(i world.Instance) metadataDescription {
	o := i.Options
	return metadataDescription{
		State: "applied", HTTPTokens: lo.CoalesceOrEmpty(o.HTTPTokens, "required"), HopLimit: max(1, o.HopLimit),
		HTTPEndpoint:     lo.CoalesceOrEmpty(o.HTTPEndpoint, "enabled"),
		HTTPProtocolIPv6: lo.CoalesceOrEmpty(o.HTTPProtocolIPv6, "disabled"),
		InstanceTags:     lo.CoalesceOrEmpty(o.MetadataTags, "disabled"),
	}
}
