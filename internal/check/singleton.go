package check

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// singletonChecks are about workloads without a replica to spare.
func singletonChecks() []Check {
	return []Check{
		{Code: "SingletonDowntime", Severity: v1alpha1.SeverityWarning, Find: singletonDowntime},
		{Code: "SingletonWaits", Severity: v1alpha1.SeverityWarning, Find: singletonWaits},
		{Code: "SingletonRestart", Severity: v1alpha1.SeverityInfo, Find: singletonRestart},
	}
}

// singleton says that a pod's Deployment has no replica to spare, by the rule of package drain: it wants one, or its budget never
// allows a disruption.
func (m *leaving) singleton(p *snapshot.Pod) bool {
	d := m.deployment(p)
	if d == nil {
		return false
	}
	b := m.soleBudget(p)
	return d.Replicas == 1 || (b != nil && b.Never())
}

// surges says that the run restarts the Deployment of a pod, whose own surge moves it.
func (m *leaving) surges(in Input, p *snapshot.Pod) bool {
	return m.singleton(p) && m.deployment(p).Surges && singletons(in) == v1alpha1.SingletonSurgeRestart
}

// singletons is spec.migration.singletons, with its default.
func singletons(in Input) v1alpha1.SingletonPolicy {
	if in.Spec.Migration.Singletons == "" {
		return v1alpha1.SingletonSurgeRestart
	}
	return in.Spec.Migration.Singletons
}

// alone says that no other pod does the work of one while it moves: a StatefulSet with one replica, or any other controller with one pod.
func (m *leaving) alone(p *snapshot.Pod) bool {
	switch {
	case p.Owner.Kind == "" || p.Owner.Kind == "Job":
		return false // bare pods are lost, and Jobs begin again, with one pod or many
	case m.deployment(p) != nil:
		return m.deployment(p).Replicas == 1
	case p.Owner.Kind == "StatefulSet" && m.statefulSets[[2]string{p.Namespace, p.Owner.Name}] != nil:
		return m.statefulSets[[2]string{p.Namespace, p.Owner.Name}].Replicas == 1
	default:
		return m.alike[controllerOf(p)] == 1
	}
}

// singletonDowntime finds single pods that stop before another one runs in their place.
func singletonDowntime(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		b := m.soleBudget(p)
		held := len(m.budgets[p]) > 1 || (b != nil && b.Never()) || (m.singleton(p) && singletons(in) == v1alpha1.SingletonWait)
		if m.alone(p) && !held && !m.surges(in, p) {
			g.add(p, m.workload(p))
		}
	}
	return g.hits("run two replicas while the run goes on; or let a Deployment surge (strategy.rollingUpdate: maxSurge 1, maxUnavailable 0, and no PersistentVolumeClaim) with spec.migration.singletons: SurgeRestart",
		"they have one pod, which is evicted before there is another: %s are down until one runs on a green node", g.where())
}

// singletonWaits finds what spec.migration.singletons: Wait leaves on its nodes.
func singletonWaits(in Input) []Hit {
	m := in.moves()
	if m == nil || singletons(in) != v1alpha1.SingletonWait {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if m.singleton(p) {
			g.add(p, m.workload(p))
		}
	}
	return g.hits("move them yourself when it suits (kubectl rollout restart), or set spec.migration.singletons: SurgeRestart",
		"they have no replica to spare and spec.migration.singletons is Wait: %s keep their nodes until somebody moves them", g.where())
}

func singletonRestart(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if m.surges(in, p) && len(m.budgets[p]) < 2 {
			g.add(p, m.workload(p))
		}
	}
	return g.hits("nothing, where two pods of them may run at the same time for a while; else set spec.migration.singletons to Evict or Wait",
		"they have no replica to spare, and the run restarts them as `kubectl rollout restart` does, so that each new pod runs before the old one stops: %s", g.where())
}
