package check

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func TestWaivers(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	pinned := Check{Code: "WorkloadPinned", Severity: v1alpha1.SeverityBlocker, Waivable: true}
	hit := Hit{Objects: []string{"Deployment/shop/cart", "Deployment/shop/web", "StatefulSet/data/db"}, Why: "why", Fix: "fix"}
	type found struct {
		objects int
		waived  string
	}
	for name, c := range map[string]struct {
		waivers []v1alpha1.Waiver
		check   Check
		hit     Hit
		want    []found
		useless string
	}{
		"none":               {nil, pinned, hit, []found{{3, ""}}, ""},
		"whole code":         {[]v1alpha1.Waiver{{Code: "WorkloadPinned", Reason: "known"}}, pinned, hit, []found{{3, "known"}}, ""},
		"some":               {[]v1alpha1.Waiver{{Code: "WorkloadPinned", Objects: []string{"Deployment/shop/*"}, Reason: "known"}}, pinned, hit, []found{{1, ""}, {2, "known"}}, ""},
		"two":                {[]v1alpha1.Waiver{{Code: "WorkloadPinned", Objects: []string{"Deployment/shop/*"}, Reason: "a"}, {Code: "WorkloadPinned", Reason: "b"}}, pinned, hit, []found{{2, "a"}, {1, "b"}}, ""},
		"other objects":      {[]v1alpha1.Waiver{{Code: "WorkloadPinned", Objects: []string{"Deployment/shop"}, Reason: "a"}}, pinned, hit, []found{{3, ""}}, "no finding of the code has an object"},
		"expires later":      {[]v1alpha1.Waiver{{Code: "WorkloadPinned", Reason: "a", Expires: at(now.Add(time.Hour))}}, pinned, hit, []found{{3, "a"}}, ""},
		"expired":            {[]v1alpha1.Waiver{{Code: "WorkloadPinned", Reason: "a", Expires: at(now)}}, pinned, hit, []found{{3, ""}}, "it expired at 2026-11-21T12:00:00Z"},
		"no such code":       {[]v1alpha1.Waiver{{Code: "Pinned", Reason: "a"}}, pinned, hit, []found{{3, ""}}, "no such code"},
		"cannot be waived":   {[]v1alpha1.Waiver{{Code: "LeaderElsewhere", Reason: "a"}}, Check{Code: "LeaderElsewhere", Severity: v1alpha1.SeverityBlocker}, hit, []found{{3, ""}}, "cannot go on in spite"},
		"a warning":          {[]v1alpha1.Waiver{{Code: "ValuesDropped", Reason: "a"}}, Check{Code: "ValuesDropped", Severity: v1alpha1.SeverityWarning}, hit, []found{{3, "a"}}, ""},
		"no objects at all":  {[]v1alpha1.Waiver{{Code: "ValuesDropped", Reason: "a"}}, Check{Code: "ValuesDropped", Severity: v1alpha1.SeverityWarning}, Hit{}, []found{{0, "a"}}, ""},
		"objects are needed": {[]v1alpha1.Waiver{{Code: "ValuesDropped", Objects: []string{"x"}, Reason: "a"}}, Check{Code: "ValuesDropped", Severity: v1alpha1.SeverityWarning}, Hit{}, []found{{0, ""}}, "no finding of the code"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := waiversOf(Input{Spec: &v1alpha1.KarpenterUpgradeSpec{Waivers: c.waivers}, Snapshot: &snapshot.Snapshot{TakenAt: now}})
			var got []found
			for _, f := range w.findings(c.check, c.hit) {
				got = append(got, found{len(f.Objects), f.Waived})
			}
			g.Expect(got).To(Equal(c.want))
			if c.useless == "" {
				g.Expect(w.useless()).To(BeEmpty())
				return
			}
			g.Expect(w.useless()).To(ConsistOf(And(HaveField("Objects", ConsistOf("spec.waivers[0]")), HaveField("Why", ContainSubstring(c.useless)))))
		})
	}
}

func TestAWaivedBlockerBlocksNothing(t *testing.T) {
	g := NewWithT(t)
	blocker := v1alpha1.Finding{Code: "WorkloadPinned", Severity: v1alpha1.SeverityBlocker}
	g.Expect(Blocked([]v1alpha1.Finding{blocker})).To(BeTrue())
	blocker.Waived = "known"
	g.Expect(Blocked([]v1alpha1.Finding{blocker})).To(BeFalse())
}

func at(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }
