package phases

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
)

func newHelm(credentials string) *release.Helm {
	return release.NewHelm(shared.config, shared.api.RESTMapper(), credentials, logr.Discard())
}

func TestAChartIsPulledWithWhatTheOperatorWantsToKnow(t *testing.T) {
	g, helm := NewWithT(t), newHelm("")
	chart, err := helm.Pull(t.Context(), chartRef(release.ChartKarpenter, greenVersion))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(chart.Digest).To(MatchRegexp("^sha256:[0-9a-f]{64}$"))
	g.Expect(chart.Values).To(And(HaveKey("settings"), HaveKey("podDisruptionBudget")))
	g.Expect(chart.Archive).NotTo(BeEmpty())

	for version, names := range map[string][]string{
		blueVersion: {nodePoolCRD, nodeClaimCRD, nodeClassCRD}, greenVersion: allCRDs,
	} {
		crds, err := helm.Pull(t.Context(), chartRef(release.ChartCRDs, version))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(crds.CRDs).To(HaveLen(len(names)))
		for _, name := range names {
			g.Expect(crds.CRDs).To(ContainElement(HaveField("Name", name)), version)
		}
		g.Expect(crds.CRDs).To(HaveEach(HaveField("Spec.Versions", ContainElement(And(
			HaveField("Storage", true), HaveField("Schema.OpenAPIV3Schema.Properties", HaveKey("spec")))))))
	}
}

func TestAChartIsTheOneThatWasAskedForOrNone(t *testing.T) {
	g, helm := NewWithT(t), newHelm("")
	ref := chartRef(release.ChartKarpenter, greenVersion)
	chart, err := helm.Pull(t.Context(), ref)
	g.Expect(err).NotTo(HaveOccurred())
	ref.Digest = chart.Digest
	g.Expect(newHelm("").Pull(t.Context(), ref)).To(HaveField("Digest", chart.Digest))

	ref.Digest = "sha256:" + zeros
	_, err = helm.Pull(t.Context(), ref)
	g.Expect(err).To(MatchError(release.ErrDigest))
	g.Expect(err).To(MatchError(And(ContainSubstring(chart.Digest), ContainSubstring(zeros))))

	for _, absent := range []release.ChartRef{chartRef(release.ChartKarpenter, "9.9.9"), chartRef("no-such-chart", greenVersion)} {
		_, err = helm.Pull(t.Context(), absent)
		g.Expect(err).To(MatchError(release.ErrNotFound))
		g.Expect(err).To(MatchError(ContainSubstring(absent.Name + ":" + absent.Version)))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = helm.Pull(ended, chartRef(release.ChartCRDs, blueVersion))
	g.Expect(err).To(MatchError(context.Canceled))
}

// mirror is another registry with the same charts, which may ask who wants them.
func mirror(t *testing.T, allowed func(*http.Request) bool) (server *httptest.Server, ref release.ChartRef) {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: shared.registry})
	server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if !allowed(in) {
			out.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
			http.Error(out, "who are you?", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(out, in)
	}))
	t.Cleanup(server.Close)
	ref = chartRef(release.ChartKarpenter, greenVersion)
	ref.Repository = "oci://" + strings.TrimPrefix(server.URL, "http://") + "/" + charts.Path
	return server, ref
}

func TestARunGoesOnWhileItsRegistryIsAway(t *testing.T) {
	g, helm := NewWithT(t), newHelm("")
	server, ref := mirror(t, func(*http.Request) bool { return true })
	chart, err := helm.Pull(t.Context(), ref)
	g.Expect(err).NotTo(HaveOccurred())
	server.Close()

	_, err = helm.Pull(t.Context(), ref)
	g.Expect(err).To(HaveOccurred(), "what a version is now is for the registry to say")
	g.Expect(err).NotTo(MatchError(release.ErrNotFound))
	ref.Digest = chart.Digest
	g.Expect(helm.Pull(t.Context(), ref)).To(Equal(chart), "what a digest is cannot change")
}

func TestARegistryThatAsksForCredentials(t *testing.T) {
	g := NewWithT(t)
	server, ref := mirror(t, func(in *http.Request) bool {
		user, password, _ := in.BasicAuth()
		return user == "robot" && password == "secret"
	})
	file := filepath.Join(t.TempDir(), "config.json")
	content := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, strings.TrimPrefix(server.URL, "http://"), base64.StdEncoding.EncodeToString([]byte("robot:secret")))
	g.Expect(os.WriteFile(file, []byte(content), 0o600)).To(Succeed())
	g.Expect(newHelm(file).Pull(t.Context(), ref)).To(HaveField("Digest", HavePrefix("sha256:")))

	for _, without := range []string{"", filepath.Join(t.TempDir(), "no-such-file")} {
		_, err := newHelm(without).Pull(t.Context(), ref)
		g.Expect(err).To(MatchError(ContainSubstring("credential not found")))
		g.Expect(err).NotTo(MatchError(release.ErrNotFound), "it may well be there")
	}
}
