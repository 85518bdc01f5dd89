package record_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

func budget(healthy, desired int) record.Budget {
	return record.Budget{UID: "web", Key: key("web"), Healthy: healthy, Desired: desired}
}

func TestBrokenBudget(t *testing.T) {
	s := begin(t, budget(3, 2))
	s.after("1s", budget(2, 2))
	s.clean()
	s.after("1s", budget(1, 2))
	s.after("1s", budget(0, 2))
	s.after("2s", budget(3, 2))
	s.after("5s", budget(1, 2))
	s.after("500ms")

	r := s.report()
	s.Expect(r.PDBViolations).To(Equal(2))
	s.Expect(r.Violations).To(HaveLen(2))
	s.Expect(r.Violations[0]).To(And(
		HaveField("Kind", Equal(report.BudgetBroken)), HaveField("Object", Equal("PodDisruptionBudget/shop/web")),
		HaveField("Detail", Equal("0 healthy pods of 2 wanted")), HaveField("Seconds", BeNumerically("~", 3, 0.001))))
	s.Expect(r.Violations[1].Seconds).To(BeNumerically("~", 0.5, 0.001), "it is broken still")
}

func TestBudgetThatIsBrokenForNoTimeAtAll(t *testing.T) {
	s := begin(t, budget(2, 2))
	s.after("1s", budget(1, 2), budget(2, 2))
	s.Expect(s.report().PDBViolations).To(Equal(1))
}

func TestBudgetThatGoesWhileBroken(t *testing.T) {
	s := begin(t, budget(2, 2))
	s.after("1s", budget(1, 2))
	s.after("1s", record.BudgetGone{UID: "web"})
	s.after("10s", record.Tick{})
	s.Expect(s.report().Violations).To(ConsistOf(HaveField("Seconds", BeNumerically("~", 1, 0.001))))
}

func TestBudgetThatIsNotBroken(t *testing.T) {
	for name, statuses := range map[string][]record.Budget{
		"its workload comes up":                 {budget(0, 2), budget(1, 2), budget(2, 2)},
		"its workload is scaled up":             {budget(2, 1), budget(2, 3), budget(3, 3)},
		"its workload is stopped and started":   {budget(2, 1), budget(0, 0), budget(0, 1), budget(2, 1)},
		"it was broken before, and never whole": {budget(1, 2), budget(0, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, statuses[0])
			for _, status := range statuses[1:] {
				s.after("1s", status)
			}
			s.clean()
		})
	}
}

func TestBudgetThatIsBrokenWhileItGrows(t *testing.T) {
	s := begin(t, budget(2, 2))
	s.after("1s", budget(2, 3))
	s.after("1s", budget(1, 3))
	s.Expect(s.report().PDBViolations).To(Equal(1))
}
