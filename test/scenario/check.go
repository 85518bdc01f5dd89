package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

// Check is one thing that must hold at the end.
type Check struct {
	// Name says what is looked at, Got what it is, Want what it must be.
	Name, Got, Want string
	OK              bool
	// Wished says that it need not hold always: chance has a part in it.
	Wished bool
}

// MaxLeaderless is for how many seconds nobody may lead at a time, and if chance allows it in all. Standbys of Karpenter look at the
// Lease every 2 to 4.4 seconds, each for itself (client-go's retry period of 2 s and its jitter), so for two of them and the old
// leader's end one handover takes 0.2 to 5 seconds, and 1.5 on average. A leader of 0.36.2 or 1.0.8 that launched
// nodes shortly before may keep the Lease when it is told to stop: it is killed after 3 seconds, which makes 9.
const MaxLeaderless = 10.0

// Failed are the checks that do not hold and must, each as an error.
func Failed(checks []Check) []error {
	var out []error
	for _, c := range checks {
		if !c.OK && !c.Wished {
			out = append(out, fmt.Errorf("%s: %s, wanted: %s", c.Name, c.Got, c.Want))
		}
	}
	return out
}

// equal compares lists.
func equal(name string, got, want []string) Check {
	return Check{Name: name, Got: orNone(got), Want: orNone(want), OK: slices.Equal(got, want)}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func none(name string, got int) Check {
	return Check{Name: name, Got: fmt.Sprint(got), Want: "0", OK: got == 0}
}

func atMost(name string, got, want float64) Check {
	c := Check{Name: name, Got: fmt.Sprintf("%.1f s", got), Want: fmt.Sprintf("at most %.0f s", want), OK: got <= want}
	if want == 0 {
		c.Want = "0 s"
	}
	return c
}

// Unharmed are the checks of a report that hold after every scenario: nobody may have been hurt.
func Unharmed(r report.Report) []Check {
	return []Check{
		none("PodDisruptionBudgets broken", r.PDBViolations),
		atMost("two leaders at once", r.TwoLeaderSeconds, 0),
		none("pods, Jobs and workloads lost", r.PodsLost),
		atMost("workloads of one replica without a ready pod", r.SingletonDowntimeSeconds, 0),
		marks(r),
	}
}

func marks(r report.Report) Check {
	c := none("marks of the operator left on objects", r.MarksLeft)
	if len(r.Marks) > 0 {
		c.Got = fmt.Sprintf("%d, such as %s on %s", r.MarksLeft, r.Marks[0].Key, r.Marks[0].Object)
	}
	if len(r.MarksUnread) > 0 {
		c.OK, c.Got = false, "not known: "+strings.Join(r.MarksUnread, "; ")
	}
	return c
}

// Upgraded are the checks of a cluster, and of what was observed, after an upgrade.
func Upgraded(c Cluster, r report.Report) []Check { return UpgradedFrom(From, c, r) }

// UpgradedFrom is Upgraded from another version than From.
func UpgradedFrom(from string, c Cluster, r report.Report) []Check {
	out := []Check{equal("Helm releases", c.Releases, []string{"karpenter-crd=" + To, "karpenter=" + To})}
	return slices.Concat(out, upgradedIn(workloads.Namespace, from, c, r))
}

// Moved are those after an upgrade that moved the release to another namespace. The CRDs' own release stays.
func Moved(namespace string, c Cluster, r report.Report) []Check {
	out := []Check{
		equal("Helm releases", c.Releases, []string{"karpenter-crd=" + To}),
		equal("Helm releases in other namespaces", c.OtherReleases, []string{namespace + "/karpenter=" + To}),
		{
			Name: "who leads", Got: orNone(c.Elections), Want: "a pod in " + namespace,
			OK: len(c.Elections) == 1 && strings.HasPrefix(c.Elections[0], namespace+"=karpenter-") && !strings.Contains(c.Elections[0], "/"),
		},
	}
	return slices.Concat(out, upgradedIn(namespace, From, c, r))
}

func upgradedIn(namespace, from string, c Cluster, r report.Report) []Check {
	out := []Check{
		equal("controllers", c.Controllers, []string{fmt.Sprintf("%s/karpenter=%s (2 of 2)", namespace, To)}),
		equal("CRDs that are not as "+To+" has them", otherCRDs(c.CRDs), nil),
		equal("NodePools of "+from, blue(c.NodePools), nil),
		equal("EC2NodeClasses of "+from, blue(c.NodeClasses), nil),
		none("nodes of old NodePools", r.Nodes.BlueAfter),
		atLeast("nodes of new NodePools", r.Nodes.GreenAfter, 1),
		equal("nodes not Ready, or not launched by "+To, unfit(c.Nodes, r, To), nil),
		{Name: "versions observed", Got: r.From + " to " + r.To, Want: from + " to " + To, OK: r.From == from && r.To == To},
	}
	return slices.Concat(out, leaderless(r), Unharmed(r))
}

// UpgradedInPlace are the checks of a cluster, and of what was observed, after an upgrade in place.
func UpgradedInPlace(c Cluster, r report.Report) []Check {
	out := []Check{
		equal("Helm releases", c.Releases, []string{"karpenter-crd=" + To, "karpenter=" + To}),
		equal("controllers", c.Controllers, []string{fmt.Sprintf("%s/karpenter=%s (2 of 2)", workloads.Namespace, To)}),
		equal("CRDs that are not as "+To+" has them", otherCRDs(c.CRDs), nil),
		equal("NodePools", c.NodePools, []string{"batch", "data", "general"}),
		equal("EC2NodeClasses", c.NodeClasses, []string{"data", "default"}),
		{Name: "versions observed", Got: r.From + " to " + r.To, Want: From + " to " + To, OK: r.From == From && r.To == To},
	}
	return slices.Concat(out, leaderless(r), Unharmed(r))
}

func leaderless(r report.Report) []Check {
	longest := 0.0
	for _, g := range r.Leaderless {
		longest = max(longest, g.Seconds)
	}
	inAll := atMost("nobody leads, in all", r.LeaderlessSeconds, MaxLeaderless)
	inAll.Wished = true
	return []Check{atMost("nobody leads, longest", longest, MaxLeaderless), inAll}
}

func atLeast(name string, got, want int) Check {
	return Check{Name: name, Got: fmt.Sprint(got), Want: fmt.Sprintf("%d or more", want), OK: got >= want}
}

// otherCRDs are those that still convert, or may hold objects of another version than v1.
func otherCRDs(crds []string) []string {
	return slices.DeleteFunc(slices.Clone(crds), func(s string) bool {
		return strings.HasSuffix(s, "=v1, None") || strings.HasSuffix(s, "=v1alpha1, None") // NodeOverlay has no v1
	})
}

// blue are the names that the workloads came with.
func blue(names []string) []string {
	before := []string{"batch", "data", "default", "general"}
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !slices.Contains(before, s) })
}

// NotLaunchedBy are the nodes that are not Ready, or that were not launched by a pod that led at a version.
func NotLaunchedBy(nodes []Node, r report.Report, version string) []string {
	return unfit(nodes, r, version)
}

// unfit are nodes that are not Ready or registered, or were launched by a pod that was not seen to lead at a version.
func unfit(nodes []Node, r report.Report, version string) []string {
	ledAt := map[string]string{}
	for _, l := range r.Leaders {
		_, pod, _ := strings.Cut(l.Pod, "/")
		ledAt[pod] = l.Version
	}
	var out []string
	for _, n := range nodes {
		if !n.Registered || !n.Ready || ledAt[n.LaunchedBy] != version {
			out = append(out, fmt.Sprintf("%s (by %s %s)", n.Name, n.LaunchedBy, ledAt[n.LaunchedBy]))
		}
	}
	return out
}

// NeverUpgraded are the checks of a cluster, and of what was observed, after a run that went all the way back.
func NeverUpgraded(c Cluster, r report.Report) []Check {
	leader := ""
	if n := len(r.Leaders); n > 0 {
		leader = r.Leaders[n-1].Version
	}
	out := []Check{
		equal("Helm releases", c.Releases, []string{"karpenter-crd=" + To, "karpenter=" + From}),
		equal("controllers", c.Controllers, []string{fmt.Sprintf("%s/karpenter=%s (2 of 2)", workloads.Namespace, From)}),
		equal("NodePools", c.NodePools, []string{"batch", "data", "general"}),
		equal("EC2NodeClasses", c.NodeClasses, []string{"data", "default"}),
		none("nodes of new NodePools", r.Nodes.GreenAfter),
		{Name: "nodes of old NodePools", Got: fmt.Sprint(r.Nodes.BlueAfter), Want: fmt.Sprint(r.Nodes.BlueBefore), OK: r.Nodes.BlueAfter == r.Nodes.BlueBefore},
		{Name: "who leads", Got: leader, Want: From, OK: leader == From},
		atMost("pod-seconds below desired", r.PodSecondsBelowDesired, 0),
	}
	return slices.Concat(out, Unharmed(r))
}
