package phases

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/install"
)

func TestAChartThatIsNotTheOneThatPreflightSawIsNotInstalled(t *testing.T) {
	w := newWorld(t, greenVersion)
	w.release(blueRelease, blueVersion, 2)
	w.begin(plan())
	crds := w.crdVersions()
	w.run.Status.Plan.Hops[0].CRDChartDigest = "sha256:" + zeros
	out := w.step((&install.Phase{Kit: w.kit}).Run)
	w.Expect(out.Kind).To(Equal(engine.KindFail), "waiting does not help: %s", out.Message)
	w.Expect(out.Message).To(And(ContainSubstring("karpenter-crd:1.14.1"), ContainSubstring("not sha256:"+zeros), ContainSubstring("the registry serves another digest")))
	w.Expect(w.crdVersions()).To(Equal(crds))
	w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
}

func TestCleanupWaitsForAPersonWhenTheChartHasChanged(t *testing.T) {
	w, p := upgradedWorld(t)
	w.run.Status.Plan.Hops[0].ChartDigest = "sha256:" + zeros
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonCleanupBlocked)), out.Message)
	w.Expect(w.gone(phase.Object(phase.NodePoolKind, ""), "", "general")).To(BeFalse())
}
