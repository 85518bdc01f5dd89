package network_test

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/internal/nstest"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
)

func TestMain(m *testing.M) { os.Exit(nstest.Main(m.Run)) }

func TestPodsReachTheSandboxAndOneAnother(t *testing.T) {
	g := NewWithT(t)
	n, err := network.Setup(network.NodeIP(0))
	g.Expect(err).NotTo(HaveOccurred())
	one, err := n.Attach()
	g.Expect(err).NotTo(HaveOccurred())
	two, err := n.Attach()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(one.IP).NotTo(Equal(two.IP))

	for _, target := range []netip.Addr{network.Gateway, network.NodeIP(0)} {
		listenAndDial(t, nil, one.NetNS, target)
	}
	listenAndDial(t, two.NetNS, one.NetNS, two.IP)
	listenAndDial(t, one.NetNS, nil, one.IP)
	listenAndDial(t, one.NetNS, one.NetNS, netip.MustParseAddr("127.0.0.1"))

	g.Expect(one.Close()).To(Succeed())
	g.Expect(two.Close()).To(Succeed())
	links, err := netlink.LinkList()
	g.Expect(err).NotTo(HaveOccurred())
	for _, l := range links {
		g.Expect(l.Type()).NotTo(Equal("veth"), "the pod's link goes with it")
	}
	removeBridge(g)
}

func TestThereIsNoWayOut(t *testing.T) {
	g := NewWithT(t)
	n, err := network.Setup()
	g.Expect(err).NotTo(HaveOccurred())
	pod, err := n.Attach()
	g.Expect(err).NotTo(HaveOccurred())
	within(t, pod.NetNS, func() {
		_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "10.96.0.1:443")
		g.Expect(err).To(MatchError(ContainSubstring("unreachable")), "it fails at once")
	})
	g.Expect(pod.Close()).To(Succeed())
	removeBridge(g)
}

func removeBridge(g *WithT) {
	bridge, err := netlink.LinkByName("sandbox0")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(netlink.LinkDel(bridge)).To(Succeed())
}

// listenAndDial connects from one network namespace to an address in another; nil is the sandbox's.
func listenAndDial(t *testing.T, server, client *os.File, address netip.Addr) {
	t.Helper()
	g := NewWithT(t)
	var l net.Listener
	within(t, server, func() {
		var err error
		l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", netip.AddrPortFrom(address, 0).String())
		g.Expect(err).NotTo(HaveOccurred())
	})
	defer l.Close()
	within(t, client, func() {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
		g.Expect(err).NotTo(HaveOccurred())
		c.Close()
	})
}

// within opens sockets in a namespace: they keep belonging to it.
func within(t *testing.T, ns *os.File, do func()) {
	t.Helper()
	g := NewWithT(t)
	if ns == nil {
		do()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		home, err := netns.Get()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)).To(Succeed())
		do()
		g.Expect(netns.Set(home)).To(Succeed())
		runtime.UnlockOSThread()
	}()
	<-done
}
