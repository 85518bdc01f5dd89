package check

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// migrationChecks are about what a run moves.
func migrationChecks() []Check {
	return slices.Concat(budgetChecks(), singletonChecks(), podChecks(), placementChecks(), renamedChecks())
}

// placementChecks are about pods that may find no place on the nodes that Karpenter launches for them.
func placementChecks() []Check {
	return []Check{
		{Code: "VolumeZoneMissing", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: volumeZoneMissing},
		{Code: "VolumeZoneElsewhere", Severity: v1alpha1.SeverityWarning, Find: volumeZoneElsewhere},
		{Code: "VolumeOnNode", Severity: v1alpha1.SeverityWarning, Find: volumeOnNode},
		{Code: "NodeLabelUnknown", Severity: v1alpha1.SeverityWarning, Find: nodeLabelUnknown},
		{Code: "PodPinned", Severity: v1alpha1.SeverityWarning, Find: podPinned},
		{Code: "TemplatePinned", Severity: v1alpha1.SeverityWarning, Find: templatePinned},
	}
}

// mounted calls each for every pod that moves and every volume that it mounts, of those that not every node can reach.
func (in Input) mounted(each func(*snapshot.Pod, *snapshot.Volume)) {
	m := in.moves()
	if m == nil {
		return
	}
	by := make(map[[2]string]*snapshot.Volume, len(in.Snapshot.Volumes))
	for i := range in.Snapshot.Volumes {
		v := &in.Snapshot.Volumes[i]
		by[[2]string{v.Namespace, v.Claim}] = v
	}
	for _, p := range m.pods {
		for _, claim := range p.Claims {
			if v := by[[2]string{p.Namespace, claim}]; v != nil {
				each(p, v)
			}
		}
	}
}

// reachable says for zones whether any of some NodePools reaches one of them. It remembers: zones are few, and volumes many.
func reachable(pools []pool) func(zones []string) bool {
	known := map[string]bool{}
	one := func(zone string) bool {
		if v, ok := known[zone]; ok {
			return v
		}
		known[zone] = slices.ContainsFunc(pools, func(p pool) bool { return p.reaches(zone) })
		return known[zone]
	}
	return func(zones []string) bool { return slices.ContainsFunc(zones, one) }
}

// volumeZoneMissing finds volumes in zones where no NodePool of after the run launches nodes: their pods would wait for a node for ever.
func volumeZoneMissing(in Input) []Hit {
	anywhere := reachable(in.after())
	var g group
	zones := map[string]bool{}
	in.mounted(func(p *snapshot.Pod, v *snapshot.Volume) {
		if len(v.Zones) > 0 && !anywhere(v.Zones) {
			g.add(p, "PersistentVolumeClaim/"+v.Namespace+"/"+v.Claim)
			zones[strings.Join(v.Zones, "|")] = true
		}
	})
	if g.pods == 0 {
		return nil
	}
	return one(g.objects, "let a green NodePool launch there: topology.kubernetes.io/zone in its requirements, and a subnet of the zone that its EC2NodeClass selects (spec.nodePools.overrides, nodeClassOverrides)",
		"their volumes can be reached from %s only, and no NodePool of after the run launches nodes there: %s would find no node", joined(zones), g.where())
}

// volumeZoneElsewhere finds volumes in zones that their own NodePool's green copy does not reach, while another NodePool does.
func volumeZoneElsewhere(in Input) []Hit {
	after := in.after()
	anywhere := reachable(after)
	own := map[string]func([]string) bool{}
	for i := range after {
		own[after[i].blue] = reachable(after[i : i+1])
	}
	pools := map[string]string{}
	for i := range in.Snapshot.Nodes {
		pools[in.Snapshot.Nodes[i].Name] = in.Snapshot.Nodes[i].NodePool
	}
	var g group
	zones := map[string]bool{}
	in.mounted(func(p *snapshot.Pod, v *snapshot.Volume) {
		if there := own[pools[p.Node]]; len(v.Zones) > 0 && there != nil && !there(v.Zones) && anywhere(v.Zones) {
			g.add(p, "PersistentVolumeClaim/"+v.Namespace+"/"+v.Claim)
			zones[strings.Join(v.Zones, "|")] = true
		}
	})
	if g.pods == 0 {
		return nil
	}
	return one(g.objects, "let the green copies of their NodePools launch there too (requirements, subnets), or see that the pods accept the nodes of one that does",
		"their volumes can be reached from %s only, where the green copies of their NodePools launch no nodes, and others do: %s find a node if they accept theirs", joined(zones), g.where())
}

// volumeOnNode finds volumes on disks of nodes that go.
func volumeOnNode(in Input) []Hit {
	var g group
	in.mounted(func(p *snapshot.Pod, v *snapshot.Volume) {
		if len(v.Hosts) > 0 {
			g.add(p, "PersistentVolumeClaim/"+v.Namespace+"/"+v.Claim)
		}
	})
	return g.hits("copy the data, delete the claim and let the pod have a new one, for each; or name their NodePools in spec.nodePools.exclude",
		"their volumes are on disks of their nodes, which go with the nodes: %s would find no node that reaches them", g.where())
}

// domains of labels that Karpenter and its AWS provider know without a NodePool (WellKnownLabels and NormalizedLabels, pkg/apis/v1/labels.go
// of both). In these domains not every label is known; those that are not are rarely demanded.
var knownDomains = []string{
	"karpenter.sh/", "karpenter.k8s.aws/", "topology.kubernetes.io/", "failure-domain.beta.kubernetes.io/", "node.kubernetes.io/instance-type",
	"node.kubernetes.io/windows-build", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/", "topology.k8s.aws/zone-id", "topology.ebs.csi.aws.com/zone",
}

// nodeLabelUnknown finds pods that demand a label which no NodePool promises: somebody, or an agent, has put it on their present nodes.
// Karpenter launches nothing for such pods (sigs.k8s.io/karpenter pkg/scheduling/requirements.go, Compatible).
func nodeLabelUnknown(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	promised := map[string]bool{corev1.LabelHostname: true}
	for _, p := range in.after() {
		for key := range p.labels() {
			promised[key] = true
		}
		for _, r := range p.requirements() {
			promised[r.key] = true
		}
	}
	var g group
	keys := map[string]bool{}
	known := map[*snapshot.Demands][]string{} // pods of one workload share their demands
	for _, p := range m.pods {
		if p.Demands == nil {
			continue
		}
		missing, ok := known[p.Demands]
		if !ok {
			missing = unpromised(p.Demands, promised)
			known[p.Demands] = missing
		}
		for _, key := range missing {
			keys[key] = true
		}
		if len(missing) > 0 {
			g.add(p, m.workload(p))
		}
	}
	return g.hits("give it to the NodePools (spec.template.metadata.labels, before the run or in spec.nodePools.overrides), or let the pods prefer it instead of demanding it",
		"they demand the node label %s, which no NodePool promises, so that Karpenter launches no node for them: %s would wait", joined(keys), g.where())
}

// unpromised are the keys that make demands impossible.
func unpromised(d *snapshot.Demands, promised map[string]bool) []string {
	missing := func(key string) bool {
		return !promised[key] && !slices.ContainsFunc(knownDomains, func(known string) bool { return strings.HasPrefix(key, known) })
	}
	var out []string
	for key := range d.NodeSelector {
		if missing(key) {
			out = append(out, key)
		}
	}
	for _, key := range d.TopologyKeys {
		if missing(key) {
			out = append(out, key)
		}
	}
	var inTerms []string
	for i := range d.Terms { // one of which has to hold
		at := slices.IndexFunc(d.Terms[i].MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			return missing(e.Key) && e.Operator != corev1.NodeSelectorOpNotIn && e.Operator != corev1.NodeSelectorOpDoesNotExist
		})
		if at < 0 {
			return out
		}
		inTerms = append(inTerms, d.Terms[i].MatchExpressions[at].Key)
	}
	return append(out, inTerms...)
}

// onlyBlue says that pods accept nodes of NodePools only that go. See workloadPinned.
func onlyBlue(in Input, pools []string) bool {
	return slices.ContainsFunc(pools, func(name string) bool { return replaced(in, name) }) &&
		!slices.ContainsFunc(pools, func(name string) bool { return staysOrGreen(in, name) })
}

const pinnedFix = "let them take the green NodePools as well, which may be named before they exist (karpenter.sh/nodepool In ...), or a label that both have; or name the NodePools in spec.nodePools.exclude"

// podPinned finds pods that accept no green node and are of no Deployment or StatefulSet: those of Jobs, of others' controllers, and bare
// ones. The run leaves them where they are (package drain).
func podPinned(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	known := map[*snapshot.Demands]bool{}
	for _, p := range m.pods {
		if p.Demands == nil || p.Deployment() != "" || p.Owner.Kind == "StatefulSet" {
			continue
		}
		pinned, ok := known[p.Demands]
		if !ok {
			pools, _ := p.Demands.PinnedTo()
			pinned = onlyBlue(in, pools)
			known[p.Demands] = pinned
		}
		if pinned {
			g.add(p, m.workload(p))
		}
	}
	return g.hits("wait for those that end by themselves; for others: "+pinnedFix,
		"they accept nodes of NodePools only that the run replaces: %s keep their nodes until they end", g.where())
}

// templatePinned finds DaemonSets and CronJobs whose next pods accept no green node.
func templatePinned(in Input) []Hit {
	if !in.replaces() {
		return nil
	}
	var objects []string
	for i := range in.Snapshot.Workloads {
		w := &in.Snapshot.Workloads[i]
		if (w.Kind == "DaemonSet" || w.Kind == "CronJob") && onlyBlue(in, w.NodePools) {
			objects = append(objects, w.Object())
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, pinnedFix, "they accept nodes of NodePools only that the run replaces: DaemonSets have no pod on the green nodes, and the next pods of CronJobs find no node")
}
