//go:build e2e

package upgrade_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cli/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

// reader is a user with the rights of config/reader and no others.
const reader = "reader"

// plugin is the kubectl plugin, built from this tree.
type plugin struct {
	*play
	binary string
}

func (p *play) plugin(ctx context.Context) *plugin {
	GinkgoHelper()
	binary := filepath.Join(GinkgoT().TempDir(), "kubectl-karpenter_upgrade")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/kubectl-karpenter_upgrade")
	build.Dir = filepath.Join("..", "..", "..")
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return &plugin{play: p, binary: binary}
}

// run runs the plugin, which must end with this exit code, and returns all that it wrote.
func (p *plugin) run(ctx context.Context, code int, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, p.binary, append([]string{"--kubeconfig", p.Sandbox.Kubeconfig()}, args...)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(cmd.ProcessState.ExitCode()).To(Equal(code), string(out))
	return string(out)
}

// grantReading gives the reader the rights of config/reader.
func (p *plugin) grantReading(ctx context.Context) {
	GinkgoHelper()
	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "reader", "clusterrole.yaml"))
	Expect(err).NotTo(HaveOccurred())
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(docs), len(docs))
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		Expect(err).NotTo(HaveOccurred())
		Expect(client.IgnoreAlreadyExists(p.Client.Create(ctx, o))).To(Succeed())
		binding := &rbacv1.ClusterRoleBinding{
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: o.GetName()},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: reader}},
		}
		binding.Name = o.GetName()
		Expect(client.IgnoreAlreadyExists(p.Client.Create(ctx, binding))).To(Succeed())
	}
}

// planWithReadRights plans as the reader, on the cluster and on what was saved of it.
func (p *plugin) planWithReadRights(ctx context.Context) {
	GinkgoHelper()
	p.grantReading(ctx)
	upgrade := []string{"--as", reader, "--to", scenario.To, "--plain-http", "--chart-repository", "oci://" + p.Sandbox.Registry().Host + "/karpenter"}
	table := p.run(ctx, 2, append([]string{"plan"}, upgrade...)...)
	Expect(table).To(And(ContainSubstring("Karpenter 1.0.8 to 1.14.1, Kubernetes v1."), ContainSubstring("CLEAR TO RUN: 0 blockers")))
	AddReportEntry("plan", table)

	live, saved := report.Report{}, report.Report{}
	Expect(json.Unmarshal([]byte(p.run(ctx, 2, append([]string{"plan", "-o", "json"}, upgrade...)...)), &live)).To(Succeed())
	Expect(live.Plan.Pools).NotTo(BeEmpty())
	file := filepath.Join(GinkgoT().TempDir(), "cluster.gz")
	Expect(p.run(ctx, 0, append([]string{"snapshot", "save", file}, upgrade...)...)).To(ContainSubstring("0 problems in reading"))
	Expect(json.Unmarshal([]byte(p.run(ctx, 2, "plan", "--from-file", file, "-o", "json")), &saved)).To(Succeed())
	Expect(saved.Findings).To(Equal(live.Findings), "the same is found in what was saved")
	Expect(saved.Plan.Hash).To(Equal(live.Plan.Hash))

	Expect(p.run(ctx, 3, append([]string{"plan", "--source-namespace", "elsewhere"}, upgrade...)...)).To(ContainSubstring("ReleaseNotFound"))
}

// comesTo waits until a run is in a phase.
func (p *play) comesTo(ctx context.Context, run *v1alpha1.KarpenterUpgrade, phase v1alpha1.RunPhase) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		now := &v1alpha1.KarpenterUpgrade{}
		g.Expect(p.Client.Get(ctx, client.ObjectKeyFromObject(run), now)).To(Succeed())
		g.Expect(now.Status.Phase).To(Equal(phase), now.Status.Message)
	}).WithContext(ctx).WithTimeout(time.Minute).WithPolling(250 * time.Millisecond).Should(Succeed())
}
