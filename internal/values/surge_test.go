package values

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestSurgingAndBack(t *testing.T) {
	for name, given := range map[string]map[string]any{
		"none":         nil,
		"no strategy":  {"replicas": int64(2)},
		"own strategy": {"strategy": map[string]any{"rollingUpdate": map[string]any{"maxUnavailable": int64(1)}}, "replicas": int64(2)},
		"null":         {"strategy": nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			surging := Surging(given)
			g.Expect(Surges(given)).To(BeFalse())
			g.Expect(Surges(surging)).To(BeTrue())
			g.Expect(surging["strategy"]).To(HaveKeyWithValue("rollingUpdate", HaveKeyWithValue("maxUnavailable", int64(0))))
			g.Expect(Surging(surging)).To(Equal(surging), "its own strategy is not forgotten")
			g.Expect(Settled(surging)).To(Equal(orEmpty(given)))
			g.Expect(Settled(Settled(surging))).To(Equal(orEmpty(given)))
		})
	}
}
