package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
)

// run runs the command line in an empty home.
func runCLI(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var out, errOut bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errOut)
	err = root.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

func TestEveryCommandExplainsItself(t *testing.T) {
	g := NewWithT(t)
	out, _, err := runCLI(t, "--help")
	g.Expect(err).NotTo(HaveOccurred())
	for _, c := range newRoot().Commands() {
		g.Expect(c.Short).NotTo(BeEmpty(), c.Name())
		if c.Name() != "completion" && c.Name() != "help" {
			g.Expect(out).To(ContainSubstring("\n  " + c.Name() + " "))
		}
	}
}

func TestErrorsAreOneLineAndSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"not up":        {[]string{"kubeconfig", "--name", "x"}, "sandbox x is not up: start it with `sandbox up --name x`"},
		"down unknown":  {[]string{"down", "--name", "x"}, "no such sandbox: x"},
		"bad name":      {[]string{"up", "--name", "A B"}, `sandbox name "A B" is not valid`},
		"bad range":     {[]string{"up", "--pod-start", "soon"}, "--pod-start: time: invalid duration"},
		"bad image":     {[]string{"up", "--image", "x"}, `image "x": write <repository>[:<tag>]=<program>`},
		"no seed":       {[]string{"up", "--seed", "/no/such/file"}, "reading the seed: open /no/such/file"},
		"bad seed name": {[]string{"build", "nothing"}, `there is no wrapper module "nothing" below hack/binaries`},
		"no arguments":  {[]string{"install-karpenter"}, "accepts 1 arg(s), received 0"},
		"unknown":       {[]string{"upp"}, `unknown command "upp"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, stderr, err := runCLI(t, c.args...)
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			g.Expect(stderr).To(BeEmpty(), "the error is said once, by main")
		})
	}
}

func TestStatusOfNothingIsATableWithoutRows(t *testing.T) {
	g := NewWithT(t)
	out, _, err := runCLI(t, "status")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Fields(out)).To(Equal([]string{"NAME", "STATE", "AGE", "API", "SERVER", "PODS", "PID", "DIRECTORY"}))
}

func TestStatusShowsWhatADeadSandboxLeft(t *testing.T) {
	g := NewWithT(t)
	now := time.Now()
	var out bytes.Buffer
	list := []sandbox.Info{{Name: "old", Created: now.Add(-3 * time.Hour), APIServer: "127.0.0.1:1", PID: 42, Dir: "/d"}}
	g.Expect(printStatus(t.Context(), &out, t.TempDir(), list, now)).To(Succeed())
	g.Expect(out.String()).To(MatchRegexp(`\nold +dead +3h +127.0.0.1:1 +- +42 +/d\n$`))
}

func TestParseRange(t *testing.T) {
	g := NewWithT(t)
	g.Expect(parseRange("8s")).To(Equal(kwok.Between(8*time.Second, 8*time.Second)))
	g.Expect(parseRange("0s-1500ms")).To(Equal(kwok.Between(0, 1500*time.Millisecond)))
	for _, s := range []string{"", "x", "1s-", "-1s-2s"} {
		_, err := parseRange(s)
		g.Expect(err).To(HaveOccurred(), s)
	}
}

func TestTheExitCodeOfKubectlIsPassedOn(t *testing.T) {
	g := NewWithT(t)
	run := func(program string, args ...string) error {
		return attached(newRoot(), exec.CommandContext(t.Context(), program, args...))
	}
	g.Expect(run("/bin/true")).To(Succeed())
	g.Expect(run("/bin/sh", "-c", "exit 7")).To(Equal(exitError(7)))
	g.Expect(run("/bin/sh", "-c", "kill -PIPE $$")).To(Equal(exitError(1)))
	g.Expect(run("/no/such/program")).To(MatchError(ContainSubstring("no such file")), "that is for us to say")
}
