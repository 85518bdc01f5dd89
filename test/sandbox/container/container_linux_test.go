package container_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/internal/nstest"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
)

const initArgument = "container-init"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == initArgument {
		os.Exit(container.Init())
	}
	os.Exit(nstest.Main(m.Run))
}

// view is what testdata/probe says of itself.
type view struct {
	PID, UID      int
	Hostname, Dir string
	Args, Env     []string
	Root, Links   []string
	Caps          string
	Writes        map[string]bool
	Reads         map[string]string
}

// probe builds the container's program once.
func probe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(out))
	return path
}

func spec(t *testing.T, program string, args ...string) container.Spec {
	t.Helper()
	return container.Spec{
		Root:     t.TempDir(),
		Argv:     append([]string{"/app/probe"}, args...),
		Env:      []string{"A=1", "PATH=/nowhere:/app"},
		Hostname: "pod-0",
		Files:    map[string]string{"/etc/hosts": "127.0.0.1 localhost\n"},
		Mounts:   []container.Mount{{Source: program, Target: "/app/probe", ReadOnly: true}},
	}
}

func start(t *testing.T, s container.Spec, netns *os.File) (*container.Process, *bufio.Scanner) {
	t.Helper()
	p, err := container.Start(t.Context(), []string{initArgument}, s, netns)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGKILL)
		<-p.Done()
		p.Output().Close()
	})
	return p, bufio.NewScanner(p.Output())
}

func look(t *testing.T, out *bufio.Scanner) view {
	t.Helper()
	g := NewWithT(t)
	g.Expect(out.Scan()).To(BeTrue())
	var v view
	g.Expect(json.Unmarshal(out.Bytes(), &v)).To(Succeed(), out.Text())
	return v
}

func TestAContainerSeesItselfAlone(t *testing.T) {
	program := probe(t)
	data, config := t.TempDir(), t.TempDir()
	NewWithT(t).Expect(os.WriteFile(filepath.Join(config, "key"), []byte("value"), 0o600)).To(Succeed())
	s := spec(t, program, "one", "two")
	s.Mounts = append(s.Mounts,
		container.Mount{Source: data, Target: "/data"}, container.Mount{Source: config, Target: "/config", ReadOnly: true})
	p, out := start(t, s, nil)
	v := look(t, out)

	g := NewWithT(t)
	g.Expect(v.PID).To(Equal(1), "it is the first process of its own")
	g.Expect(v.Reads["/proc/1/comm"]).To(Equal("probe\n"))
	g.Expect(v.Hostname).To(Equal("pod-0"))
	g.Expect(v.Dir).To(Equal("/"))
	g.Expect(v.Args).To(Equal([]string{"/app/probe", "one", "two"}))
	g.Expect(v.Env).To(ConsistOf("A=1", "PATH=/nowhere:/app"))
	g.Expect(v.Root).To(ConsistOf("app", "config", "data", "dev", "etc", "home", "proc", "run", "tmp", "var"))
	g.Expect(v.Caps).To(Equal("0000000000000000"))
	g.Expect(v.Writes).To(Equal(map[string]bool{"/": true, "/tmp": true, "/data": true, "/config": false, "/dev/null": true}))
	g.Expect(v.Reads["/config/key"]).To(Equal("value"))
	g.Expect(v.Reads["/etc/hosts"]).To(Equal("127.0.0.1 localhost\n"))
	g.Expect(filepath.Join(data, "written")).To(BeAnExistingFile())

	<-p.Done()
	g.Expect(p.Exit()).To(Equal(container.Exit{}))
	entries, err := os.ReadDir(s.Root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(BeEmpty(), "the root was mounted in the container's view alone")
}

func TestAReadOnlyRootLeavesTheVolumesWritable(t *testing.T) {
	s := spec(t, probe(t))
	s.ReadOnlyRoot = true
	s.Mounts = append(s.Mounts, container.Mount{Source: t.TempDir(), Target: "/data"})
	_, out := start(t, s, nil)
	NewWithT(t).Expect(look(t, out).Writes).To(Equal(
		map[string]bool{"/": false, "/tmp": false, "/data": true, "/config": false, "/dev/null": true}))
}

func TestAContainerIsInThePodsNetwork(t *testing.T) {
	g := NewWithT(t)
	n, err := network.Setup()
	g.Expect(err).NotTo(HaveOccurred())
	e, err := n.Attach()
	g.Expect(err).NotTo(HaveOccurred())
	_, out := start(t, spec(t, probe(t)), e.NetNS)
	g.Expect(look(t, out).Links).To(ConsistOf("lo", "eth0"))
	g.Expect(e.Close()).To(Succeed())
	bridge, err := netlink.LinkByName("sandbox0")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(netlink.LinkDel(bridge)).To(Succeed())
}

func TestHowAContainerEnds(t *testing.T) {
	program := probe(t)
	for name, c := range map[string]struct {
		act     string
		signals []syscall.Signal
		want    container.Exit
	}{
		"by itself":           {"", nil, container.Exit{}},
		"with an error":       {"fail", nil, container.Exit{Code: 3}},
		"asked to":            {"wait", []syscall.Signal{syscall.SIGTERM}, container.Exit{}},
		"killed":              {"hang", []syscall.Signal{syscall.SIGKILL}, container.Exit{Code: 137, Signal: 9}},
		"without a handler":   {"hang", []syscall.Signal{syscall.SIGTERM}, container.Exit{Code: 2}}, // what Go does as first process
		"killed after asking": {"hang", []syscall.Signal{syscall.SIGWINCH, syscall.SIGKILL}, container.Exit{Code: 137, Signal: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := spec(t, program)
			if c.act != "" {
				s.Argv = append(s.Argv, c.act)
			}
			p, out := start(t, s, nil)
			look(t, out)
			if len(c.signals) > 0 {
				g.Expect(out.Scan()).To(BeTrue(), "it says when it is ready for signals")
			}
			for _, sig := range c.signals {
				g.Expect(p.Signal(sig)).To(Succeed())
			}
			g.Eventually(p.Done(), 20*time.Second).Should(BeClosed())
			g.Expect(p.Exit()).To(Equal(c.want))
			g.Expect(p.Signal(syscall.SIGTERM)).To(Succeed(), "a late signal is no error")
		})
	}
}

func TestWhatCannotBeStartedSaysWhy(t *testing.T) {
	program := probe(t)
	for name, c := range map[string]struct {
		change func(s *container.Spec)
		want   string
	}{
		"no such program": {func(s *container.Spec) { s.Argv = []string{"/app/other"} }, "executing /app/other: no such file or directory"},
		"not in PATH":     {func(s *container.Spec) { s.Argv = []string{"other"} }, `exec: "other": executable file not found in $PATH`},
		"no command":      {func(s *container.Spec) { s.Argv = nil }, "the container has no command"},
		"no such volume": {func(s *container.Spec) {
			s.Mounts = append(s.Mounts, container.Mount{Source: "/no/such", Target: "/data"})
		}, "mounting /data: stat /no/such"},
		"no such directory": {func(s *container.Spec) { s.Dir = "/no/such" }, "entering the working directory"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, program)
			c.change(&s)
			_, err := container.Start(t.Context(), []string{initArgument}, s, nil)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestAProgramIsFoundInTheContainersPath(t *testing.T) {
	s := spec(t, probe(t))
	s.Argv = []string{"probe"}
	_, out := start(t, s, nil)
	NewWithT(t).Expect(look(t, out).Args).To(Equal([]string{"probe"}))
}
