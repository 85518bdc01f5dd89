package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/check"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// run runs the program without a cluster.
func run(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	streams, _, stdout, _ := genericiooptions.NewTestIOStreams()
	cmd := New(streams, "test")
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), err
}

func TestFlagsAndFilesBecomeASpecWithTheDefaultsOfTheAPI(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "up.yaml")
	g.Expect(os.WriteFile(file, []byte(`
apiVersion: karpenter-upgrade.dev/v1alpha1
kind: KarpenterUpgrade
metadata: {name: up}
spec: {target: {version: 1.5.0}, strategy: InPlace}
`), 0o600)).To(Succeed())
	spec, err := (&wish{file: file, to: "1.14.1", stops: []string{"1.0.8"}}).spec(strings.NewReader(""))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(spec.Target.Version).To(Equal("1.14.1"), "flags win")
	g.Expect(spec.Strategy).To(Equal(v1alpha1.StrategyInPlace))
	g.Expect(spec.Nodes).To(Equal(v1alpha1.NodesReplace), "a default")
	g.Expect(spec.Target.Chart.Repository).To(HavePrefix("oci://"), "a default")
	g.Expect(spec.Target.Stops).To(Equal([]string{"1.0.8"}))
	g.Expect(spec.Migration.MaxUnavailable).NotTo(BeNil(), "a default")
}

func TestWhatTheAPIWouldRefuseIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		wish wish
		says string
	}{
		"no target":      {wish{}, "--to is missing"},
		"strategy":       {wish{to: "1.14.1", strategy: "Fast"}, "spec.strategy"},
		"too many stops": {wish{to: "1.14.1", stops: strings.Split(strings.Repeat("1.0.8,", 9)+"1.0.9", ",")}, "spec.target.stops"},
		"no file":        {wish{file: "none.yaml"}, "none.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.wish.spec(strings.NewReader(""))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}

func TestEveryFindingIsExplained(t *testing.T) {
	g := NewWithT(t)
	for _, c := range check.All() {
		out, err := run(t, "explain", strings.ToLower(c.Code))
		g.Expect(err).NotTo(HaveOccurred(), c.Code)
		g.Expect(out).To(And(ContainSubstring(c.Code+" ("+string(c.Severity)+")"), ContainSubstring("Found when ")))
	}
	_, err := run(t, "explain", "Nonsense")
	g.Expect(err).To(MatchError(ContainSubstring(`no finding "Nonsense"`)))
}

func TestAPlanOnASavedSnapshot(t *testing.T) {
	g := NewWithT(t)
	spec, err := (&wish{to: "1.14.1"}).spec(nil)
	g.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.TempDir(), "cluster.gz")
	var saved bytes.Buffer
	g.Expect(snapshot.Save(&saved, spec, &snapshot.Snapshot{TakenAt: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Kubernetes: "v1.33.0"})).To(Succeed())
	g.Expect(os.WriteFile(file, saved.Bytes(), 0o600)).To(Succeed())

	out, err := run(t, "plan", "--from-file", file)
	g.Expect(err).To(Equal(ErrBlocked))
	g.Expect(out).To(And(ContainSubstring("Karpenter ? to 1.14.1, Kubernetes v1.33.0"), ContainSubstring("ReleaseNotFound"), ContainSubstring("BLOCKED: ")))

	g.Expect(os.WriteFile(file, []byte("{}"), 0o600)).To(Succeed())
	_, err = run(t, "plan", "--from-file", file)
	g.Expect(err).To(MatchError(ContainSubstring("no file that `snapshot save` wrote")))
}

func TestFlagsThatContradict(t *testing.T) {
	_, err := run(t, "plan", "--from-file", "x", "--to", "1.14.1")
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("none of the others can be")))
}
