package world

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/samber/lo"
)

// dateLayout is how a seed writes dates.
const dateLayout = time.DateOnly

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// Validate returns an error that names the first part which cannot be.
func (s *Seed) Validate() error {
	checks := []func() error{
		s.checkIdentity, s.checkNetwork, s.checkCluster, s.checkNodeGroups, s.checkImages, s.checkIAM, s.checkQueues,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Seed) checkIdentity() error {
	switch {
	case !accountPattern.MatchString(s.Account):
		return fmt.Errorf("account %q: need twelve digits", s.Account)
	case !slices.Contains([]string{"aws", "aws-cn", "aws-us-gov"}, s.Partition):
		return fmt.Errorf("partition %q: need aws, aws-cn or aws-us-gov", s.Partition)
	case s.Region == "":
		return fmt.Errorf("region: need one")
	case len(s.Zones) == 0:
		return fmt.Errorf("zones: need at least one")
	}
	for _, z := range s.Zones {
		if !strings.HasPrefix(z.Name, s.Region) || z.ID == "" {
			return fmt.Errorf("zone %q: need a name in region %s and an id", z.Name, s.Region)
		}
	}
	return nil
}

func (s *Seed) checkNetwork() error {
	vpc, err := netip.ParsePrefix(s.VPC.CIDR)
	if err != nil || s.VPC.ID == "" {
		return fmt.Errorf("vpc %q: need an id and a CIDR, not %q", s.VPC.ID, s.VPC.CIDR)
	}
	for i := range s.Subnets {
		if err := s.checkSubnet(i, vpc); err != nil {
			return err
		}
	}
	for _, sg := range s.SecurityGroups {
		if sg.ID == "" || sg.Name == "" {
			return fmt.Errorf("security group %q: need an id and a name", sg.ID)
		}
	}
	return nil
}

// checkSubnet checks the subnet of an index against the VPC and the subnets before it.
func (s *Seed) checkSubnet(i int, vpc netip.Prefix) error {
	sn := s.Subnets[i]
	cidr, err := netip.ParsePrefix(sn.CIDR)
	if err != nil || !vpc.Overlaps(cidr) || cidr.Bits() < vpc.Bits() || !cidr.Addr().Is4() {
		return fmt.Errorf("subnet %q: CIDR %q is no IPv4 part of %s", sn.ID, sn.CIDR, s.VPC.CIDR)
	}
	if !s.hasZone(sn.Zone) {
		return fmt.Errorf("subnet %q: zone %q is not in zones", sn.ID, sn.Zone)
	}
	for _, other := range s.Subnets[:i] {
		if other.ID == sn.ID || netip.MustParsePrefix(other.CIDR).Overlaps(cidr) {
			return fmt.Errorf("subnet %q: same id as, or overlaps with, %q", sn.ID, other.ID)
		}
	}
	return nil
}

func (s *Seed) checkCluster() error {
	c := s.Cluster
	if c.Name == "" || c.Version == "" {
		return fmt.Errorf("cluster %q: need a name and a version", c.Name)
	}
	if !s.hasRole(c.Role) {
		return fmt.Errorf("cluster: role %q is not in roles", c.Role)
	}
	groups := lo.Map(s.SecurityGroups, func(g SecurityGroup, _ int) string { return g.ID })
	if missing, ok := lo.Find(append([]string{c.SecurityGroup}, c.AdditionalSecurityGroups...),
		func(id string) bool { return !slices.Contains(groups, id) }); ok {
		return fmt.Errorf("cluster: security group %q is not in securityGroups", missing)
	}
	return s.checkSubnetRefs("cluster", c.Subnets)
}

func (s *Seed) checkNodeGroups() error {
	for _, g := range s.NodeGroups {
		if g.Name == "" || !s.hasRole(g.Role) {
			return fmt.Errorf("node group %q: need a name and a role out of roles, not %q", g.Name, g.Role)
		}
		if err := s.checkSubnetRefs("node group "+g.Name, g.Subnets); err != nil {
			return err
		}
	}
	return nil
}

func (s *Seed) checkImages() error {
	if len(s.Images.KubernetesVersions) > 0 && len(s.Images.Generations) == 0 {
		return fmt.Errorf("images: need at least one generation")
	}
	for _, v := range append(slices.Clone(s.Images.KubernetesVersions), s.Images.AL2Through) {
		if _, err := minor(v); err != nil {
			return fmt.Errorf("images: %w", err)
		}
	}
	for _, g := range s.Images.Generations {
		if _, err := time.Parse(dateLayout, g.Date); err != nil || g.Bottlerocket == "" {
			return fmt.Errorf("images: generation %q: need a date (YYYY-MM-DD) and a bottlerocket version", g.Date)
		}
	}
	for _, c := range s.Images.Custom {
		if _, err := time.Parse(dateLayout, c.Date); err != nil || !strings.HasPrefix(c.ID, "ami-") {
			return fmt.Errorf("images: custom image %q: need an id ami-… and a date (YYYY-MM-DD), not %q", c.ID, c.Date)
		}
	}
	return nil
}

func (s *Seed) checkIAM() error {
	for _, r := range s.Roles {
		for _, st := range r.Statements {
			if st.Effect != "Allow" && st.Effect != "Deny" {
				return fmt.Errorf("role %q: effect %q: need Allow or Deny", r.Name, st.Effect)
			}
		}
	}
	for _, p := range s.PodIdentities {
		if p.Namespace == "" || p.ServiceAccount == "" || !s.hasRole(p.Role) {
			return fmt.Errorf("pod identity of %s/%s: need a namespace, a serviceAccount and a role out of roles, not %q", p.Namespace, p.ServiceAccount, p.Role)
		}
	}
	for _, p := range s.InstanceProfiles {
		if p.Role != "" && !s.hasRole(p.Role) {
			return fmt.Errorf("instance profile %q: role %q is not in roles", p.Name, p.Role)
		}
	}
	return nil
}

func (s *Seed) checkQueues() error {
	if q, dup := lo.Find(lo.FindDuplicatesBy(s.Queues, func(q Queue) string { return q.Name }),
		func(Queue) bool { return true }); dup {
		return fmt.Errorf("queue %q: is there twice", q.Name)
	}
	return nil
}

func (s *Seed) checkSubnetRefs(who string, ids []string) error {
	for _, id := range ids {
		if !slices.ContainsFunc(s.Subnets, func(sn Subnet) bool { return sn.ID == id }) {
			return fmt.Errorf("%s: subnet %q is not in subnets", who, id)
		}
	}
	return nil
}

func (s *Seed) hasZone(name string) bool {
	return slices.ContainsFunc(s.Zones, func(z Zone) bool { return z.Name == name })
}

func (s *Seed) hasRole(name string) bool {
	return slices.ContainsFunc(s.Roles, func(r Role) bool { return r.Name == name })
}

// minor returns the y of a Kubernetes version 1.y.
func minor(version string) (int, error) {
	var y int
	if _, err := fmt.Sscanf(version, "1.%d", &y); err != nil {
		return 0, fmt.Errorf("kubernetes version %q: need the form 1.36", version)
	}
	return y, nil
}
