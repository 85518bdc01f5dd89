package world

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

// ImageFamily is the kind of operating system of an image.
type ImageFamily string

// The families that are published.
const (
	AL2          ImageFamily = "AL2"
	AL2023       ImageFamily = "AL2023"
	Bottlerocket ImageFamily = "Bottlerocket"
	CustomFamily ImageFamily = "Custom"
)

// Image is an AMI.
type Image struct {
	ID, Name string
	Family   ImageFamily
	// Architecture is x86_64 or arm64.
	Architecture string
	Created      time.Time
	// KubernetesVersion is the minor that the image is made for, empty for custom images.
	KubernetesVersion string
	// Generation counts from 1; custom images have 0.
	Generation int
	// Owner is an account id, OwnerAlias amazon for public images.
	Owner, OwnerAlias string
	// RootDevice is the root volume's device name.
	RootDevice string
	Tags       map[string]string
}

// deprecatedAfter is how long after its creation a public image becomes deprecated: AWS does so after two years.
const deprecatedAfter = 2 * 365 * 24 * time.Hour

// Deprecation is when the image becomes deprecated.
func (i Image) Deprecation() time.Time { return i.Created.Add(deprecatedAfter) }

// eksImageAccount and bottlerocketAccount own the public images in us-west-2 and elsewhere.
// Source: https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html and the Bottlerocket documentation.
const (
	eksImageAccount     = "602401143452"
	bottlerocketAccount = "092701018921"
)

// imageSpec is one line of images: a family's architecture and variant. %[1]s is the Kubernetes minor and %[2]s the
// release in the patterns.
type imageSpec struct {
	family       ImageFamily
	architecture string
	name         string
	// path is the public SSM parameter; its %[2]s is the version or what stands for the newest.
	path string
	// version is what the path has for a certain release, latest what it has for the newest.
	version, latest string
}

// imageSpecs are the EKS-optimized images. The parameters' names are those that Karpenter reads; sources:
// pkg/providers/amifamily/{al2,al2023,bottlerocket}.go of karpenter-provider-aws v0.36.2, v1.0.8 and v1.14.1.
var imageSpecs = []imageSpec{
	al2Spec("x86_64", "amazon-eks-node", ""),
	al2Spec("arm64", "amazon-eks-arm64-node", "-arm64"),
	al2Spec("x86_64", "amazon-eks-gpu-node", "-gpu"),
	al2023Spec("x86_64", "standard"), al2023Spec("x86_64", "nvidia"), al2023Spec("x86_64", "neuron"),
	al2023Spec("arm64", "standard"), al2023Spec("arm64", "nvidia"),
	bottlerocketSpec("x86_64", ""), bottlerocketSpec("x86_64", "-nvidia"),
	bottlerocketSpec("arm64", ""), bottlerocketSpec("arm64", "-nvidia"),
}

func al2Spec(arch, name, suffix string) imageSpec {
	full := name + "-%[1]s-v%[2]s"
	return imageSpec{
		family: AL2, architecture: arch, name: full, version: full, latest: "recommended",
		path: "/aws/service/eks/optimized-ami/%[1]s/amazon-linux-2" + suffix + "/%[2]s/image_id",
	}
}

func al2023Spec(arch, variant string) imageSpec {
	full := "amazon-eks-node-al2023-" + arch + "-" + variant + "-%[1]s-v%[2]s"
	return imageSpec{
		family: AL2023, architecture: arch, name: full, version: full, latest: "recommended",
		path: "/aws/service/eks/optimized-ami/%[1]s/amazon-linux-2023/" + arch + "/" + variant + "/%[2]s/image_id",
	}
}

func bottlerocketSpec(arch, variant string) imageSpec {
	return imageSpec{
		family: Bottlerocket, architecture: arch,
		name:    "bottlerocket-aws-k8s-%[1]s" + variant + "-" + arch + "-v%[2]s",
		version: "%[2]s", latest: "latest",
		path: "/aws/service/bottlerocket/aws-k8s-%[1]s" + variant + "/" + arch + "/%[2]s/image_id",
	}
}

// release is what the specification calls a generation: the date without dashes, or a Bottlerocket version.
func (s imageSpec) release(g Generation) string {
	if s.family == Bottlerocket {
		return g.Bottlerocket
	}
	return strings.ReplaceAll(g.Date, "-", "")
}

// image makes the image of a Kubernetes minor and generation (from 1). Its ID follows from its name.
func (s imageSpec) image(k8s string, generation int, g Generation, seed *Seed) Image {
	name := fmt.Sprintf(s.name, k8s, s.release(g))
	created, _ := time.Parse(dateLayout, g.Date) // Validate has read it before.
	img := Image{
		ID: imageID(name), Name: name, Family: s.family, Architecture: s.architecture, Created: created,
		KubernetesVersion: k8s, Generation: generation, OwnerAlias: "amazon", Owner: eksImageAccount,
		RootDevice: "/dev/xvda",
	}
	if s.family == Bottlerocket {
		img.Owner = bottlerocketAccount
	}
	if seed.Partition != "aws" {
		img.Owner = seed.Account
	}
	return img
}

// imageID derives an AMI ID from a name, so that it is the same in every sandbox.
func imageID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "ami-" + hex.EncodeToString(sum[:])[:17]
}

// publishImages expands the seed to all images and, for each generation, the public SSM parameters of that moment.
func publishImages(seed *Seed) (images map[string]Image, parameters []map[string]string) {
	images = map[string]Image{}
	parameters = make([]map[string]string, len(seed.Images.Generations))
	for n, g := range seed.Images.Generations {
		parameters[n] = map[string]string{}
		for _, k8s := range seed.Images.KubernetesVersions {
			for _, spec := range imageSpecs {
				if spec.family == AL2 && newer(k8s, seed.Images.AL2Through) {
					continue
				}
				img := spec.image(k8s, n+1, g, seed)
				images[img.ID] = img
				version := fmt.Sprintf(spec.version, k8s, spec.release(g))
				parameters[n][fmt.Sprintf(spec.path, k8s, version)] = img.ID
				parameters[n][fmt.Sprintf(spec.path, k8s, spec.latest)] = img.ID
			}
		}
	}
	for _, c := range seed.Images.Custom {
		created, _ := time.Parse(dateLayout, c.Date) // Validate has read it before.
		images[c.ID] = Image{
			ID: c.ID, Name: c.Name, Family: CustomFamily, Architecture: c.Architecture, Created: created,
			Owner: seed.Account, RootDevice: "/dev/xvda", Tags: c.Tags,
		}
	}
	return images, parameters
}

// newer tells whether a Kubernetes minor is newer than another.
func newer(a, b string) bool {
	x, _ := minor(a)
	y, _ := minor(b)
	return x > y
}

// match is wire.Match: patterns in the seed are those of EC2.
func match(pattern, s string) bool { return wire.Match(pattern, s) }
