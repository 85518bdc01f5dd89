package values

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
)

// oldest is the version that the values in testdata are of.
const oldest = "0.26.1"

// packages has Karpenter's charts of each version that the sandbox has, by version.
func packages(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	root, err := binaries.FindRoot("")
	g.Expect(err).NotTo(HaveOccurred())
	b := binaries.NewBuilder(root, t.TempDir(), io.Discard)
	modules, err := b.Modules()
	g.Expect(err).NotTo(HaveOccurred())
	out := map[string]string{}
	for _, m := range modules {
		if !strings.HasPrefix(m.Name, "karpenter-") {
			continue
		}
		source, err := b.ModuleDir(t.Context(), m)
		g.Expect(err).NotTo(HaveOccurred())
		dir := t.TempDir()
		g.Expect(charts.Package(source, m.Source.Version, dir)).To(Succeed())
		out[charts.ReleaseVersion(m.Source.Version)] = dir
	}
	g.Expect(out).To(And(HaveKey("0.36.2"), HaveKey("1.0.8"), HaveKey("1.14.1")))
	return out
}

func load(t *testing.T, dir, name, version string) *chart.Chart {
	t.Helper()
	c, err := loader.Load(filepath.Join(dir, name+"-"+version+".tgz"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func given(t *testing.T) map[string]any {
	t.Helper()
	g := NewWithT(t)
	doc, err := os.ReadFile("../../internal/values/testdata/0.26.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	out := map[string]any{}
	g.Expect(yaml.Unmarshal(doc, &out)).To(Succeed())
	return out
}

// render renders a chart as the operator does.
func render(t *testing.T, c *chart.Chart, with map[string]any) []string {
	t.Helper()
	in := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	in.DryRun, in.ClientOnly, in.Replace, in.DisableHooks, in.SkipCRDs = true, true, true, true, true
	in.Namespace, in.ReleaseName = "karpenter", "karpenter"
	in.KubeVersion = &chartutil.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"}
	r, err := in.RunWithContext(t.Context(), c, with)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return strings.Split(r.Manifest, "\n---\n")
}

func deployment(t *testing.T, docs []string) *appsv1.Deployment {
	t.Helper()
	g := NewWithT(t)
	for _, doc := range docs {
		var d appsv1.Deployment
		if !strings.Contains(doc, "kind: Deployment\n") {
			continue
		}
		g.Expect(yaml.UnmarshalStrict([]byte(doc), &d)).To(Succeed())
		return &d
	}
	t.Fatal("the chart renders no Deployment")
	return nil
}

func TestTranslatedValuesAreKnownToTheChartAndRender(t *testing.T) {
	for to, dir := range packages(t) {
		t.Run(to, func(t *testing.T) {
			g := NewWithT(t)
			c := load(t, dir, "karpenter", to)
			with, _ := values.Translate(given(t), semver.MustParse(oldest), semver.MustParse(to))
			g.Expect(values.Unknown(with, c.Values)).To(BeEmpty())

			d := deployment(t, render(t, c, with))
			pod := d.Spec.Template.Spec
			controller := pod.Containers[0]
			env := map[string]string{}
			for _, e := range controller.Env {
				if e.ValueFrom == nil {
					env[e.Name] = e.Value
				}
			}
			g.Expect(env).To(And(
				HaveKeyWithValue("CLUSTER_NAME", "secret-cluster"), HaveKeyWithValue("CLUSTER_ENDPOINT", "https://secret-endpoint"),
				HaveKeyWithValue("INTERRUPTION_QUEUE", "secret-queue"), HaveKeyWithValue("ISOLATED_VPC", "true"),
				HaveKeyWithValue("RESERVED_ENIS", "1"), HaveKeyWithValue("VM_MEMORY_OVERHEAD_PERCENT", "0.05"),
				HaveKeyWithValue("BATCH_MAX_DURATION", "20s"), HaveKeyWithValue("AWS_REGION", "secret-region"),
			))
			g.Expect(controller.Env).To(ContainElement(And(
				HaveField("Name", "PROXY_PASSWORD"), HaveField("ValueFrom.SecretKeyRef.Key", "password"),
			)), "what comes from a Secret still does")
			g.Expect(controller.Image).To(HavePrefix("mirror.example.com/karpenter/controller:"+to+"@"), "of the mirror, at the new version")
			g.Expect(controller.Image).NotTo(ContainSubstring("aaaa"))
			g.Expect(*d.Spec.Replicas).To(BeEquivalentTo(3))
			g.Expect(pod.HostNetwork).To(BeTrue())
			g.Expect(pod.DNSPolicy).To(Equal(corev1.DNSDefault))
			g.Expect(*pod.SecurityContext.FSGroup).To(BeEquivalentTo(65532))
			g.Expect(pod.NodeSelector).To(HaveKeyWithValue("karpenter.sh/nodepool", "secret-provisioner"))
			g.Expect(pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions).To(ConsistOf(
				HaveField("Key", "kubernetes.io/arch"), HaveField("Key", "karpenter.sh/nodepool"),
			))
			if semver.MustParse(to).Major() > 0 {
				g.Expect(env).To(And(HaveKeyWithValue("LOG_LEVEL", "error"), HaveKeyWithValue("LOG_OUTPUT_PATHS", "stdout,/var/log/secret-path"),
					HaveKeyWithValue("DISABLE_LEADER_ELECTION", "true"), HaveKeyWithValue("METRICS_PORT", "8080")))
			}
		})
	}
}

func TestCRDsConvertByTheReleaseThatIsNamed(t *testing.T) {
	for version, dir := range packages(t) {
		t.Run(version, func(t *testing.T) {
			g := NewWithT(t)
			c := load(t, dir, "karpenter-crd", version)
			with := values.CRDValues(nil, c.Values, values.Conversion{Namespace: "platform", Service: "karpenter-green", Port: 8444})
			var seen int
			for _, doc := range render(t, c, with) {
				var crd apiextensionsv1.CustomResourceDefinition
				g.Expect(yaml.Unmarshal([]byte(doc), &crd)).To(Succeed())
				if crd.Name == "" {
					continue
				}
				seen++
				if !strings.HasPrefix(version, "1.0.") {
					g.Expect(with).To(BeEmpty())
					g.Expect(crd.Spec.Conversion).To(BeNil())
					continue
				}
				service := crd.Spec.Conversion.Webhook.ClientConfig.Service
				g.Expect(*service).To(And(HaveField("Namespace", "platform"), HaveField("Name", "karpenter-green"), HaveField("Port", HaveValue(BeEquivalentTo(8444)))))
			}
			g.Expect(seen).To(BeNumerically(">=", 3))
		})
	}
}
