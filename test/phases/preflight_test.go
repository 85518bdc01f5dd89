package phases

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apidiscovery "k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	cataloglive "github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog/live"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/preflight"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// preflightWorld has Karpenter 1.0.8 with a NodePool and two nodes, nothing that speaks against an upgrade, and a run.
func preflightWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.installBlue(true)
	w.blue()
	w.node("n1", "general")
	w.node("n2", "general")
	w.run = w.newRun("up")
	return w
}

// preflight takes the phase Preflight one step on, as the operator that the world has now.
func (w *world) preflight() *preflight.Phase {
	w.t.Helper()
	dc, err := apidiscovery.NewDiscoveryClientForConfig(w.connection)
	w.ok(err)
	versions, err := catalog.Load()
	w.ok(err)
	catalogs := &cataloglive.Source{Client: w.kit.Live, Namespace: w.kit.Namespace, BuiltIn: versions}
	return &preflight.Phase{
		Snapshots: &live.Reader{Client: w.kit.Live, Discovery: dc, Releases: w.kit.Releases, Clock: w.clock, Path: preflight.Path(catalogs)},
		Catalogs:  catalogs,
	}
}

// findings are what Preflight finds now.
func (w *world) findings(severity v1alpha1.Severity) []v1alpha1.Finding {
	w.t.Helper()
	w.preflight().Run(w.ctx(), w.run)
	return w.found(severity)
}

// found is what Preflight found last.
func (w *world) found(severity v1alpha1.Severity) []v1alpha1.Finding {
	var out []v1alpha1.Finding
	for _, f := range w.run.Status.Findings {
		if f.Severity == severity {
			out = append(out, f)
		}
	}
	return out
}

// blockers are the codes of the findings that stand in the way now.
func (w *world) blockers() []string {
	w.t.Helper()
	return codes(w.findings(v1alpha1.SeverityBlocker))
}

func codes(findings []v1alpha1.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Code)
	}
	return out
}

func TestThePlanIsWhatTheClusterHas(t *testing.T) {
	w := preflightWorld(t)
	out := w.step(w.preflight().Run)
	made := w.run.Status.Plan
	w.Expect(out).To(And(HaveField("Kind", engine.KindDone), HaveField("Message", HavePrefix("plan "+made.Hash+": 2 nodes in 1 NodePool, "))))
	w.Expect(made).To(HaveValue(Equal(v1alpha1.Plan{
		Hash: made.Hash, Parts: made.Parts, MadeAt: made.MadeAt, Namespace: karpenterNS, Release: blueRelease, GreenRelease: greenRelease, Deployment: "karpenter",
		ServiceAccount: "karpenter", CRDRelease: karpenterNS + "/" + crdRelease, ClusterName: "sandbox",
		Hops: []v1alpha1.Hop{{
			Version: greenVersion, Strategy: v1alpha1.StrategyBlueGreen,
			ChartDigest: w.digest(release.ChartKarpenter), CRDChartDigest: w.digest(release.ChartCRDs),
			Preconditions: made.Hops[0].Preconditions, Changes: made.Hops[0].Changes, RollbackTo: blueVersion,
		}},
		Pools:       []v1alpha1.PoolPlan{{Blue: "general", Green: "general-v1-14-1", NodeClass: "default-v1-14-1", Weight: 100, Nodes: 2}},
		NodeClasses: []v1alpha1.NodeClassPlan{{Blue: "default", Green: "default-v1-14-1", CanaryPool: "general-v1-14-1"}},
		Nodes:       2, RollbackFloor: v1alpha1.PhaseCleanup, Irreversible: made.Irreversible,
	})))
	w.Expect(made.Irreversible).To(ContainElement(ContainSubstring("CRDs stay at 1.14.1")))
	w.Expect(w.run.Status.From).To(Equal(blueVersion))
	w.Expect(w.run.Status.Nodes.Total).To(Equal(int32(2)))
	w.Expect(w.found(v1alpha1.SeverityBlocker)).To(BeEmpty())
	w.Expect(w.found(v1alpha1.SeverityWarning)).To(ContainElement(HaveField("Code", "ServedVersionGoes")))

	before := w.read("up").Status
	w.pass(time.Hour)
	w.step(w.preflight().Run)
	w.Expect(w.read("up").Status).To(Equal(before), "the same cluster and spec make the same plan")
	w.node("n3", "general")
	w.step(w.preflight().Run)
	w.Expect(w.run.Status.Plan.Hash).To(Equal(made.Hash), "nodes come and go")
	w.Expect(w.run.Status.Plan.Nodes).To(Equal(int32(3)))
}

// digest of a chart of the target in the registry.
func (w *world) digest(chart string) string {
	w.t.Helper()
	c, err := shared.helm.Pull(w.ctx(), chartRef(chart, greenVersion))
	w.ok(err)
	return c.Digest
}

func TestModePlanWritesNothingButTheRunsStatus(t *testing.T) {
	w := preflightWorld(t)
	w.ok(w.api.Delete(w.ctx(), w.run))
	w.newRun("looks", func(s *v1alpha1.KarpenterUpgradeSpec) { s.Mode = v1alpha1.ModePlan })
	var sent requests
	config := rest.CopyConfig(shared.config)
	config.Wrap(sent.record)
	w.connect(config)
	o := w.operateAll()

	before := w.versions()
	for range 3 {
		o.reconcile("looks")
		w.pass(2 * time.Minute)
	}
	after := w.versions()
	w.Expect(w.read("looks").Status.Phase).To(Equal(v1alpha1.RunPlanned))
	const run = "KarpenterUpgrade.karpenter-upgrade.dev /looks"
	w.Expect(after[run]).NotTo(Equal(before[run]))
	delete(before, run)
	delete(after, run)
	w.Expect(after).To(Equal(before))
	const review = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews" // of which nothing is kept: one for each namespace of the chart
	w.Expect(sent.changing()).To(HaveExactElements(
		review, review, "PATCH /apis/karpenter-upgrade.dev/v1alpha1/karpenterupgrades/looks/status", review, review, review, review,
	), "and the status once, since nothing changed after that")
}

// requests notes what is asked of the API server.
type requests struct {
	mu   sync.Mutex
	seen []string
}

func (r *requests) record(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(in *http.Request) (*http.Response, error) {
		if in.Method != http.MethodGet && in.URL.Query().Get("dryRun") != "All" { // of which nothing is kept either
			r.mu.Lock()
			r.seen = append(r.seen, in.Method+" "+in.URL.Path)
			r.mu.Unlock()
		}
		return next.RoundTrip(in)
	})
}

// changing are the requests that may change something, in order.
func (r *requests) changing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(in *http.Request) (*http.Response, error) { return f(in) }
