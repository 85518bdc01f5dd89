package controlplane

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

func testLayout(dir string) layout {
	return layout{
		dir: dir, logs: filepath.Join(dir, "logs"), gateway: netip.MustParseAddr("10.88.0.1"),
		serviceCIDR: netip.MustParsePrefix("10.96.0.0/16"), fakePodCIDR: netip.MustParsePrefix("10.100.0.0/16"),
	}
}

func TestTheUsersArgumentsWin(t *testing.T) {
	g := NewWithT(t)
	args := apiServerArgs(testLayout("/run"), Settings{APIServerArgs: []string{"--max-requests-inflight=7"}})
	last := ""
	for _, a := range args {
		if strings.HasPrefix(a, "--max-requests-inflight=") {
			last = a
		}
	}
	g.Expect(last).To(Equal("--max-requests-inflight=7"), "of a flag that is given twice the last one counts")
}

func TestAuditIsOffUnlessAskedFor(t *testing.T) {
	g := NewWithT(t)
	g.Expect(apiServerArgs(testLayout("/run"), Settings{})).NotTo(ContainElement(ContainSubstring("audit")))
	g.Expect(apiServerArgs(testLayout("/run"), Settings{Audit: true})).To(ContainElements(
		"--audit-log-path=/run/logs/audit.log", "--audit-policy-file=/run/audit-policy.yaml"))
}

func TestNodesAreGivenTheirGracePeriod(t *testing.T) {
	g := NewWithT(t)
	g.Expect(controllerManagerArgs(testLayout("/run"), Settings{})).To(ContainElement("--node-monitor-grace-period=40s"))
	g.Expect(controllerManagerArgs(testLayout("/run"), Settings{NodeMonitorGracePeriod: 10 * time.Second})).
		To(ContainElement("--node-monitor-grace-period=10s"))
}

func TestEveryFileThatComponentsAreGivenIsThere(t *testing.T) {
	g := NewWithT(t)
	l := testLayout(t.TempDir())
	_, err := newIdentity(l, []string{"127.0.0.1"}, clock.RealClock{})
	g.Expect(err).NotTo(HaveOccurred())
	c := &Cluster{layout: l}
	g.Expect(c.writeConfigs()).To(Succeed())
	var files []string
	for _, args := range [][]string{apiServerArgs(l, Settings{}), controllerManagerArgs(l, Settings{}), schedulerArgs(l), kwokArgs(l)} {
		for _, a := range args {
			if _, value, _ := strings.Cut(a, "="); strings.HasPrefix(value, l.dir) {
				g.Expect(value).To(BeAnExistingFile(), a)
				files = append(files, value)
			}
		}
	}
	g.Expect(len(files)).To(BeNumerically(">", 15))
}

func TestKubeconfigIsForTheServerAskedFor(t *testing.T) {
	g := NewWithT(t)
	id, err := newIdentity(testLayout(t.TempDir()), nil, clock.RealClock{})
	g.Expect(err).NotTo(HaveOccurred())
	data, err := (&Cluster{identity: id}).Kubeconfig("https://127.0.0.1:4711", Admin)
	g.Expect(err).NotTo(HaveOccurred())
	config, err := clientcmd.RESTConfigFromKubeConfig(data)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config.Host).To(Equal("https://127.0.0.1:4711"))
	g.Expect(config.CAData).To(Equal(id.ca.CertPEM))
}

func TestKWOKsNodesAreReleasedAndNoOthers(t *testing.T) {
	g := NewWithT(t)
	lease := func(name, holder string) *coordinationv1.Lease {
		return &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: ptr.To[int32](40)},
		}
	}
	client := fake.NewClientset(lease("host-1", "host-1"), lease("ip-10-0-0-1", "sandbox_1234"))
	g.Expect(releaseNodes(t.Context(), client)).To(Succeed())
	holder := func(name string) *string {
		l, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(t.Context(), name, metav1.GetOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		return l.Spec.HolderIdentity
	}
	g.Expect(holder("host-1")).To(HaveValue(Equal("host-1")))
	g.Expect(holder("ip-10-0-0-1")).To(BeNil())
}

func TestSupervisorStartsAgainWhatEnds(t *testing.T) {
	g := NewWithT(t)
	logs := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s := NewSupervisor(logs, clock.RealClock{})
	var prepared atomic.Int32
	for _, p := range []Program{
		{Name: "steady", Path: "/bin/sleep", Args: []string{"600"}, BeforeRestart: func(context.Context) error {
			prepared.Add(1)
			return errors.New("not ready")
		}},
		{Name: "failing", Path: "/bin/sh", Args: []string{"-c", "echo going down; exit 3"}},
		{Name: "missing", Path: filepath.Join(logs, "no-such-program")},
	} {
		g.Expect(s.Start(ctx, p)).To(Succeed())
	}

	component := func(name string) func() Component {
		return func() Component {
			for _, c := range s.Components() {
				if c.Name == name {
					return c
				}
			}
			return Component{}
		}
	}
	g.Eventually(component("steady"), 10*time.Second).Should(HaveField("PID", BeNumerically(">", 0)))
	g.Eventually(component("failing"), 20*time.Second).Should(And(
		HaveField("Restarts", BeNumerically(">=", 2)), HaveField("LastExit", "exit status 3")))
	g.Eventually(component("missing"), 10*time.Second).Should(HaveField("LastExit", ContainSubstring("no such file")))
	g.Expect(os.ReadFile(filepath.Join(logs, "failing.log"))).To(ContainSubstring("going down\nsandbox: failing ended: exit status 3\n"))

	g.Expect(s.hopeless("steady")).To(Succeed())
	g.Eventually(func() error { return s.hopeless("failing") }, 20*time.Second).Should(
		MatchError("failing: it does not stay up (exit status 3): going down"))

	before := component("steady")()
	g.Expect(s.Restart("steady")).To(Succeed())
	g.Eventually(component("steady"), 20*time.Second).Should(And(
		HaveField("Restarts", 1), HaveField("PID", And(BeNumerically(">", 0), Not(Equal(before.PID))))))
	g.Expect(prepared.Load()).To(Equal(int32(1)), "once before the second start")
	g.Expect(os.ReadFile(filepath.Join(logs, "steady.log"))).To(ContainSubstring("preparing the restart of steady: not ready"))
	g.Expect(s.Restart("unknown")).To(MatchError("there is no component unknown"))

	last := component("steady")()
	cancel()
	s.Wait()
	_, err := os.Stat("/proc/" + strconv.Itoa(last.PID))
	g.Expect(err).To(MatchError(os.ErrNotExist), "nothing outlives the supervisor")
}
