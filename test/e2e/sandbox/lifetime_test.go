//go:build e2e && linux

package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// ownerEnv makes the test binary the owner of a sandbox of that name: it starts it, says so and waits.
const ownerEnv = "SANDBOX_E2E_OWNER"

func TestMain(m *testing.M) {
	if name := os.Getenv(ownerEnv); name != "" {
		os.Exit(own(name))
	}
	os.Exit(m.Run())
}

func own(name string) int {
	sb, err := sandbox.Up(context.Background(), sandbox.Options{Name: name, Karpenter: []string{}, Operator: sandbox.NoOperator})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("up", sb.PID())
	select {}
}

// traces are what a sandbox could leave on the host.
type traces struct {
	processes, mounts, links string
}

// look takes the traces of this sandbox's directory, and all links.
func look(g *WithT, dir string) traces {
	var t traces
	entries, err := os.ReadDir("/proc")
	g.Expect(err).NotTo(HaveOccurred())
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		args, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && bytes.Contains(args, []byte(dir)) {
			t.processes += e.Name() + " "
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	g.Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			t.mounts += line
		}
	}
	links, err := net.Interfaces()
	g.Expect(err).NotTo(HaveOccurred())
	for _, l := range links {
		t.links += l.Name + " "
	}
	return t
}

func TestDownLeavesNothingBehind(t *testing.T) {
	g := NewWithT(t)
	before := look(g, "e2e-down")
	sb, err := sandbox.Up(t.Context(), sandbox.Options{
		Name: "e2e-down", Karpenter: []string{"1.0.8"}, Operator: sandbox.NoOperator, Progress: &logWriter{t: t},
	})
	g.Expect(err).NotTo(HaveOccurred())
	r := attach(t, sb)
	g.Expect(sb.InstallKarpenter(t.Context(), sandbox.Karpenter{Version: "1.0.8"})).To(Succeed())
	r.eventually(r.readyPods(karpenterNamespace, karpenterPods), later).Should(Equal(2))
	during := look(g, "e2e-down")
	g.Expect(strings.Fields(during.processes)).NotTo(BeEmpty())
	g.Expect(during.mounts).To(BeEmpty(), "its mounts are its own")
	g.Expect(during.links).To(Equal(before.links), "and so are its links")

	clk := clock.RealClock{}
	began := clk.Now()
	g.Expect(sb.Down(t.Context())).To(Succeed())
	t.Logf("down took %s", clk.Since(began).Round(time.Millisecond))
	g.Expect(look(g, "e2e-down")).To(Equal(before))
	g.Expect(sb.Dir()).NotTo(BeADirectory())
	_, err = (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", sb.Registry().Host)
	g.Expect(err).To(MatchError(ContainSubstring("refused")))
	g.Expect(sb.Down(t.Context())).To(Succeed(), "once more is no error")
}

func TestSandboxesDoNotSeeOneAnother(t *testing.T) {
	one := up(t, sandbox.Options{Name: "e2e-one", Karpenter: []string{"1.0.8"}})
	two := up(t, sandbox.Options{Name: "e2e-two", Karpenter: []string{"1.14.1"}})
	for r, version := range map[*rig]string{one: "1.0.8", two: "1.14.1"} {
		r.Expect(r.sb.InstallKarpenter(t.Context(), sandbox.Karpenter{Version: version})).To(Succeed())
	}
	one.apply("{apiVersion: v1, kind: Namespace, metadata: {name: only-in-one}}")
	_, err := two.client.CoreV1().Namespaces().Get(t.Context(), "only-in-one", metav1.GetOptions{})
	two.Expect(err).To(MatchError(ContainSubstring("not found")))
	for r, version := range map[*rig]string{one: "1.0.8", two: "1.14.1"} {
		r.eventually(r.readyPods(karpenterNamespace, karpenterPods), later).Should(Equal(2))
		for _, p := range r.pods(karpenterNamespace, karpenterPods) {
			r.Expect(p.Spec.Containers[0].Image).To(ContainSubstring(":" + version + "@sha256:"))
		}
	}
	_, err = sandbox.Up(t.Context(), sandbox.Options{Name: "e2e-one"})
	one.Expect(err).To(MatchError(ContainSubstring("sandbox e2e-one is up already")))

	again, err := sandbox.Attach("e2e-one")
	one.Expect(err).NotTo(HaveOccurred())
	one.Expect(again.Kubeconfig()).To(Equal(one.sb.Kubeconfig()))
}

func TestASandboxEndsWithItsOwner(t *testing.T) {
	g := NewWithT(t)
	owner := exec.CommandContext(t.Context(), "/proc/self/exe")
	owner.Env = append(os.Environ(), ownerEnv+"=e2e-owned")
	out, err := owner.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(owner.Start()).To(Succeed())
	said := bufio.NewScanner(out)
	g.Expect(said.Scan()).To(BeTrue())
	g.Expect(said.Text()).To(HavePrefix("up "))
	sb, err := sandbox.Attach("e2e-owned")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(look(g, sb.Dir()).processes).NotTo(BeEmpty())

	g.Expect(owner.Process.Signal(syscall.SIGKILL)).To(Succeed())
	g.Expect(owner.Wait()).To(MatchError("signal: killed"))
	g.Eventually(func() string { return look(g, sb.Dir()).processes }, soon, poll).Should(BeEmpty())
	g.Eventually(func() error { // the first process of a namespace ends when the kernel has collected all others
		_, err := sandbox.Attach("e2e-owned")
		return err
	}, soon, poll).Should(MatchError(ContainSubstring("is not running any more")))

	// Its directory stays for whoever wants to know why, until the name is used again or taken down.
	home := filepath.Dir(filepath.Dir(sb.Dir()))
	g.Expect(sandbox.Down(t.Context(), home, "e2e-owned")).To(Succeed())
	g.Expect(sb.Dir()).NotTo(BeADirectory())
}

func TestASandboxEndsWithItsMainProcess(t *testing.T) {
	r := up(t, sandbox.Options{Name: "e2e-crash", Karpenter: []string{}})
	r.Expect(syscall.Kill(mainProcess(r.WithT, r.sb.Dir()), syscall.SIGKILL)).To(Succeed())
	r.eventually(func() string { return look(r.WithT, r.sb.Dir()).processes }, soon).Should(BeEmpty())
}

func TestASandboxCanBeAskedToEnd(t *testing.T) {
	r := up(t, sandbox.Options{Name: "e2e-term", Karpenter: []string{}})
	r.Expect(syscall.Kill(r.sb.PID(), syscall.SIGTERM)).To(Succeed())
	r.eventually(func() string { return look(r.WithT, r.sb.Dir()).processes }, soon).Should(BeEmpty())
}

// mainProcess finds the sandbox's main process, which the host knows by another number than the sandbox itself.
func mainProcess(g *WithT, dir string) int {
	for _, id := range strings.Fields(look(g, dir).processes) {
		args, err := os.ReadFile(filepath.Join("/proc", id, "cmdline"))
		if err != nil || !bytes.Contains(args, []byte("sandbox-serve")) {
			continue
		}
		pid, err := strconv.Atoi(id)
		g.Expect(err).NotTo(HaveOccurred())
		return pid
	}
	g.Fail("there is no main process of " + dir)
	return 0
}

func TestASandboxThatFailsToComeUpSaysWhyAndIsGone(t *testing.T) {
	g := NewWithT(t)
	_, err := sandbox.Up(t.Context(), sandbox.Options{
		Name: "e2e-broken", Karpenter: []string{}, Operator: sandbox.NoOperator,
		Kubernetes: sandbox.KubernetesSettings{APIServerArgs: []string{"--no-such-flag"}},
	})
	g.Expect(err).To(MatchError(And(
		ContainSubstring("starting sandbox e2e-broken: kube-apiserver: it does not stay up (exit status 1): Error: unknown flag: --no-such-flag"),
		ContainSubstring("sandbox.log"))))
	g.Expect(strings.Count(err.Error(), "\n")).To(BeZero())
	g.Expect(look(g, "e2e-broken").processes).To(BeEmpty())

	_, err = sandbox.Up(t.Context(), sandbox.Options{
		Name: "e2e-broken", Karpenter: []string{}, Operator: sandbox.NoOperator, Seed: []byte("region: nowhere"),
	})
	g.Expect(err).To(MatchError(ContainSubstring("reading the AWS account's seed")))
	g.Expect(look(g, "e2e-broken").processes).To(BeEmpty())

	_, err = sandbox.Up(t.Context(), sandbox.Options{
		Name: "e2e-broken", Karpenter: []string{}, Operator: sandbox.NoOperator, ReadyTimeout: 50 * time.Millisecond,
	})
	g.Expect(err).To(MatchError(ContainSubstring("starting sandbox e2e-broken: it was not ready within 50ms")))
	g.Expect(look(g, "e2e-broken").processes).To(BeEmpty())

	home, err := binaries.CacheRoot()
	g.Expect(err).NotTo(HaveOccurred())
	list, err := sandbox.List(home)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(ContainElement(And(HaveField("Name", "e2e-broken"), HaveField("Running", false))), "its logs are there")
	g.Expect(sandbox.Down(t.Context(), home, "e2e-broken")).To(Succeed())

	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = sandbox.Up(ctx, sandbox.Options{Name: "e2e-broken", Karpenter: []string{}, Operator: sandbox.NoOperator})
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	g.Expect(look(g, "e2e-broken").processes).To(BeEmpty())
	_ = sandbox.Down(t.Context(), home, "e2e-broken") // how far it came is a matter of luck
}
