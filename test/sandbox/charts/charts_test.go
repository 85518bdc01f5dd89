package charts_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
)

func TestReleaseVersion(t *testing.T) {
	for module, want := range map[string]string{
		"v0.31.4": "v0.31.4", "v0.34.0": "v0.34.0", "v0.35.0": "0.35.0", "v0.36.2": "0.36.2", "v1.0.8": "1.0.8", "v1.14.1": "1.14.1",
	} {
		NewWithT(t).Expect(charts.ReleaseVersion(module)).To(Equal(want))
	}
}

// pinned are the Karpenter modules below hack/binaries.
func pinned(t *testing.T) (*binaries.Builder, []binaries.Module) {
	t.Helper()
	g := NewWithT(t)
	root, err := binaries.FindRoot("")
	g.Expect(err).NotTo(HaveOccurred())
	b := binaries.NewBuilder(root, t.TempDir(), io.Discard)
	all, err := b.Modules()
	g.Expect(err).NotTo(HaveOccurred())
	var modules []binaries.Module
	for _, m := range all {
		if strings.HasPrefix(m.Name, "karpenter-") {
			modules = append(modules, m)
		}
	}
	g.Expect(modules).NotTo(BeEmpty())
	return b, modules
}

func TestPackagesAreWhatTheReleasesAre(t *testing.T) {
	b, modules := pinned(t)
	for _, m := range modules {
		t.Run(m.Name, func(t *testing.T) {
			g := NewWithT(t)
			source, err := b.ModuleDir(t.Context(), m)
			g.Expect(err).NotTo(HaveOccurred())
			out := t.TempDir()
			g.Expect(charts.Package(source, m.Source.Version, out)).To(Succeed())
			version := charts.ReleaseVersion(m.Source.Version)

			main, err := loader.Load(filepath.Join(out, "karpenter-"+version+".tgz"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(main.Metadata).To(And(HaveField("Version", version), HaveField("AppVersion", version)))
			image := main.Values["controller"].(map[string]any)["image"].(map[string]any)
			g.Expect(image).To(HaveKeyWithValue("repository", "public.ecr.aws/karpenter/controller"))
			g.Expect(image).To(HaveKeyWithValue("tag", version))
			g.Expect(image).To(HaveKeyWithValue("digest", MatchRegexp("^sha256:[0-9a-f]{64}$")))
			g.Expect(kinds(main.CRDObjects())).To(ContainElements("ec2nodeclasses", "nodeclaims", "nodepools"))
			g.Expect(raw(main, "values.yaml")).To(ContainSubstring("# -- Overrides the chart's name."), "comments stay")

			crds, err := loader.Load(filepath.Join(out, "karpenter-crd-"+version+".tgz"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(crds.Metadata.Version).To(Equal(version))
			var names []string
			for _, f := range crds.Templates {
				names = append(names, f.Name)
			}
			g.Expect(names).To(ContainElements("templates/karpenter.sh_nodepools.yaml", "templates/karpenter.sh_nodeclaims.yaml"))
		})
	}
}

func TestTheConversionWebhookOf1_0StaysATemplate(t *testing.T) {
	b, modules := pinned(t)
	for _, m := range modules {
		if !strings.HasPrefix(m.Source.Version, "v1.0.") {
			continue
		}
		g := NewWithT(t)
		source, err := b.ModuleDir(t.Context(), m)
		g.Expect(err).NotTo(HaveOccurred())
		out := t.TempDir()
		g.Expect(charts.Package(source, m.Source.Version, out)).To(Succeed())
		crds, err := loader.Load(filepath.Join(out, "karpenter-crd-"+charts.ReleaseVersion(m.Source.Version)+".tgz"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(crds.Templates[0].Data)).To(ContainSubstring(".Values.webhook.serviceName"))
	}
}

func TestChartsArePushedAndPulledOverOCI(t *testing.T) {
	g := NewWithT(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	go func() { _ = charts.Serve(t.Context(), l) }()
	source := t.TempDir()
	for name, content := range map[string]string{
		"Chart.yaml":        "apiVersion: v2\nname: own\nversion: 0.1.0\n",
		"templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
	} {
		path := filepath.Join(source, "own", name)
		g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	}
	out := t.TempDir()
	pkg, err := charts.PackageDir(filepath.Join(source, "own"), out)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(charts.List(out)).To(ConsistOf(pkg))
	g.Expect(charts.Push(l.Addr().String(), []string{pkg})).To(Succeed())

	client, err := charts.Client()
	g.Expect(err).NotTo(HaveOccurred())
	pulled, err := client.Pull(strings.TrimPrefix(charts.Ref(l.Addr().String(), "own"), "oci://") + ":0.1.0")
	g.Expect(err).NotTo(HaveOccurred())
	c, err := loader.LoadArchive(bytes.NewReader(pulled.Chart.Data))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Name()).To(Equal("own"))
	g.Expect(charts.Push("127.0.0.1:1", []string{pkg})).To(MatchError(ContainSubstring("pushing chart 127.0.0.1:1/karpenter/own:0.1.0")))
}

func kinds(crds []chart.CRD) []string {
	var names []string
	for _, c := range crds {
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(c.Name), ".yaml"), "_")
		names = append(names, name)
	}
	return names
}

func raw(c *chart.Chart, name string) string {
	for _, f := range c.Raw {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}
