package world

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// InstanceType is an EC2 instance type.
type InstanceType struct {
	// Name is for example m5.large.
	Name string
	// Architecture is x86_64 or arm64.
	Architecture string
	// Manufacturer of the processor: Intel, AMD or AWS.
	Manufacturer string
	// ClockGHz is the sustained clock speed.
	ClockGHz  float64
	VCPUs     int
	MemoryMiB int
	// ENIs is the number of network interfaces, IPsPerENI the number of IPv4 addresses on each.
	ENIs, IPsPerENI int
	// Network is the network performance in words, EBSMbps the maximum EBS bandwidth.
	Network string
	EBSMbps int
	// BareMetal types have no hypervisor, burstable ones CPU credits.
	BareMetal, Burstable bool
	// OnDemandPrice is in US dollars an hour.
	OnDemandPrice float64
}

// Pods is the number of pods that the AWS VPC CNI has addresses for, without prefix delegation.
// Source: eni-max-pods.txt of the EKS AMIs: ENIs * (addresses per ENI - 1) + 2.
func (t InstanceType) Pods() int { return t.ENIs*(t.IPsPerENI-1) + 2 }

// ThreadsPerCore is the number of vCPUs that share a core. Arm processors, and the smallest types, share none.
func (t InstanceType) ThreadsPerCore() int {
	if t.Architecture == "arm64" || t.VCPUs == 1 {
		return 1
	}
	return 2
}

// KubernetesArchitecture is the architecture in GOARCH terms.
func (t InstanceType) KubernetesArchitecture() string {
	if t.Architecture == "x86_64" {
		return "amd64"
	}
	return t.Architecture
}

// SpotPrice returns the spot price in a zone, in US dollars an hour: between 30 and 45 per cent of the on-demand price,
// fixed for each type and zone.
func (t InstanceType) SpotPrice(zone string) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name + "/" + zone)) // It never fails.
	return t.OnDemandPrice * (0.30 + 0.15*float64(h.Sum32()%1000)/1000)
}

// catalogFile is the form of catalog.yaml.
type catalogFile struct {
	// Sizes are the sizes that all families share.
	Sizes map[string]catalogSize `json:"sizes"`
	// Families are lists of types by family.
	Families []catalogFamily `json:"families"`
}

// catalogSize is what a size is made of.
type catalogSize struct {
	VCPUs     int    `json:"vcpus"`
	ENIs      int    `json:"enis"`
	IPsPerENI int    `json:"ipsPerENI"`
	Network   string `json:"network"`
	EBSMbps   int    `json:"ebsMbps"`
	// MemoryGiB and PriceFactor are for sizes that are not in proportion, such as t3.nano.
	MemoryGiB float64 `json:"memoryGiB,omitempty"`
	// VCPUsPriced is the number of vCPUs that the price is made of, where it is not VCPUs.
	VCPUsPriced float64 `json:"vcpusPriced,omitempty"`
}

// catalogFamily is a family such as m5.
type catalogFamily struct {
	Family       string  `json:"family"`
	Architecture string  `json:"architecture"`
	Manufacturer string  `json:"manufacturer"`
	ClockGHz     float64 `json:"clockGHz"`
	// GiBPerVCPU is the memory, PricePerVCPU the on-demand price in US dollars an hour, for each vCPU.
	GiBPerVCPU   float64 `json:"gibPerVCPU"`
	PricePerVCPU float64 `json:"pricePerVCPU"`
	Burstable    bool    `json:"burstable,omitempty"`
	// Sizes are names in catalogFile.Sizes.
	Sizes []string `json:"sizes"`
}

//go:embed catalog.yaml
var catalogYAML []byte

// loadCatalog expands the embedded catalogue to the instance types that fit one of the patterns, by name.
func loadCatalog(patterns []string) (map[string]InstanceType, error) {
	var f catalogFile
	if err := yaml.UnmarshalStrict(catalogYAML, &f); err != nil {
		return nil, fmt.Errorf("reading the instance type catalogue: %w", err)
	}
	types := map[string]InstanceType{}
	for _, fam := range f.Families {
		for _, size := range fam.Sizes {
			s, ok := f.Sizes[size]
			if !ok {
				return nil, fmt.Errorf("reading the instance type catalogue: %s has the unknown size %q", fam.Family, size)
			}
			if t := fam.expand(size, s); offered(t.Name, patterns) {
				types[t.Name] = t
			}
		}
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("the patterns %v fit no instance type of the catalogue", patterns)
	}
	return types, nil
}

// expand makes the type of a family and size. The part of a size's name before a slash is what it is called.
func (f catalogFamily) expand(size string, s catalogSize) InstanceType {
	name, _, _ := strings.Cut(size, "/")
	memory := f.GiBPerVCPU * float64(s.VCPUs)
	if s.MemoryGiB > 0 {
		memory = s.MemoryGiB
	}
	priced := float64(s.VCPUs)
	if s.VCPUsPriced > 0 {
		priced = s.VCPUsPriced
	}
	return InstanceType{
		Name: f.Family + "." + name, Architecture: f.Architecture, Manufacturer: f.Manufacturer, ClockGHz: f.ClockGHz,
		VCPUs: s.VCPUs, MemoryMiB: int(memory * 1024), ENIs: s.ENIs, IPsPerENI: s.IPsPerENI, Network: s.Network,
		EBSMbps: s.EBSMbps, BareMetal: strings.HasPrefix(name, "metal"), Burstable: f.Burstable,
		OnDemandPrice: f.PricePerVCPU * priced,
	}
}

// offered tells whether a type fits one of the patterns, or there are none.
func offered(name string, patterns []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}
