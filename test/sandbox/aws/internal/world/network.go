package world

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// reservedAddresses is the number of addresses in each subnet that AWS keeps: the first four and the last one.
const reservedAddresses = 5

// subnet is a subnet and the addresses taken in it.
type subnet struct {
	Subnet
	cidr netip.Prefix
	used map[netip.Addr]bool
	// next is where the search for a free address goes on, so that an address rests before it comes again.
	next netip.Addr
}

func newSubnet(s Subnet) *subnet {
	cidr := netip.MustParsePrefix(s.CIDR).Masked() // Validate has read it before.
	sn := &subnet{Subnet: s, cidr: cidr, used: map[netip.Addr]bool{}}
	sn.next = sn.first()
	return sn
}

// first is the first address that an instance can have.
func (s *subnet) first() netip.Addr {
	a := s.cidr.Addr()
	for range reservedAddresses - 1 {
		a = a.Next()
	}
	return a
}

// free is the number of addresses left.
func (s *subnet) free() int {
	return max(0, 1<<(32-s.cidr.Bits())-reservedAddresses-s.UsedIPs-len(s.used))
}

// take reserves an address; false if there is none.
func (s *subnet) take() (netip.Addr, bool) {
	if s.free() == 0 {
		return netip.Addr{}, false
	}
	for {
		a := s.next
		s.next = a.Next()
		// The last address of the subnet is reserved too: its successor is outside.
		if !s.cidr.Contains(s.next) {
			s.next = s.first()
			continue
		}
		if !s.used[a] {
			s.used[a] = true
			return a, true
		}
	}
}

func (s *subnet) release(a netip.Addr) { delete(s.used, a) }

// SubnetView is a subnet as it is at one moment.
type SubnetView struct {
	Subnet
	Zone Zone
	// FreeIPs is the number of addresses left.
	FreeIPs int
}

// Subnets returns all subnets.
func (w *World) Subnets() []SubnetView {
	w.mu.Lock()
	defer w.mu.Unlock()
	return lo.MapToSlice(w.subnets, func(id string, s *subnet) SubnetView {
		view := SubnetView{Subnet: s.Subnet, Zone: w.zone(s.Zone), FreeIPs: s.free()}
		view.Tags = w.tagsOf(id)
		return view
	})
}

// SecurityGroups returns all security groups.
func (w *World) SecurityGroups() []SecurityGroup {
	w.mu.Lock()
	defer w.mu.Unlock()
	return lo.Map(w.seed.SecurityGroups, func(g SecurityGroup, _ int) SecurityGroup {
		g.Tags = w.tagsOf(g.ID)
		return g
	})
}

// VPCs returns all VPCs.
func (w *World) VPCs() []VPC {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.seed.VPC
	v.Tags = w.tagsOf(v.ID)
	return []VPC{v}
}

// zone finds a zone by name.
func (w *World) zone(name string) Zone {
	z, _ := lo.Find(w.seed.Zones, func(z Zone) bool { return z.Name == name })
	return z
}

// groups finds security groups by ID, or by name where no ID fits.
func (w *World) groups(refs []string) ([]SecurityGroup, error) {
	var out []SecurityGroup
	for _, ref := range refs {
		g, ok := lo.Find(w.seed.SecurityGroups, func(g SecurityGroup) bool { return g.ID == ref || g.Name == ref })
		if !ok {
			return nil, awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist", ref)
		}
		out = append(out, g)
	}
	return out, nil
}

// privateDNSName is the name that AWS gives an address by default.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html.
func (s *Seed) privateDNSName(a netip.Addr) string {
	host := "ip-" + strings.ReplaceAll(a.String(), ".", "-")
	if s.Region == "us-east-1" {
		return host + ".ec2.internal"
	}
	return fmt.Sprintf("%s.%s.compute.internal", host, s.Region)
}

// InstanceTypes returns the instance types on offer.
func (w *World) InstanceTypes() []InstanceType { return slices.Collect(maps.Values(w.types)) }

// Zones returns the availability zones.
func (w *World) Zones() []Zone { return slices.Clone(w.seed.Zones) }
