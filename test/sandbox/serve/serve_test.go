package serve

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
)

func newIdentities() *identities {
	return &identities{
		region: "us-west-2", ca: "PEM", aws: netip.MustParseAddrPort("10.88.0.1:4566"), api: netip.MustParseAddrPort("10.88.0.1:6443"),
		direct: []string{"10.88.0.0/16", ".svc"}, pods: map[string]string{},
	}
}

func TestPodsReachAWSAndTheAPIServer(t *testing.T) {
	g := NewWithT(t)
	ids := newIdentities()
	in := ids.inject(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "karpenter-0", UID: "u-1"}})
	env := map[string]string{}
	for _, v := range in.Env {
		env[v.Name] = v.Value
	}
	g.Expect(env).To(And(
		HaveKeyWithValue("KUBERNETES_SERVICE_HOST", "10.88.0.1"),
		HaveKeyWithValue("KUBERNETES_SERVICE_PORT", "6443"),
		HaveKeyWithValue("AWS_ENDPOINT_URL", "http://10.88.0.1:4566"), // SDK v2
		HaveKeyWithValue("HTTPS_PROXY", "http://10.88.0.1:4566"),      // SDK v1
		HaveKeyWithValue("NO_PROXY", "10.88.0.0/16,.svc"),
		HaveKeyWithValue("AWS_ACCESS_KEY_ID", MatchRegexp("^AKIA[A-Z2-7]{16}$")),
	))
	g.Expect(in.Files).To(HaveKeyWithValue(env["AWS_CA_BUNDLE"], "PEM"))
	g.Expect(ids.podOf(env["AWS_ACCESS_KEY_ID"])).To(Equal("karpenter-0"))
	g.Expect(ids.podOf("AKIAFOREIGN")).To(BeEmpty())
}

func TestWhoIsKnownIsBounded(t *testing.T) {
	g := NewWithT(t)
	ids := newIdentities()
	for i := range maxKnownPods + 10 {
		ids.inject(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod-" + strconv.Itoa(i), UID: types.UID(strconv.Itoa(i))}})
	}
	g.Expect(ids.pods).To(HaveLen(maxKnownPods))
	g.Expect(ids.podOf(accessKeyID("0"))).To(BeEmpty(), "the oldest are forgotten")
	g.Expect(ids.podOf(accessKeyID(types.UID(strconv.Itoa(maxKnownPods + 9))))).To(Equal("pod-" + strconv.Itoa(maxKnownPods+9)))
}

func TestHostNodesAreWhereTheAccountHasItsNodeGroup(t *testing.T) {
	g := NewWithT(t)
	seed, err := aws.DefaultSeed()
	g.Expect(err).NotTo(HaveOccurred())
	groups := map[string]bool{}
	for _, n := range seed.NodeGroups {
		groups[n.Name] = true
	}
	zones := map[string]int{}
	for _, z := range seed.Zones {
		zones[z.Name] = 0
	}
	for _, n := range hostNodes() {
		g.Expect(zones).To(HaveKey(n.Zone))
		zones[n.Zone]++
		g.Expect(groups).To(HaveKey(n.Labels["eks.amazonaws.com/nodegroup"]))
	}
	g.Expect(zones).To(And(HaveKeyWithValue("us-west-2a", 2), HaveKeyWithValue("us-west-2b", 2)))
}

func TestConfigSurvivesTheWayIntoTheSandbox(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "config.json")
	want := Config{
		Dir: "/x", Programs: map[string]string{"etcd": "/bin/etcd"}, Version: "v1.36.3", Charts: []string{"a.tgz"},
		Images: podrunner.Images{{Repository: "app", Tag: "*", Program: "/p", Path: "/app", User: 1}}, Backoff: podrunner.DefaultBackoff(),
	}
	g.Expect(want.Save(path)).To(Succeed())
	g.Expect(LoadConfig(path)).To(Equal(want))
	_, err := LoadConfig(path + ".none")
	g.Expect(err).To(MatchError(ContainSubstring("reading the sandbox's configuration")))
}

// echo answers what it is sent once the client has said all.
func echo(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				data, _ := io.ReadAll(c)
				_, _ = c.Write(data)
			}()
		}
	}()
	return l
}

func TestRelayCarriesBothDirectionsToTheirEnds(t *testing.T) {
	g := NewWithT(t)
	target := echo(t)
	front, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- relay(ctx, front, target.Addr().String()) }()

	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.Write([]byte("hello"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
	g.Expect(io.ReadAll(c)).To(BeEquivalentTo("hello"), "the answer comes after the question's end")

	idle, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	cancel()
	g.Eventually(over, 10*time.Second).Should(Receive(BeNil()))
	_, err = idle.Read(make([]byte, 1))
	g.Expect(err).To(HaveOccurred(), "open connections end with the relay")
}

func TestRelayToNobodyEndsTheConnection(t *testing.T) {
	g := NewWithT(t)
	front, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	go func() { _ = relay(t.Context(), front, "127.0.0.1:1") }()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.Read(make([]byte, 1))
	g.Expect(err).To(MatchError(io.EOF))
}
