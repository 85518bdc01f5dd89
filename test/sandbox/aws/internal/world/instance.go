package world

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// InstanceState is the state of an EC2 instance.
type InstanceState string

// The states that an instance of the emulator can be in.
const (
	Pending      InstanceState = "pending"
	Running      InstanceState = "running"
	ShuttingDown InstanceState = "shutting-down"
	Terminated   InstanceState = "terminated"
)

// Code returns the number that EC2 gives with a state.
func (s InstanceState) Code() int {
	return map[InstanceState]int{Pending: 0, Running: 16, ShuttingDown: 32, Terminated: 48}[s]
}

// CapacityType is how an instance is paid for.
type CapacityType string

// The capacity types that exist.
const (
	OnDemand CapacityType = "on-demand"
	Spot     CapacityType = "spot"
)

// Instance is a copy of an EC2 instance at one moment.
type Instance struct {
	ID            string
	ReservationID string
	Type          InstanceType
	CapacityType  CapacityType
	// SpotRequestID is empty for on-demand instances.
	SpotRequestID string
	State         InstanceState
	// StateReason says why it was terminated; it is empty before.
	StateReason StateReason
	Image       Image
	Zone        Zone
	Region      string
	Subnet      Subnet
	// SecurityGroups are the groups of the primary network interface.
	SecurityGroups []SecurityGroup
	// Profile is the instance profile, with its ARN and ID; nil without one.
	Profile *ProfileRef
	// PrivateIP is freed when the instance is terminated.
	PrivateIP      netip.Addr
	PrivateDNSName string
	// InterfaceID is the primary network interface.
	InterfaceID string
	// Volumes are the disks, the root volume first.
	Volumes    []Volume
	LaunchTime time.Time
	// UserData is decoded from base64.
	UserData []byte
	// Options are what the launch asked of metadata service, monitoring, placement and disks.
	Options LaunchOptions
	Tags    map[string]string
	Health  Health
	// Booted is set once the instance was handed to the Booter.
	Booted bool
	// Principal is the access key id that launched it.
	Principal string
}

// StateReason says why an instance was terminated, in the three ways that EC2 says it.
type StateReason struct{ Code, Message, Transition string }

// ProfileRef refers to an instance profile. Role is the name of the role that it had at the launch, empty for none.
type ProfileRef struct{ ARN, ID, Name, Role string }

// LaunchOptions are the parts of a launch that the emulator only keeps and describes.
type LaunchOptions struct {
	KeyName            string
	DetailedMonitoring bool
	EBSOptimized       bool
	Tenancy            string
	HTTPEndpoint       string
	HTTPTokens         string
	HopLimit           int
	HTTPProtocolIPv6   string
	MetadataTags       string
	EnclaveEnabled     bool
	PublicIP           bool
	CapacityPreference string
	// CapacityReservation and PlacementGroup name what the account does not have: a launch with them is refused.
	CapacityReservation string
	PlacementGroup      string
}

// over returns the options with the gaps filled from a template's.
func (o LaunchOptions) over(t LaunchOptions) LaunchOptions {
	return LaunchOptions{
		KeyName:             cmp.Or(o.KeyName, t.KeyName),
		DetailedMonitoring:  cmp.Or(o.DetailedMonitoring, t.DetailedMonitoring),
		EBSOptimized:        cmp.Or(o.EBSOptimized, t.EBSOptimized),
		Tenancy:             cmp.Or(o.Tenancy, t.Tenancy),
		HTTPEndpoint:        cmp.Or(o.HTTPEndpoint, t.HTTPEndpoint),
		HTTPTokens:          cmp.Or(o.HTTPTokens, t.HTTPTokens),
		HopLimit:            cmp.Or(o.HopLimit, t.HopLimit),
		HTTPProtocolIPv6:    cmp.Or(o.HTTPProtocolIPv6, t.HTTPProtocolIPv6),
		MetadataTags:        cmp.Or(o.MetadataTags, t.MetadataTags),
		EnclaveEnabled:      cmp.Or(o.EnclaveEnabled, t.EnclaveEnabled),
		PublicIP:            cmp.Or(o.PublicIP, t.PublicIP),
		CapacityPreference:  cmp.Or(o.CapacityPreference, t.CapacityPreference),
		CapacityReservation: cmp.Or(o.CapacityReservation, t.CapacityReservation),
		PlacementGroup:      cmp.Or(o.PlacementGroup, t.PlacementGroup),
	}
}

// Volume is a disk of an instance.
type Volume struct{ Device, ID string }

// Health is what status checks and scheduled events say of an instance.
type Health struct {
	InstanceImpaired, SystemImpaired bool
	// Event is the code of a scheduled event, empty for none.
	Event string
	// Since is when the health was set.
	Since time.Time
}

// clone returns a copy that shares nothing that changes.
func (i Instance) clone() Instance {
	i.Tags = maps.Clone(i.Tags)
	i.SecurityGroups = slices.Clone(i.SecurityGroups)
	i.UserData = slices.Clone(i.UserData)
	i.Volumes = slices.Clone(i.Volumes)
	return i
}

// Booter makes cluster nodes of instances. Its calls come from a goroutine per instance, never under a lock, in the
// order Boot, Shutdown.
type Booter interface {
	// Boot is called when an instance has run for the launch delay, with the instance as it was launched. On an error
	// it is called again, a second later, until it succeeds or the instance is terminated; so it must bear being
	// repeated. The context ends when the instance is terminated or the server closes.
	Boot(ctx context.Context, instance Instance) error
	// Shutdown is called once an instance for which Boot was called is terminated. On an error it is called again, a
	// second later, until it succeeds. The context ends when the server closes.
	Shutdown(ctx context.Context, instance Instance) error
}

// noBooter is used without a Booter: instances run and no node appears.
type noBooter struct{}

func (noBooter) Boot(context.Context, Instance) error     { return nil }
func (noBooter) Shutdown(context.Context, Instance) error { return nil }
