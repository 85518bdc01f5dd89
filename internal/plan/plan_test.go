package plan

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func versions(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func pool(t *testing.T, doc string) unstructured.Unstructured {
	t.Helper()
	u := unstructured.Unstructured{}
	NewWithT(t).Expect(yaml.Unmarshal([]byte(doc), &u.Object)).To(Succeed())
	return u
}

func nodePool(t *testing.T, name, class string, extra string) unstructured.Unstructured {
	t.Helper()
	return pool(t, fmt.Sprintf(`{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: %s}, spec: {%s template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: %s}}}}}`, name, extra, class))
}

func cluster(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	s := &snapshot.Snapshot{
		TakenAt:    time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		Kubernetes: "v1.33.0",
		Installations: []snapshot.Installation{{
			Namespace: "karpenter", Name: "karpenter", Version: "1.0.8", Replicas: 2, ReadyReplicas: 2, ServiceAccount: "karpenter", ClusterName: "demo",
			Release: &snapshot.Release{Namespace: "karpenter", Name: "karpenter", Chart: "karpenter", Version: "1.0.8", Status: "deployed"},
		}},
		CRDReleases: []snapshot.Release{{Namespace: "karpenter", Name: "karpenter-crd"}},
		NodePools: []unstructured.Unstructured{
			nodePool(t, "batch", "default", "weight: 10,"), nodePool(t, "general", "default", ""), nodePool(t, "gpu", "gpu", "weight: 50,"),
		},
	}
	for i := range 5 {
		s.Nodes = append(s.Nodes, snapshot.Node{Name: fmt.Sprintf("n%d", i), NodePool: []string{"general", "gpu"}[i%2]})
	}
	s.Target.Chart.Digest, s.Target.CRDChart.Digest = "sha256:aa", "sha256:bb"
	return s
}

func spec() *v1alpha1.KarpenterUpgradeSpec {
	return &v1alpha1.KarpenterUpgradeSpec{Target: v1alpha1.Target{Version: "1.14.1"}}
}

func TestMake(t *testing.T) {
	g := NewWithT(t)
	p, refusal := Make(cluster(t), spec(), versions(t))
	g.Expect(refusal).To(BeNil())
	g.Expect(p.Namespace).To(Equal("karpenter"))
	g.Expect(p.GreenRelease).To(Equal("karpenter-green"))
	g.Expect(p.ServiceAccount).To(Equal("karpenter"))
	g.Expect(p.CRDRelease).To(Equal("karpenter/karpenter-crd"))
	g.Expect(p.Hops).To(HaveExactElements(And(
		HaveField("Version", "1.14.1"), HaveField("Strategy", v1alpha1.StrategyBlueGreen), HaveField("RollbackTo", "1.0.8"),
		HaveField("ChartDigest", "sha256:aa"), HaveField("CRDChartDigest", "sha256:bb"),
	)))
	g.Expect(p.Nodes).To(Equal(int32(5)))
	g.Expect(p.Pools).To(Equal([]v1alpha1.PoolPlan{
		{Blue: "batch", Green: "batch-v1-14-1", NodeClass: "default-v1-14-1", Weight: 99, Nodes: 0},
		{Blue: "general", Green: "general-v1-14-1", NodeClass: "default-v1-14-1", Weight: 98, Nodes: 3},
		{Blue: "gpu", Green: "gpu-v1-14-1", NodeClass: "gpu-v1-14-1", Weight: 100, Nodes: 2},
	}))
	g.Expect(p.NodeClasses).To(Equal([]v1alpha1.NodeClassPlan{
		{Blue: "default", Green: "default-v1-14-1", CanaryPool: "general-v1-14-1"},
		{Blue: "gpu", Green: "gpu-v1-14-1", CanaryPool: "gpu-v1-14-1"},
	}))
	g.Expect(p.RollbackFloor).To(Equal(v1alpha1.PhaseCleanup))
	g.Expect(p.Irreversible).NotTo(BeEmpty())
}

func TestNamesOfGreenObjects(t *testing.T) {
	overrides := []v1alpha1.Override{{Name: "special", GreenName: "very-special"}}
	for blue, want := range map[string]string{
		"general":          "general-v1-14-1",
		"general-v1-0-8":   "general-v1-14-1", // the suffix of an earlier run is replaced
		"v1-0-8":           "v1-0-8-v1-14-1",
		"-v1-0-8":          "-v1-0-8-v1-14-1",
		"special":          "very-special",
		"general-v1-0-8-x": "general-v1-0-8-x-v1-14-1",
	} {
		t.Run(blue, func(t *testing.T) {
			NewWithT(t).Expect(greenName(blue, overrides, "-v1-14-1")).To(Equal(want))
		})
	}
	g := NewWithT(t)
	g.Expect(GreenRelease("karpenter")).To(Equal("karpenter-green"))
	g.Expect(len(GreenRelease("a-release-with-a-name-as-long-as-helm-lets-it-be-here"))).To(BeNumerically("<=", 53))
}

func TestPoolsThatAreNotReplaced(t *testing.T) {
	g := NewWithT(t)
	s := cluster(t)
	auto := pool(t, `{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: auto}, spec: {template: {spec: {nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}}}}}`)
	going := nodePool(t, "going", "default", "")
	going.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2026-11-20T12:00:00Z"
	s.NodePools = append(s.NodePools, auto, going)
	sp := spec()
	sp.NodePools = &v1alpha1.NodePools{Exclude: []string{"gpu"}}
	p, refusal := Make(s, sp, versions(t))
	g.Expect(refusal).To(BeNil())
	var blue []string
	for _, pool := range p.Pools {
		blue = append(blue, pool.Blue)
	}
	g.Expect(blue).To(Equal([]string{"batch", "general"}), "those of EKS Auto Mode, those being deleted and those excluded are left alone")
	g.Expect(p.NodeClasses).To(HaveLen(1))
}

func TestStaticPoolsHaveNoWeight(t *testing.T) {
	g := NewWithT(t)
	s := cluster(t)
	s.NodePools = []unstructured.Unstructured{nodePool(t, "fixed", "default", "replicas: 3,"), nodePool(t, "general", "default", "")}
	p, refusal := Make(s, spec(), versions(t))
	g.Expect(refusal).To(BeNil())
	g.Expect(p.Pools[0].Weight).To(BeZero())
	g.Expect(p.Pools[1].Weight).To(Equal(int32(100)))
}

func TestOrderOfPools(t *testing.T) {
	g := NewWithT(t)
	sp := spec()
	sp.Migration.Order = &v1alpha1.MigrationOrder{Nodes: &v1alpha1.NodeOrder{Pools: []string{"gpu"}}}
	p, _ := Make(cluster(t), sp, versions(t))
	g.Expect([]string{p.Pools[0].Blue, p.Pools[1].Blue, p.Pools[2].Blue}).To(Equal([]string{"gpu", "batch", "general"}))
}

func TestSource(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec)
		refusal string
	}{
		"the only one": {func(*snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec) {}, ""},
		"none":         {func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Installations = nil }, CodeReleaseNotFound},
		"two": {func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Installations = append(s.Installations, snapshot.Installation{Namespace: "kube-system", Name: "karpenter"})
		}, CodeReleaseAmbiguous},
		"two, one of them named": {func(s *snapshot.Snapshot, sp *v1alpha1.KarpenterUpgradeSpec) {
			s.Installations = append(s.Installations, snapshot.Installation{Namespace: "kube-system", Name: "karpenter"})
			sp.Source = &v1alpha1.Source{Namespace: "karpenter", Release: "karpenter"}
		}, ""},
		"the second release of a run": {func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Installations = append(s.Installations, snapshot.Installation{Namespace: "karpenter", Name: "karpenter-green", Release: &snapshot.Release{Name: "karpenter-green", Run: "other"}})
		}, ""},
		"not installed by Helm": {func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Installations[0].Release = nil }, CodeReleaseNotHelm},
		"named and not there": {func(_ *snapshot.Snapshot, sp *v1alpha1.KarpenterUpgradeSpec) {
			sp.Source = &v1alpha1.Source{Namespace: "kube-system", Release: "karpenter"}
		}, CodeReleaseNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, sp := cluster(t), spec()
			tc.change(s, sp)
			p, refusal := Make(s, sp, versions(t))
			if tc.refusal == "" {
				g.Expect(refusal).To(BeNil())
				g.Expect(p.Release).To(Equal("karpenter"))
				return
			}
			g.Expect(p).To(BeNil())
			g.Expect(refusal.Code).To(Equal(tc.refusal))
		})
	}
}

func TestHashIsThatOfWhatIsDone(t *testing.T) {
	g := NewWithT(t)
	base, _ := Make(cluster(t), spec(), versions(t))

	shuffled := cluster(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(shuffled.NodePools), func(i, j int) {
		shuffled.NodePools[i], shuffled.NodePools[j] = shuffled.NodePools[j], shuffled.NodePools[i]
	})
	shuffled.TakenAt = shuffled.TakenAt.Add(time.Hour)
	shuffled.Nodes = append(shuffled.Nodes, snapshot.Node{Name: "late", NodePool: "general"})
	same, _ := Make(shuffled, spec(), versions(t))
	g.Expect(same.Hash).To(Equal(base.Hash), "neither time, nor order, nor a node more changes what is done")

	for name, change := range map[string]func(*snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec){
		"another version":   func(_ *snapshot.Snapshot, sp *v1alpha1.KarpenterUpgradeSpec) { sp.Target.Version = "1.13.1" },
		"another chart":     func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Target.Chart.Digest = "sha256:cc" },
		"a NodePool less":   func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.NodePools = s.NodePools[1:] },
		"another namespace": func(s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Installations[0].Namespace = "x" },
		"an override": func(_ *snapshot.Snapshot, sp *v1alpha1.KarpenterUpgradeSpec) {
			sp.NodePools = &v1alpha1.NodePools{Overrides: []v1alpha1.Override{{Name: "general", GreenName: "g"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, sp := cluster(t), spec()
			change(s, sp)
			p, refusal := Make(s, sp, versions(t))
			NewWithT(t).Expect(refusal).To(BeNil())
			NewWithT(t).Expect(p.Hash).NotTo(Equal(base.Hash))
		})
	}
}

// Every green NodePool must weigh more than every blue one, and keep its place among the green ones.
func TestGreenWeightsKeepTheOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		g := NewWithT(t)
		var pools []unstructured.Unstructured
		for i := range 1 + r.IntN(20) {
			extra := ""
			if w := r.IntN(60); w > 0 {
				extra = fmt.Sprintf("weight: %d,", w)
			}
			pools = append(pools, nodePool(t, fmt.Sprintf("p%d", i), "default", extra))
		}
		green := greenWeights(pools)
		for i := range pools {
			g.Expect(green[pools[i].GetName()]).To(And(BeNumerically(">", 60), BeNumerically("<=", 100)))
			for j := range pools {
				blueLess := snapshot.Weight(&pools[i]) < snapshot.Weight(&pools[j])
				greenLess := green[pools[i].GetName()] < green[pools[j].GetName()]
				g.Expect(greenLess).To(Equal(blueLess))
			}
		}
	}
}
