package ec2

import (
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type describeImagesInput struct {
	listing
	ImageIDs []string `q:"ImageId"`
	Owners   []string `q:"Owner"`
	// IncludeDeprecated and IncludeDisabled widen the answer by images of which the emulator hides none: deprecated
	// public images are left out of name searches by AWS only two years after their release.
	IncludeDeprecated bool `q:"IncludeDeprecated"`
	IncludeDisabled   bool `q:"IncludeDisabled"`
}

type describeImagesOutput struct {
	Images []image `xml:"imagesSet>item"`
	more
}

type image struct {
	ImageID            string               `xml:"imageId"`
	ImageLocation      string               `xml:"imageLocation"`
	State              string               `xml:"imageState"`
	OwnerID            string               `xml:"imageOwnerId"`
	OwnerAlias         string               `xml:"imageOwnerAlias,omitempty"`
	Public             bool                 `xml:"isPublic"`
	CreationDate       wire.Time            `xml:"creationDate"`
	DeprecationTime    wire.Time            `xml:"deprecationTime"`
	Architecture       string               `xml:"architecture"`
	ImageType          string               `xml:"imageType"`
	Name               string               `xml:"name"`
	Description        string               `xml:"description,omitempty"`
	RootDeviceType     string               `xml:"rootDeviceType"`
	RootDeviceName     string               `xml:"rootDeviceName"`
	BlockDevices       []blockDeviceMapping `xml:"blockDeviceMapping>item"`
	VirtualizationType string               `xml:"virtualizationType"`
	Hypervisor         string               `xml:"hypervisor"`
	PlatformDetails    string               `xml:"platformDetails"`
	UsageOperation     string               `xml:"usageOperation"`
	ENASupport         bool                 `xml:"enaSupport"`
	BootMode           string               `xml:"bootMode"`
	Tags               []tag                `xml:"tagSet>item"`
}

type blockDeviceMapping struct {
	DeviceName string `xml:"deviceName"`
	EBS        ebs    `xml:"ebs"`
}

type ebs struct {
	DeleteOnTermination bool   `xml:"deleteOnTermination"`
	VolumeSize          int    `xml:"volumeSize"`
	VolumeType          string `xml:"volumeType"`
	Encrypted           bool   `xml:"encrypted"`
}

var imageFields = fields[world.Image]{
	"image-id":            one(func(i world.Image) string { return i.ID }),
	"name":                one(func(i world.Image) string { return i.Name }),
	"architecture":        one(func(i world.Image) string { return i.Architecture }),
	"owner-id":            one(func(i world.Image) string { return i.Owner }),
	"owner-alias":         one(func(i world.Image) string { return i.OwnerAlias }),
	"root-device-name":    one(func(i world.Image) string { return i.RootDevice }),
	"creation-date":       one(func(i world.Image) string { return i.Created.UTC().Format("2006-01-02T15:04:05.000Z") }),
	"is-public":           flag(func(i world.Image) bool { return i.OwnerAlias != "" }),
	"state":               func(world.Image) []string { return []string{"available"} },
	"image-type":          func(world.Image) []string { return []string{"machine"} },
	"root-device-type":    func(world.Image) []string { return []string{"ebs"} },
	"virtualization-type": func(world.Image) []string { return []string{"hvm"} },
	"hypervisor":          func(world.Image) []string { return []string{"xen"} },
}

func (s service) describeImages(in describeImagesInput) (*describeImagesOutput, error) {
	id := func(i world.Image) string { return i.ID }
	all, err := pick(s.w.Images(), id, in.ImageIDs, func(id string) error {
		return awserr.New("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	owned := lo.Filter(all, func(i world.Image, _ int) bool { return s.ownedBy(i, in.Owners) })
	found, err := apply(in.Filters, owned, imageFields, func(i world.Image) map[string]string { return i.Tags })
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(1, 1000, 1000), found, id, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeImagesOutput{Images: lo.Map(page, describeImage), more: more{next}}, nil
}

// ownedBy tells whether an image belongs to one of the owners: account ids, aliases, or self.
func (s service) ownedBy(i world.Image, owners []string) bool {
	return len(owners) == 0 || slices.ContainsFunc(owners, func(o string) bool {
		return o == i.Owner || o == i.OwnerAlias || o == "self" && i.Owner == s.w.Seed().Account
	})
}

func describeImage(i world.Image, _ int) image {
	d := image{
		ImageID: i.ID, ImageLocation: i.Owner + "/" + i.Name, State: "available", OwnerID: i.Owner, OwnerAlias: i.OwnerAlias,
		Public: i.OwnerAlias != "", CreationDate: wire.Time{Time: i.Created}, DeprecationTime: wire.Time{Time: i.Deprecation()},
		Architecture: i.Architecture, ImageType: "machine", Name: i.Name, RootDeviceType: "ebs", RootDeviceName: i.RootDevice,
		BlockDevices: []blockDeviceMapping{{
			DeviceName: i.RootDevice, EBS: ebs{DeleteOnTermination: true, VolumeSize: 20, VolumeType: "gp3"},
		}},
		VirtualizationType: "hvm", Hypervisor: "xen", PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
		ENASupport: true, BootMode: "uefi-preferred", Tags: tagList(i.Tags),
	}
	if i.KubernetesVersion != "" {
		d.Description = "EKS-optimized " + string(i.Family) + " for Kubernetes " + i.KubernetesVersion
	}
	return d
}
