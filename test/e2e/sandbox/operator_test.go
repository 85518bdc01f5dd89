//go:build e2e && linux

package sandbox_test

import (
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// The operator is built from this repository and installed by its own chart, from the registry.
func TestTheOperatorRunsByItsChart(t *testing.T) {
	g := NewWithT(t)
	root, err := binaries.FindRoot("")
	g.Expect(err).NotTo(HaveOccurred())
	chart, err := loader.LoadDir(filepath.Join(root, "charts", binaries.Operator))
	g.Expect(err).NotTo(HaveOccurred())
	r := up(t, sandbox.Options{Name: "e2e-operator", Karpenter: []string{"1.0.8"}, Operator: build(t)})
	r.Expect(r.sb.InstallKarpenter(t.Context(), sandbox.Karpenter{Version: "1.0.8"})).To(Succeed())
	_, err = r.sb.InstallChart(t.Context(), "karpenter-upgrade-operator", "karpenter-upgrade", binaries.Operator, chart.Metadata.Version, nil)
	r.Expect(err).NotTo(HaveOccurred())
	r.eventually(r.readyPods("karpenter-upgrade", "app.kubernetes.io/name=karpenter-upgrade-operator"), later).Should(Equal(2))
}

// build builds the operator of this repository.
func build(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	root, err := binaries.FindRoot("")
	g.Expect(err).NotTo(HaveOccurred())
	cache, err := binaries.CacheRoot()
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(t.TempDir(), "operator")
	g.Expect(binaries.NewBuilder(root, cache, &logWriter{t: t}).Operator(t.Context(), path)).To(Succeed())
	return path
}
