package ec2

import (
	"strconv"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type describeInstanceTypesInput struct {
	listing
	InstanceTypes []string `q:"InstanceType"`
}

type describeInstanceTypesOutput struct {
	InstanceTypes []instanceType `xml:"instanceTypeSet>item"`
	more
}

type instanceType struct {
	InstanceType             string        `xml:"instanceType"`
	CurrentGeneration        bool          `xml:"currentGeneration"`
	FreeTierEligible         bool          `xml:"freeTierEligible"`
	UsageClasses             []string      `xml:"supportedUsageClasses>item"`
	RootDeviceTypes          []string      `xml:"supportedRootDeviceTypes>item"`
	VirtualizationTypes      []string      `xml:"supportedVirtualizationTypes>item"`
	BootModes                []string      `xml:"supportedBootModes>item"`
	BareMetal                bool          `xml:"bareMetal"`
	Hypervisor               string        `xml:"hypervisor,omitempty"`
	Processor                processorInfo `xml:"processorInfo"`
	VCPU                     vCPUInfo      `xml:"vCpuInfo"`
	MemoryMiB                int           `xml:"memoryInfo>sizeInMiB"`
	InstanceStorageSupported bool          `xml:"instanceStorageSupported"`
	EBS                      ebsInfo       `xml:"ebsInfo"`
	Network                  networkInfo   `xml:"networkInfo"`
	PlacementStrategies      []string      `xml:"placementGroupInfo>supportedStrategies>item"`
	HibernationSupported     bool          `xml:"hibernationSupported"`
	Burstable                bool          `xml:"burstablePerformanceSupported"`
	DedicatedHostsSupported  bool          `xml:"dedicatedHostsSupported"`
	AutoRecoverySupported    bool          `xml:"autoRecoverySupported"`
	NitroEnclavesSupport     string        `xml:"nitroEnclavesSupport"`
}

type processorInfo struct {
	Architectures []string `xml:"supportedArchitectures>item"`
	ClockGHz      float64  `xml:"sustainedClockSpeedInGhz"`
	Manufacturer  string   `xml:"manufacturer"`
}

type vCPUInfo struct {
	VCPUs   int `xml:"defaultVCpus"`
	Cores   int `xml:"defaultCores"`
	Threads int `xml:"defaultThreadsPerCore"`
}

type ebsInfo struct {
	OptimizedSupport  string `xml:"ebsOptimizedSupport"`
	EncryptionSupport string `xml:"encryptionSupport"`
	NVMeSupport       string `xml:"nvmeSupport"`
	BaselineMbps      int    `xml:"ebsOptimizedInfo>baselineBandwidthInMbps"`
	MaximumMbps       int    `xml:"ebsOptimizedInfo>maximumBandwidthInMbps"`
}

type networkInfo struct {
	Performance       string        `xml:"networkPerformance"`
	MaximumInterfaces int           `xml:"maximumNetworkInterfaces"`
	MaximumCards      int           `xml:"maximumNetworkCards"`
	DefaultCardIndex  int           `xml:"defaultNetworkCardIndex"`
	Cards             []networkCard `xml:"networkCards>item"`
	IPv4PerInterface  int           `xml:"ipv4AddressesPerInterface"`
	IPv6PerInterface  int           `xml:"ipv6AddressesPerInterface"`
	IPv6Supported     bool          `xml:"ipv6Supported"`
	ENASupport        string        `xml:"enaSupport"`
	EFASupported      bool          `xml:"efaSupported"`
	EncryptionInFlow  bool          `xml:"encryptionInTransitSupported"`
}

type networkCard struct {
	Index             int    `xml:"networkCardIndex"`
	Performance       string `xml:"networkPerformance"`
	MaximumInterfaces int    `xml:"maximumNetworkInterfaces"`
}

var instanceTypeFields = fields[world.InstanceType]{
	"instance-type":                         one(func(t world.InstanceType) string { return t.Name }),
	"processor-info.supported-architecture": one(func(t world.InstanceType) string { return t.Architecture }),
	"supported-virtualization-type":         func(world.InstanceType) []string { return []string{"hvm"} },
	"supported-usage-class":                 func(world.InstanceType) []string { return usageClasses },
	"supported-root-device-type":            func(world.InstanceType) []string { return []string{"ebs"} },
	"current-generation":                    func(world.InstanceType) []string { return []string{"true"} },
	"bare-metal":                            flag(func(t world.InstanceType) bool { return t.BareMetal }),
	"burstable-performance-supported":       flag(func(t world.InstanceType) bool { return t.Burstable }),
	"memory-info.size-in-mib":               one(func(t world.InstanceType) string { return strconv.Itoa(t.MemoryMiB) }),
	"vcpu-info.default-vcpus":               one(func(t world.InstanceType) string { return strconv.Itoa(t.VCPUs) }),
	"hypervisor": func(t world.InstanceType) []string {
		if t.BareMetal {
			return nil
		}
		return []string{"nitro"}
	},
}

var usageClasses = []string{"on-demand", "spot"}

func typeName(t world.InstanceType) string { return t.Name }

func (s service) describeInstanceTypes(in describeInstanceTypesInput) (*describeInstanceTypesOutput, error) {
	if err := exclusive(in.MaxResults, in.InstanceTypes, "instanceTypes"); err != nil {
		return nil, err
	}
	all, err := pick(s.w.InstanceTypes(), typeName, in.InstanceTypes, func(name string) error {
		return awserr.New("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
	})
	if err != nil {
		return nil, err
	}
	found, err := apply(in.Filters, all, instanceTypeFields, nil)
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(5, 100, 100), found, typeName, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeInstanceTypesOutput{InstanceTypes: lo.Map(page, describeType), more: more{next}}, nil
}

func describeType(t world.InstanceType, _ int) instanceType {
	threads := t.ThreadsPerCore()
	d := instanceType{
		InstanceType: t.Name, CurrentGeneration: true, UsageClasses: usageClasses, RootDeviceTypes: []string{"ebs"},
		VirtualizationTypes: []string{"hvm"}, BootModes: []string{"uefi"}, BareMetal: t.BareMetal, Hypervisor: "nitro",
		Processor: processorInfo{
			Architectures: []string{t.Architecture}, ClockGHz: t.ClockGHz, Manufacturer: t.Manufacturer,
		},
		VCPU:      vCPUInfo{VCPUs: t.VCPUs, Cores: t.VCPUs / threads, Threads: threads},
		MemoryMiB: t.MemoryMiB,
		EBS: ebsInfo{
			OptimizedSupport: "default", EncryptionSupport: "supported", NVMeSupport: "required",
			BaselineMbps: t.EBSMbps, MaximumMbps: t.EBSMbps,
		},
		Network: networkInfo{
			Performance: t.Network, MaximumInterfaces: t.ENIs, MaximumCards: 1, IPv4PerInterface: t.IPsPerENI,
			IPv6PerInterface: t.IPsPerENI, IPv6Supported: true, ENASupport: "required", EncryptionInFlow: true,
			Cards: []networkCard{{Performance: t.Network, MaximumInterfaces: t.ENIs}},
		},
		PlacementStrategies: []string{"partition", "spread"}, Burstable: t.Burstable, DedicatedHostsSupported: true,
		AutoRecoverySupported: !t.BareMetal, NitroEnclavesSupport: "unsupported",
	}
	if t.Architecture == "x86_64" {
		d.BootModes = []string{"legacy-bios", "uefi"}
	}
	if t.BareMetal {
		d.Hypervisor = ""
	}
	return d
}
