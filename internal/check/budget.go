package check

import (
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// budgetChecks are about PodDisruptionBudgets, which a run keeps whatever they say. They decide as package drain does when the pods move.
func budgetChecks() []Check {
	return []Check{
		{Code: "BudgetNeverAllows", Severity: v1alpha1.SeverityWarning, Find: budgetNeverAllows},
		{Code: "TwoBudgets", Severity: v1alpha1.SeverityWarning, Find: twoBudgets},
		{Code: "BudgetExhausted", Severity: v1alpha1.SeverityInfo, Find: budgetExhausted},
	}
}

// budgetNeverAllows finds budgets that keep their nodes for ever. Those of Deployments that the run restarts do not: their own surge
// moves the pods.
func budgetNeverAllows(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if b := m.soleBudget(p); b != nil && b.Never() && !m.surges(in, p) {
			g.add(p, budgetObject(b))
		}
	}
	if g.pods == 0 {
		return nil
	}
	said := ""
	for i := range in.Snapshot.Budgets {
		if b := &in.Snapshot.Budgets[i]; budgetObject(b) == g.objects[0] {
			said = "; " + wants(b)
		}
	}
	return g.hits("raise the replicas above what the budget wants, or set its maxUnavailable to 1 while the run goes on (kubectl edit pdb -n NAMESPACE NAME); or move the pods yourself; no run changes a PodDisruptionBudget",
		"they allow no disruption of their pods, ever: %s keep their nodes until somebody moves them%s", g.where(), said)
}

// wants says why a budget allows nothing.
func wants(b *snapshot.Budget) string {
	field := "minAvailable: " + b.MinAvailable
	if b.MaxUnavailable != "" {
		field = "maxUnavailable: " + b.MaxUnavailable
	}
	if b.Failed != "" {
		return fmt.Sprintf("%s (%s) cannot be worked out: %s", b.Name, field, b.Failed)
	}
	return fmt.Sprintf("%s (%s) wants %d of %d pods healthy", b.Name, field, b.Desired, b.Expected)
}

func twoBudgets(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if all := m.budgets[p]; len(all) > 1 {
			g.add(p, m.workload(p), budgetObject(all[0]), budgetObject(all[1]))
		}
	}
	return g.hits("delete one of the two, or narrow its selector, so that each pod is under one",
		"%s are under more than one PodDisruptionBudget, and the Eviction API refuses such pods: they keep their nodes", g.where())
}

// budgetExhausted finds budgets that allow nothing now and will when their pods are healthy.
func budgetExhausted(in Input) []Hit {
	m := in.moves()
	if m == nil {
		return nil
	}
	var g group
	for _, p := range m.pods {
		if b := m.soleBudget(p); b != nil && b.Allowed == 0 && b.Expected > 0 && !b.Never() && !b.Stale {
			g.add(p, budgetObject(b))
		}
	}
	return g.hits("kubectl get pdb -A; see why pods under them are not Ready", "they allow no disruption now, since fewer of their pods are healthy than they want: %s wait until that is better", g.where())
}

// soleBudget is the one budget that a pod is under; nil when it is under none, or under more, which no budget decides.
func (m *leaving) soleBudget(p *snapshot.Pod) *snapshot.Budget {
	if all := m.budgets[p]; len(all) == 1 {
		return all[0]
	}
	return nil
}

func budgetObject(b *snapshot.Budget) string {
	return "PodDisruptionBudget/" + b.Namespace + "/" + b.Name
}
