package catalog

import (
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
)

func load(t *testing.T) *Catalog {
	t.Helper()
	c, err := Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

// Load validates each row (validate.go); this is about the whole.
func TestEmbeddedCatalogIsConsistent(t *testing.T) {
	g := NewWithT(t)
	c := load(t)
	g.Expect(c.Oldest().Minor).To(Equal("0.25"))
	known := map[string]bool{}
	prev := semver.New(0, 24, 0, "", "")
	for i, row := range c.Rows() {
		next := semver.New(prev.Major(), prev.Minor()+1, 0, "", "")
		if prev.Major() == 0 && prev.Minor() == 37 {
			next = semver.New(1, 0, 0, "", "")
		}
		g.Expect(row.version.Equal(next)).To(BeTrue(), "minor %s follows %s: none may be missing", row.Minor, prev)
		known[row.Minor] = true
		g.Expect(known).To(HaveKey(row.State.Enter.Oldest), "minor %s is entered from one that is known", row.Minor)
		if i > 0 {
			g.Expect(c.Direct(prev, row.version)).To(BeTrue(), "each minor is entered from the one before it: %s", row.Minor)
			back := len(c.RollbackTargets(row.Latest())) > 0
			g.Expect(back || len(row.Loses) > 0).To(BeTrue(), "minor %s can be taken back, or says why not", row.Minor)
		}
		g.Expect(row.BadPatch(row.Patch)).To(BeEmpty(), "the newest patch of %s can be installed", row.Minor)
		prev = row.version
	}
}

// An upgrade loses nothing only when the new CRDs serve what objects are stored as: from 0.32 on, whose Provisioners the user
// converts, each release serves what those store from which it may be entered.
func TestEveryReleaseServesWhatThoseStoreFromWhichItIsEntered(t *testing.T) {
	g := NewWithT(t)
	c := load(t)
	for _, to := range c.Rows() {
		for _, from := range c.Rows() {
			if !c.Direct(from.version, to.version) {
				continue
			}
			kept := 0
			for crd, k := range from.State.Kinds {
				if to.State.Serves(crd, k.Stored) {
					kept++
				}
			}
			g.Expect(kept).To(BeNumerically(">=", 2), "%s to %s", from.Minor, to.Minor)
			for _, crd := range []string{"nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"} {
				if k, has := from.State.Kinds[crd]; has {
					g.Expect(to.State.Serves(crd, k.Stored)).To(BeTrue(), "%s of %s at %s", crd, from.Minor, to.Minor)
				}
			}
		}
	}
}

func TestWhatHoldsForAPatchRelease(t *testing.T) {
	c := load(t)
	const pools, provisioners = "nodepools.karpenter.sh", "provisioners.karpenter.sh"
	for version, check := range map[string]func(*WithT, State){
		"0.27.2": func(g *WithT, s State) {
			g.Expect(s.Webhooks.Admission).To(ContainElement("defaulting.webhook.karpenter.sh"))
		},
		"0.27.3": func(g *WithT, s State) {
			g.Expect(s.Webhooks.Admission).NotTo(ContainElement("defaulting.webhook.karpenter.sh"))
		},
		"0.31.5":  func(g *WithT, s State) { g.Expect(s.Kinds).To(And(HaveKey(provisioners), Not(HaveKey(pools)))) },
		"0.32.10": func(g *WithT, s State) { g.Expect(s.Kinds).To(And(HaveKey(provisioners), HaveKey(pools))) },
		"0.33.5": func(g *WithT, s State) {
			g.Expect(s.Kinds).NotTo(HaveKey(provisioners))
			g.Expect(s.Serves(pools, "v1")).To(BeFalse())
			g.Expect(s.Webhooks.Conversion).To(BeFalse())
			g.Expect(s.Chart.Prefix).To(Equal("v"))
		},
		"0.33.6": func(g *WithT, s State) {
			g.Expect(s.Serves(pools, "v1")).To(BeTrue())
			g.Expect(s.Kinds[pools].Stored).To(Equal("v1beta1"))
			g.Expect(s.Webhooks).To(And(HaveField("Conversion", true), HaveField("Default", false)))
		},
		"0.33.8": func(g *WithT, s State) { g.Expect(s.Webhooks.Default).To(BeTrue()) },
		"0.34.0": func(g *WithT, s State) {
			g.Expect(s.Serves(pools, "v1")).To(BeFalse(), "what later patches of 0.33 have, 0.34.0 has not")
			g.Expect(s.Hashes.NodePool).To(BeEmpty())
		},
		"0.35.0": func(g *WithT, s State) { g.Expect(s.Chart.Prefix).To(BeEmpty()) },
		"1.0.3": func(g *WithT, s State) {
			g.Expect(s.RewritesStored).To(BeFalse())
			g.Expect(s.Kubernetes.Max).To(Equal("1.30"))
		},
		"1.0.5": func(g *WithT, s State) {
			g.Expect(s.RewritesStored).To(BeTrue())
			g.Expect(s.Kubernetes).To(Equal(Range{Min: "1.25", Max: "1.31"}))
		},
		"1.1.0": func(g *WithT, s State) {
			g.Expect(s.Serves(pools, "v1beta1")).To(BeFalse())
			g.Expect(s.RewritesStored).To(BeFalse())
			g.Expect(s.Hashes).To(Equal(Hashes{NodePool: "v3", NodeClass: "v4"}))
		},
		"1.14.1": func(g *WithT, s State) {
			g.Expect(s.Kinds).To(And(HaveLen(5), HaveKey("capacitybuffers.autoscaling.x-k8s.io"), HaveKey("nodeoverlays.karpenter.sh")))
			g.Expect(s.Hashes).To(Equal(Hashes{NodePool: "v3", NodeClass: "v5"}))
			g.Expect(s.MetricsPort).To(Equal(int32(8080)))
		},
	} {
		t.Run(version, func(t *testing.T) {
			g := NewWithT(t)
			state, known := c.At(semver.MustParse(version))
			g.Expect(known).To(BeTrue())
			check(g, state)
		})
	}
	g := NewWithT(t)
	state, known := c.At(semver.MustParse("1.99.0"))
	g.Expect(known).To(BeFalse())
	newest, _ := c.At(c.Newest().Latest())
	g.Expect(state).To(Equal(newest), "what is newer than the catalogue is taken for what is newest in it")
}

func TestStops(t *testing.T) {
	c := load(t)
	for _, tc := range []struct {
		from, to string
		want     []string
	}{
		{"0.25.0", "1.14.1", []string{"0.32", "0.37", "1.0"}},
		{"0.25.0", "0.32.10", nil},
		{"0.31.5", "0.37.0", []string{"0.32"}},
		{"0.32.1", "0.37.0", nil},
		{"0.32.1", "1.0.8", []string{"0.37"}},
		{"0.33.0", "1.0.8", nil},
		{"0.37.0", "1.0.8", nil},
		{"0.37.0", "1.1.0", []string{"1.0"}},
		{"1.0.2", "1.14.1", nil},
		{"1.5.0", "1.14.1", nil},
		{"0.36.2", "1.99.0", []string{"1.0"}},
		{"0.24.0", "1.14.1", nil},
	} {
		t.Run(tc.from+" to "+tc.to, func(t *testing.T) {
			g := NewWithT(t)
			var got []string
			for _, stop := range c.Stops(semver.MustParse(tc.from), semver.MustParse(tc.to)) {
				got = append(got, stop[len(stop)-1].Minor)
			}
			g.Expect(got).To(Equal(tc.want))
		})
	}
	g := NewWithT(t)
	var names []string
	for _, row := range c.Stops(semver.MustParse("0.32.1"), semver.MustParse("1.0.8"))[0] {
		names = append(names, row.Minor)
	}
	g.Expect(names).To(Equal([]string{"0.33", "0.34", "0.35", "0.36", "0.37"}), "any of them will do")
}

func TestEntered(t *testing.T) {
	g := NewWithT(t)
	var names []string
	for _, row := range load(t).Entered(semver.MustParse("0.36.2"), semver.MustParse("1.1.3")) {
		names = append(names, row.Minor)
	}
	g.Expect(names).To(Equal([]string{"0.37", "1.0", "1.1"}))
}

func TestRollbackTargets(t *testing.T) {
	c := load(t)
	for from, want := range map[string]string{
		"0.27.8":  "0.25.0 0.26.1 0.27.6",
		"0.28.1":  "", // 0.28.0 is bad
		"0.32.10": "0.31.5 0.32.9",
		"0.36.0":  "0.32.10 0.33.12 0.34.13 0.35.12",
		"1.0.8":   "0.33.12 0.34.13 0.35.12 0.36.9 0.37.8 1.0.7",
		"1.1.0":   "1.0.14",
	} {
		t.Run(from, func(t *testing.T) {
			var got []string
			for _, v := range c.RollbackTargets(semver.MustParse(from)) {
				got = append(got, v.String())
			}
			NewWithT(t).Expect(strings.Join(got, " ")).To(Equal(want))
		})
	}
	g := NewWithT(t)
	g.Expect(c.CanGoBack(semver.MustParse("0.32.10"), semver.MustParse("0.31.3"))).To(BeFalse())
	g.Expect(c.CanGoBack(semver.MustParse("0.32.10"), semver.MustParse("0.31.4"))).To(BeTrue())
	g.Expect(c.CanGoBack(semver.MustParse("1.1.0"), semver.MustParse("1.2.0"))).To(BeFalse(), "forward is not back")
}

func TestKubernetesSupport(t *testing.T) {
	r := Range{Min: "1.26", Max: "1.36"}
	for v, want := range map[string]int{"v1.25.9": -1, "v1.26.0": 0, "v1.36.3-eks-1": 0, "1.37.0": 1} {
		t.Run(v, func(t *testing.T) {
			g := NewWithT(t)
			got, err := r.KubernetesSupport(semver.MustParse(v))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(want))
		})
	}
}
