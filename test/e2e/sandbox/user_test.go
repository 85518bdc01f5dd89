//go:build e2e && linux

package sandbox_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// nobody is an ordinary user that every machine has.
const nobody = 65534

// user runs the sandbox command as an ordinary user who has the programs, read-only, and neither Go nor a home.
type user struct {
	*WithT
	t                    *testing.T
	program, home, tools string
}

func (u user) run(args ...string) (string, error) {
	u.t.Helper()
	root, err := binaries.FindRoot("")
	u.Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(u.t.Context(), u.program, args...)
	cmd.Dir = root
	cmd.Env = []string{"PATH=/usr/bin:/bin", "XDG_CACHE_HOME=" + u.home, "KUBEBUILDER_ASSETS=" + u.tools}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	u.t.Logf("sandbox %v: %s", args, out.String())
	return out.String(), err
}

// newUser gives an ordinary user the programs and a directory of his own. For root it is another user; for anybody else
// it is himself.
func newUser(t *testing.T) user {
	t.Helper()
	g := NewWithT(t)
	base, err := os.MkdirTemp("", "e2e-user-") //nolint:usetesting // the directories of t.TempDir are closed to others
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(os.RemoveAll(base)).To(Succeed()) })
	g.Expect(os.Chmod(base, 0o755)).To(Succeed())
	u := user{WithT: g, t: t, program: filepath.Join(base, "sandbox"), home: filepath.Join(base, "home"), tools: filepath.Join(base, "tools")}

	assets, err := sandbox.Prebuild(t.Context(), &logWriter{t: t}, "etcd", "kwok", "kubernetes", "karpenter-v1.14.1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.WalkDir(assets, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(assets, path)
		if err != nil || d.IsDir() {
			return os.MkdirAll(filepath.Join(u.tools, rel), 0o755)
		}
		return linkOrCopy(path, filepath.Join(u.tools, rel))
	})).To(Succeed())

	root, err := binaries.FindRoot("")
	g.Expect(err).NotTo(HaveOccurred())
	cache, err := binaries.CacheRoot()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(binaries.NewBuilder(root, cache, &logWriter{t: t}).Sandbox(t.Context(), u.program)).To(Succeed())
	g.Expect(os.Mkdir(u.home, 0o755)).To(Succeed())
	if os.Geteuid() == 0 {
		g.Expect(os.Chown(u.home, nobody, nobody)).To(Succeed())
	}
	return u
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return binaries.Copy(from, to)
}

func TestAnOrdinaryUserHasASandboxToo(t *testing.T) {
	u := newUser(t)
	before := look(u.WithT, u.home)
	t.Cleanup(func() { _, _ = u.run("down", "--all") })
	_, err := u.run("up", "--operator", "none", "--karpenter", "1.14.1")
	u.Expect(err).NotTo(HaveOccurred())
	_, err = u.run("install-karpenter", "1.14.1")
	u.Expect(err).NotTo(HaveOccurred())
	u.Eventually(func() (string, error) { return u.run("status") }, later, poll*10).Should(MatchRegexp(`default +up +\S+ +127\.0\.0\.1:\d+ +2/2 `))
	_, err = u.run("kubectl", "--", "wait", "-n", karpenterNamespace, "--for=condition=Ready", "pod", "-l", karpenterPods, "--timeout=60s")
	u.Expect(err).NotTo(HaveOccurred())
	out, err := u.run("kubectl", "--", "get", "nodes", "-o", "name")
	u.Expect(err).NotTo(HaveOccurred())
	u.Expect(out).To(Equal("node/host-1\nnode/host-2\nnode/host-3\nnode/host-4\n"))
	out, err = u.run("kubectl", "--", "get", "nodes", "no-such-node")
	u.Expect(err).To(HaveField("ExitCode()", 1), out)

	_, err = u.run("down")
	u.Expect(err).NotTo(HaveOccurred())
	u.Expect(look(u.WithT, u.home)).To(Equal(before))
	entries, err := os.ReadDir(filepath.Join(u.home, "karpenter-upgrade-operator"))
	u.Expect(err).NotTo(HaveOccurred())
	u.Expect(entries).To(HaveLen(1), "nothing was built")
	u.Expect(entries[0].Name()).To(Equal("sandboxes"))
}
