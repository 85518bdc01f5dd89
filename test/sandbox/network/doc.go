// Package network is the network of one sandbox: a bridge with the addresses of the sandbox itself and of its host
// nodes, and a network namespace with an address on that bridge for each pod. There is no way out of it.
package network

import (
	"fmt"
	"net/netip"
)

// Addresses of every sandbox. They can be constants because each sandbox has a network namespace of its own.
var (
	// PodCIDR has the sandbox itself, its host nodes and their pods.
	PodCIDR = netip.MustParsePrefix("10.88.0.0/16")
	// Gateway is the sandbox itself: API server, AWS emulator and registry listen there.
	Gateway = netip.MustParseAddr("10.88.0.1")
	// ServiceCIDR has the cluster IPs of Services.
	ServiceCIDR = netip.MustParsePrefix("10.96.0.0/16")
	// FakePodCIDR has the pods that KWOK plays. Nothing answers there.
	FakePodCIDR = netip.MustParsePrefix("10.100.0.0/16")

	firstPod = netip.MustParseAddr("10.88.1.0")
)

// NodeIP is the address of the i-th host node, from 0.
func NodeIP(i int) netip.Addr {
	a := Gateway.As4()
	a[3] = byte(11 + i)
	return netip.AddrFrom4(a)
}

// Pool hands out pod addresses. It goes round the whole range before it reuses one, so that nobody who remembers a
// dead pod's address reaches another. It is not safe for concurrent use.
type Pool struct {
	next netip.Addr
	used map[netip.Addr]bool
}

// NewPool returns a pool of all pod addresses.
func NewPool() *Pool {
	return &Pool{next: firstPod, used: map[netip.Addr]bool{}}
}

// Take returns a free address.
func (p *Pool) Take() (netip.Addr, error) {
	start := p.next
	for {
		a := p.next
		p.next = p.next.Next()
		if !PodCIDR.Contains(p.next) {
			p.next = firstPod
		}
		if last := a.As4()[3]; !p.used[a] && last != 0 && last != 255 {
			p.used[a] = true
			return a, nil
		}
		if p.next == start {
			return netip.Addr{}, fmt.Errorf("no free pod address in %s", PodCIDR)
		}
	}
}

// Release gives an address back.
func (p *Pool) Release(a netip.Addr) { delete(p.used, a) }
