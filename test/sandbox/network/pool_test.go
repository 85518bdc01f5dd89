package network_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
)

func TestAPodsAddressIsNotGivenToAnotherSoon(t *testing.T) {
	g := NewWithT(t)
	p := network.NewPool()
	first, err := p.Take()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.String()).To(Equal("10.88.1.1"))
	p.Release(first)
	seen := map[string]bool{}
	for range 254 * 255 { // all addresses of 10.88.1.0 to 10.88.255.255 but those that end in 0 or 255
		a, err := p.Take()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(network.PodCIDR.Contains(a)).To(BeTrue())
		g.Expect(seen[a.String()]).To(BeFalse(), a.String())
		seen[a.String()] = true
	}
	_, err = p.Take()
	g.Expect(err).To(MatchError("no free pod address in 10.88.0.0/16"))
	g.Expect(seen).NotTo(HaveKey(network.Gateway.String()))
	g.Expect(seen).NotTo(HaveKey(network.NodeIP(3).String()))
	p.Release(first)
	g.Expect(p.Take()).To(Equal(first))
}
