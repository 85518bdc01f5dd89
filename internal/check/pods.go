package check

import (
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// podChecks are about what keeps pods on their nodes, and what they lose when they leave. DaemonSets' and mirror pods stay behind with
// their nodes and are not in a snapshot.
func podChecks() []Check {
	return []Check{
		{Code: "DoNotDisrupt", Severity: v1alpha1.SeverityWarning, Find: doNotDisrupt},
		{Code: "DeadAnnotation", Severity: v1alpha1.SeverityWarning, Find: deadAnnotation},
		{Code: "BarePods", Severity: v1alpha1.SeverityWarning, Find: barePods},
		{Code: "HostPorts", Severity: v1alpha1.SeverityInfo, Find: usesHostPorts},
		{Code: "LocalStorage", Severity: v1alpha1.SeverityInfo, Find: localStorage},
	}
}

func doNotDisrupt(in Input) []Hit {
	m := in.moves()
	timeout := in.Spec.Migration.DoNotDisruptTimeout
	if m == nil || (timeout != nil && timeout.Duration == 0) {
		return nil // then the annotation holds nothing
	}
	var g group
	for _, p := range m.pods {
		if snapshot.Protects(p.DoNotDisrupt, p.Started, in.Snapshot.TakenAt) {
			g.add(p, podObject(p))
		}
	}
	const remove = "let them end, or kubectl annotate pod -n NAMESPACE NAME karpenter.sh/do-not-disrupt-, and take it out of their templates"
	if timeout != nil {
		return g.hits(remove, "they are annotated %s: %s keep their nodes for up to %s (spec.migration.doNotDisruptTimeout) and are evicted then",
			snapshot.AnnotationDoNotDisrupt, g.where(), timeout.Duration)
	}
	return g.hits(remove+"; or set spec.migration.doNotDisruptTimeout", "they are annotated %s: %s keep their nodes until they end or the annotation goes", snapshot.AnnotationDoNotDisrupt, g.where())
}

// deadAnnotation finds annotations that the target does not read. It is about the controller and not about what moves, so it holds with
// spec.nodes: Keep too.
func deadAnnotation(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	dead := map[string]rename{}
	for _, r := range in.renames("annotation") {
		if r.To == "" {
			dead[r.From] = r
		}
	}
	var g group
	var first rename
	keys := map[string]bool{}
	note := func(p *snapshot.Pod, object string, annotations []string) {
		for _, key := range annotations {
			r, ok := dead[key]
			if !ok {
				continue
			}
			if g.pods == 0 {
				first = r
			}
			keys[key] = true
			g.add(p, object)
		}
	}
	for i := range in.Snapshot.Pods {
		if p := &in.Snapshot.Pods[i]; p.DoNotDisrupt == "" {
			note(p, podObject(p), p.DeadAnnotations)
		}
	}
	for i := range in.Snapshot.Nodes {
		n := &in.Snapshot.Nodes[i]
		note(&snapshot.Pod{Node: n.Name}, "Node/"+n.Name, n.DeadAnnotations)
	}
	if g.pods == 0 {
		return nil
	}
	when := "since " + first.minor
	if first.entered {
		when = "from " + first.minor + " on, which is on the way,"
	}
	return one(g.objects, fmt.Sprintf("annotate them %s: \"true\" instead, in their templates, where they are still to be protected", snapshot.AnnotationDoNotDisrupt),
		"%s of them are annotated %s, which Karpenter %s ignores: what it protected is protected no more", fmt.Sprint(len(g.objects)), joined(keys), when)
}

func barePods(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if p.Owner.Kind == "" {
			g.add(p, podObject(p))
		}
	}
	if in.Spec.Migration.BarePods == v1alpha1.BarePodEvict {
		return g.hits("let a Deployment or a Job run them, or set spec.migration.barePods: Wait",
			"they have no controller, and spec.migration.barePods is Evict: %s are evicted and nobody starts them again", g.where())
	}
	return g.hits("kubectl delete pod -n NAMESPACE NAME, when they are done; or set spec.migration.barePods: Evict, which loses them",
		"they have no controller, so that they would be lost: %s keep their nodes until somebody deletes them", g.where())
}

func usesHostPorts(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if len(p.HostPorts) > 0 {
			g.add(p, m.workload(p))
		}
	}
	return g.hits("see that clients find them on their new nodes, and that the security groups of the green EC2NodeClasses open the ports",
		"they take ports of their nodes, so that each needs a node where nobody else has them, and is reached at another address afterwards: %s", g.where())
}

func localStorage(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var scratch, host group
	for _, p := range m.pods {
		if p.EmptyDirs > 0 {
			scratch.add(p, m.workload(p))
		}
		if p.HostPaths > 0 {
			host.add(p, m.workload(p))
		}
	}
	return append(
		scratch.hits("nothing, where it is scratch space; else use a PersistentVolumeClaim", "what they have in emptyDir volumes goes with their pods: %s", scratch.where()),
		host.hits("nothing, where they only read what every node has; else copy it, or use a PersistentVolumeClaim",
			"they mount paths of their nodes (hostPath), and what is there goes with the nodes: %s", host.where())...)
}
