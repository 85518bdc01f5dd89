package scenario

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// upgraded is a cluster after an upgrade that went well, with what was observed of it.
func upgraded() (Cluster, report.Report) {
	return Cluster{
			Releases:    []string{"karpenter-crd=1.14.1", "karpenter=1.14.1"},
			Controllers: []string{"karpenter/karpenter=1.14.1 (2 of 2)"},
			CRDs:        []string{"nodeoverlays.karpenter.sh=v1alpha1, None", "nodepools.karpenter.sh=v1, None"},
			NodePools:   []string{"general-v1-14-1"}, NodeClasses: []string{"default-v1-14-1"},
			Nodes: []Node{{Name: "n", Pool: "general-v1-14-1", Registered: true, Ready: true, LaunchedBy: "green"}},
		}, report.Report{
			From: "1.0.8", To: "1.14.1", Nodes: report.Nodes{BlueBefore: 1, GreenAfter: 1},
			LeaderlessSeconds: 3, Leaderless: []report.Gap{{Seconds: 1}, {Seconds: 2}},
			Leaders: []report.Leader{{Pod: "karpenter/blue", Version: "1.0.8"}, {Pod: "karpenter/green", Version: "1.14.1"}},
		}
}

func TestUpgraded(t *testing.T) {
	for failing, spoil := range map[string]func(*Cluster, *report.Report){
		"":                         func(*Cluster, *report.Report) {},
		"Helm releases":            func(c *Cluster, _ *report.Report) { c.Releases = append(c.Releases, "karpenter-green=1.14.1") },
		"controllers":              func(c *Cluster, _ *report.Report) { c.Controllers[0] = "karpenter/karpenter=1.0.8 (2 of 2)" },
		"CRDs that are not":        func(c *Cluster, _ *report.Report) { c.CRDs[1] = "nodepools.karpenter.sh=v1, Webhook" },
		"NodePools of 1.0.8":       func(c *Cluster, _ *report.Report) { c.NodePools = append(c.NodePools, "general") },
		"EC2NodeClasses of 1.0.8":  func(c *Cluster, _ *report.Report) { c.NodeClasses = append(c.NodeClasses, "default") },
		"nodes of old NodePools":   func(_ *Cluster, r *report.Report) { r.Nodes.BlueAfter = 1 },
		"nodes of new NodePools":   func(_ *Cluster, r *report.Report) { r.Nodes.GreenAfter = 0 },
		"nodes not Ready, or not":  func(c *Cluster, _ *report.Report) { c.Nodes[0].LaunchedBy = "blue" },
		"versions observed":        func(_ *Cluster, r *report.Report) { r.To = "1.0.8" },
		"nobody leads, longest":    func(_ *Cluster, r *report.Report) { r.Leaderless[0].Seconds = MaxLeaderless + 0.1 },
		"PodDisruptionBudgets":     func(_ *Cluster, r *report.Report) { r.PDBViolations = 1 },
		"two leaders":              func(_ *Cluster, r *report.Report) { r.TwoLeaderSeconds = 0.1 },
		"pods, Jobs and workloads": func(_ *Cluster, r *report.Report) { r.PodsLost = 1 },
		"workloads of one replica": func(_ *Cluster, r *report.Report) { r.SingletonDowntimeSeconds = 0.1 },
		"marks": func(_ *Cluster, r *report.Report) {
			r.MarksLeft, r.Marks = 1, []report.Mark{{Object: "Node/n", Key: "karpenter-upgrade.dev/frozen-by"}}
		},
		"marks of the operator": func(_ *Cluster, r *report.Report) { r.MarksUnread = []string{"nodes: timeout"} },
	} {
		t.Run(failing, func(t *testing.T) {
			g := NewWithT(t)
			c, r := upgraded()
			spoil(&c, &r)
			failed := Failed(Upgraded(c, r))
			if failing == "" {
				g.Expect(failed).To(BeEmpty())
				return
			}
			g.Expect(failed).To(ConsistOf(MatchError(HavePrefix(failing))))
		})
	}
}

func TestWishesDoNotFail(t *testing.T) {
	g := NewWithT(t)
	c, r := upgraded()
	r.LeaderlessSeconds = MaxLeaderless + 0.1
	checks := Upgraded(c, r)
	g.Expect(checks).To(ContainElement(And(HaveField("Name", "nobody leads, in all"), HaveField("OK", BeFalse()))))
	g.Expect(Failed(checks)).To(BeEmpty())
}

func TestNeverUpgraded(t *testing.T) {
	g := NewWithT(t)
	c := Cluster{
		Releases: []string{"karpenter-crd=1.14.1", "karpenter=1.0.8"}, Controllers: []string{"karpenter/karpenter=1.0.8 (2 of 2)"},
		NodePools: []string{"batch", "data", "general"}, NodeClasses: []string{"data", "default"},
	}
	r := report.Report{Nodes: report.Nodes{BlueBefore: 3, BlueAfter: 3}, Leaders: []report.Leader{{Version: "1.0.8"}, {Version: "1.14.1"}, {Version: "1.0.8"}}}
	g.Expect(Failed(NeverUpgraded(c, r))).To(BeEmpty())
	r.Leaders = r.Leaders[:2]
	g.Expect(Failed(NeverUpgraded(c, r))).To(ConsistOf(MatchError(HavePrefix("who leads"))))
}
