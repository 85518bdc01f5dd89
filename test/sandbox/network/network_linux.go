package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const bridgeName = "sandbox0"

// Network is the bridge of a sandbox and its pods. It is safe for concurrent use.
type Network struct {
	bridge netlink.Link

	mu   sync.Mutex
	pool *Pool
	seq  int
}

// Setup builds the bridge in the calling process's network namespace, with the gateway's address and extra ones.
func Setup(extra ...netip.Addr) (*Network, error) {
	if err := loopbackUp(nil); err != nil {
		return nil, err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("adding the bridge: %w", err)
	}
	for _, ip := range append([]netip.Addr{Gateway}, extra...) {
		if err := netlink.AddrAdd(bridge, address(ip, PodCIDR.Bits())); err != nil {
			return nil, fmt.Errorf("giving the bridge address %s: %w", ip, err)
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return nil, fmt.Errorf("starting the bridge: %w", err)
	}
	return &Network{bridge: bridge, pool: NewPool()}, nil
}

// Endpoint is a pod's network namespace with its address on the bridge.
type Endpoint struct {
	// IP is the pod's address.
	IP netip.Addr
	// NetNS is the namespace, kept alive by this open file.
	NetNS *os.File

	network *Network
	link    string
}

// Attach makes a network namespace with a loopback device and eth0 on the bridge.
func (n *Network) Attach() (*Endpoint, error) {
	n.mu.Lock()
	ip, err := n.pool.Take()
	n.seq++
	link := fmt.Sprintf("veth%x", n.seq)
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	e := &Endpoint{IP: ip, network: n, link: link}
	if err := e.create(); err != nil {
		return nil, errors.Join(fmt.Errorf("making the network of pod %s: %w", ip, err), e.Close())
	}
	return e, nil
}

func (e *Endpoint) create() error {
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	e.NetNS = os.NewFile(uintptr(ns), "netns")
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: e.link, MasterIndex: e.network.bridge.Attrs().Index},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsFd(int(ns)),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("adding the link: %w", err)
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return fmt.Errorf("starting the link: %w", err)
	}
	return configurePod(ns, e.IP)
}

// Close removes the pod's network. Processes that still use it keep a namespace without links.
func (e *Endpoint) Close() error {
	var errs []error
	if link, err := netlink.LinkByName(e.link); err == nil {
		errs = append(errs, netlink.LinkDel(link))
	}
	if e.NetNS != nil {
		errs = append(errs, e.NetNS.Close())
	}
	e.network.mu.Lock()
	e.network.pool.Release(e.IP)
	e.network.mu.Unlock()
	return errors.Join(errs...)
}

// newNamespace makes a network namespace without leaving the present one. The thread that went there is dropped if it
// cannot come back.
func newNamespace() (netns.NsHandle, error) {
	type result struct {
		ns  netns.NsHandle
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- result{err: fmt.Errorf("opening the present network namespace: %w", err)}
			return
		}
		defer home.Close()
		ns, err := netns.New()
		if err != nil {
			done <- result{err: fmt.Errorf("making a network namespace: %w", err)}
			return
		}
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- result{ns: ns}
	}()
	r := <-done
	return r.ns, r.err
}

// configurePod sets up the links inside a pod's namespace. There is no default route, so that the kernel refuses what is
// beyond the bridge at once instead of leaving the pod to wait for an answer.
func configurePod(ns netns.NsHandle, ip netip.Addr) error {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("entering the namespace: %w", err)
	}
	defer h.Close()
	if err := loopbackUp(h); err != nil {
		return err
	}
	eth0, err := h.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("finding eth0: %w", err)
	}
	if err := h.AddrAdd(eth0, address(ip, PodCIDR.Bits())); err != nil {
		return fmt.Errorf("giving eth0 its address: %w", err)
	}
	if err := h.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("starting eth0: %w", err)
	}
	return nil
}

// loopbackUp starts the loopback device; a nil handle means the calling process's namespace.
func loopbackUp(h *netlink.Handle) error {
	if h == nil {
		h = &netlink.Handle{}
	}
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback device: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("starting the loopback device: %w", err)
	}
	return nil
}

func address(ip netip.Addr, bits int) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(bits, ip.BitLen())}}
}
