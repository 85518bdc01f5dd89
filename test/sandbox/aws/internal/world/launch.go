package world

import (
	"strings"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// launch is a LaunchSpec with everything in it found.
type launch struct {
	spec    LaunchSpec
	kind    InstanceType
	image   Image
	subnet  *subnet
	groups  []SecurityGroup
	profile *ProfileRef
}

// resolve finds what a spec names, and refuses what EC2 refuses.
func (w *World) resolve(s LaunchSpec) (launch, error) {
	kind, err := w.resolveType(s.InstanceType)
	if err != nil {
		return launch{}, err
	}
	image, err := w.resolveImage(s.ImageID)
	if err != nil {
		return launch{}, err
	}
	if kind.Architecture != image.Architecture {
		return launch{}, awserr.New("InvalidParameterValue", "The architecture '%s' of the specified instance type does not "+
			"match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching "+
			"architectures, and try again.", kind.Architecture, image.Architecture)
	}
	sn, err := w.resolveSubnet(s.SubnetID, s.Zone)
	if err != nil {
		return launch{}, err
	}
	groups, err := w.groups(s.Groups)
	if err != nil {
		return launch{}, err
	}
	profile, err := w.resolveProfile(s.ProfileName, s.ProfileARN)
	if err != nil {
		return launch{}, err
	}
	if s.PlacementGroup != "" {
		return launch{}, awserr.New("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", s.PlacementGroup)
	}
	if s.CapacityReservation != "" || s.CapacityPreference == "capacity-reservations-only" {
		return launch{}, awserr.New("InvalidCapacityReservationId.NotFound",
			"The capacity reservation '%s' does not exist", s.CapacityReservation)
	}
	return launch{spec: s, kind: kind, image: image, subnet: sn, groups: groups, profile: profile}, nil
}

func (w *World) resolveType(name string) (InstanceType, error) {
	if name == "" {
		return InstanceType{}, awserr.MissingParameter("InstanceType")
	}
	t, ok := w.types[name]
	if !ok {
		return InstanceType{}, awserr.New("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
	}
	return t, nil
}

func (w *World) resolveImage(id string) (Image, error) {
	if id == "" {
		return Image{}, awserr.MissingParameter("ImageId")
	}
	if !strings.HasPrefix(id, "ami-") {
		return Image{}, awserr.New("InvalidAMIID.Malformed", "Invalid id: \"%s\" (expecting \"ami-...\")", id)
	}
	img, ok := w.images[id]
	if !ok || !w.published(img) {
		return Image{}, awserr.New("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	}
	return img, nil
}

func (w *World) resolveSubnet(id, zone string) (*subnet, error) {
	if id == "" {
		return nil, awserr.New("VPCIdNotSpecified", "No default VPC for this user. Specify a subnet.")
	}
	sn, ok := w.subnets[id]
	if !ok {
		return nil, awserr.New("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
	}
	if zone != "" && zone != sn.Zone {
		return nil, awserr.New("InvalidParameterValue", "The subnet %s is in the Availability Zone %s and not in %s.",
			id, sn.Zone, zone)
	}
	return sn, nil
}

// start makes one instance, if its pool has capacity and its subnet an address.
func (w *World) start(l launch, reservation, principal string) (*instance, error) {
	ct := l.capacityType()
	if err := w.capacity(l.kind.Name, l.subnet.Zone, ct); err != nil {
		return nil, err
	}
	addr, ok := l.subnet.take()
	if !ok {
		return nil, awserr.New("InsufficientFreeAddressesInSubnet",
			"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", l.subnet.ID)
	}
	i := &instance{
		launchDelay: w.settings.LaunchDelay.Duration, pendingDelay: w.settings.PendingDelay.Duration,
		Instance: Instance{
			ID: newID("i-", 17), ReservationID: reservation, Type: l.kind, CapacityType: ct, State: Pending, Image: l.image,
			Zone: w.zone(l.subnet.Zone), Region: w.seed.Region, Subnet: l.subnet.Subnet, SecurityGroups: l.groups,
			Profile: l.profile, PrivateIP: addr, PrivateDNSName: w.seed.privateDNSName(addr), InterfaceID: newID("eni-", 17),
			LaunchTime: w.clk.Now(), UserData: l.spec.UserData, Options: l.spec.LaunchOptions,
			Principal: principal,
		},
	}
	if ct == Spot {
		i.SpotRequestID = newID("sir-", 8)
		w.register(i.SpotRequestID, "spot-instances-request", l.spec.Tags["spot-instances-request"])
	}
	w.register(i.ID, "instance", l.spec.Tags["instance"])
	for _, device := range l.devices() {
		v := Volume{Device: device, ID: newID("vol-", 17)}
		w.register(v.ID, "volume", l.spec.Tags["volume"])
		i.Volumes = append(i.Volumes, v)
	}
	w.register(i.InterfaceID, "network-interface", l.spec.Tags["network-interface"])
	w.instances[i.ID] = i
	w.bear(i)
	return i, nil
}

// devices are the device names of the disks.
func (l launch) devices() []string {
	if len(l.spec.BlockDevices) > 0 {
		return l.spec.BlockDevices
	}
	return []string{l.image.RootDevice}
}

// capacityType is the market of the launch.
func (l launch) capacityType() CapacityType { return lo.CoalesceOrEmpty(l.spec.Market, OnDemand) }

// RunInput is the input of RunInstances.
type RunInput struct {
	// TemplateID or TemplateName name a launch template whose values fill the gaps of Spec.
	TemplateID, TemplateName, TemplateVersion string
	Spec                                      LaunchSpec
	Min, Max                                  int
	Token, Params, Principal                  string
	DryRun                                    bool
}

// RunInstances launches between Min and Max instances of one kind, or none with an error.
func (w *World) RunInstances(in RunInput) ([]Instance, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return once(w.tokens, "RunInstances", in.Token, in.Params, func() ([]Instance, error) { return w.runInstances(in) })
}

func (w *World) runInstances(in RunInput) ([]Instance, error) {
	if in.Min < 1 || in.Max < in.Min {
		return nil, awserr.New("InvalidParameterValue", "MinCount (%d) and MaxCount (%d) must be 1 or more, in order", in.Min, in.Max)
	}
	if err := checkAllTags(in.Spec.Tags); err != nil {
		return nil, err
	}
	spec, err := w.withTemplate(in)
	if err != nil {
		return nil, err
	}
	l, err := w.resolve(spec)
	if err != nil {
		return nil, err
	}
	if l.subnet.free() < in.Min {
		return nil, awserr.New("InsufficientFreeAddressesInSubnet",
			"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", l.subnet.ID)
	}
	if in.DryRun {
		return nil, awserr.DryRun()
	}
	var out []Instance
	reservation := newID("r-", 17)
	for range in.Max {
		// After the minimum, which is sure of its addresses, a lack of room ends the launch without an error.
		i, err := w.start(l, reservation, in.Principal)
		if err != nil {
			if len(out) >= in.Min {
				break
			}
			return nil, err
		}
		out = append(out, w.view(i))
	}
	return out, nil
}

// withTemplate fills the gaps of a spec from the launch template that a call names, if it names one.
func (w *World) withTemplate(in RunInput) (LaunchSpec, error) {
	if in.TemplateID == "" && in.TemplateName == "" {
		return in.Spec, nil
	}
	t, err := w.template(in.TemplateID, in.TemplateName)
	if err != nil {
		return LaunchSpec{}, err
	}
	if err := t.version(in.TemplateVersion); err != nil {
		return LaunchSpec{}, err
	}
	spec := in.Spec.over(t.Spec)
	spec.Tags = t.stamp(spec.Tags)
	return spec, nil
}

// stamp adds the tags by which EC2 says which template an instance came from.
func (t *LaunchTemplate) stamp(tags map[string]map[string]string) map[string]map[string]string {
	return lo.Assign(tags, map[string]map[string]string{"instance": lo.Assign(tags["instance"], map[string]string{
		"aws:ec2launchtemplate:id": t.ID, "aws:ec2launchtemplate:version": "1",
	})})
}
