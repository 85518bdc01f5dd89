package v1alpha1

import (
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
)

func TestTruncateCutsToWhatTheAPITakes(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Truncate("short")).To(Equal("short"))
	g.Expect(Truncate(strings.Repeat("x", 1024))).To(Equal(strings.Repeat("x", 1024)))
	g.Expect(Truncate(strings.Repeat("x", 1025))).To(Equal(strings.Repeat("x", 1021) + "..."))
	cut := Truncate(strings.Repeat("ü", 1024))
	g.Expect(utf8.ValidString(cut)).To(BeTrue(), "no character is cut in two")
	g.Expect(cut).To(Equal(strings.Repeat("ü", 510) + "..."))
}

func TestARunIsActiveFromTheEndOfItsPreflightToItsOwn(t *testing.T) {
	g, u := NewWithT(t), &KarpenterUpgrade{}
	g.Expect(u.Active()).To(BeFalse())
	u.Status.Steps = []Step{{Phase: PhasePreflight, State: StepRunning}}
	g.Expect(u.Active()).To(BeFalse())
	u.Status.Steps[0].State = StepDone
	g.Expect(u.Active()).To(BeTrue())
	for _, end := range []RunPhase{RunSucceeded, RunRolledBack, RunAborted} {
		u.Status.Phase = end
		g.Expect(u.Active()).To(BeFalse())
	}
}
