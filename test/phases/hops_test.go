package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/hops"
)

// inPlaceWorld is a cluster of 1.0.8 whose release is to be taken to 1.14.1 where it is.
func inPlaceWorld(t *testing.T) (*world, *hops.Phase) {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.installBlue(true, map[string]any{"strategy": map[string]any{"rollingUpdate": map[string]any{"maxUnavailable": int64(2)}}})
	w.blue()
	p := plan()
	p.CRDRelease = karpenterNS + "/" + crdRelease
	p.Hops = []v1alpha1.Hop{{Version: greenVersion, Strategy: v1alpha1.StrategyInPlace, RollbackTo: blueVersion}}
	w.begin(p, func(s *v1alpha1.KarpenterUpgradeSpec) { s.Strategy = v1alpha1.StrategyInPlace })
	w.run.Status.From = blueVersion
	w.save()
	return w, &hops.Phase{Kit: w.kit}
}

func TestAHopInPlaceAndBack(t *testing.T) {
	w, p := inPlaceWorld(t)
	before := w.helmRelease(blueRelease).Values
	surged := false
	w.drive(p.Run, func() {
		if d := w.deployment(blueRelease).Spec.Strategy.RollingUpdate; d != nil && d.MaxUnavailable != nil && d.MaxUnavailable.IntVal == 0 {
			surged = true
		}
		w.play()
	})
	w.Expect(surged).To(BeTrue(), "new pods come before old ones go")
	r := w.helmRelease(blueRelease)
	w.Expect(r).To(And(HaveField("Version", greenVersion), HaveField("Status", "deployed")))
	w.Expect(r.Values["strategy"]).To(Equal(before["strategy"]), "its own update strategy again")
	w.Expect(w.deployment(blueRelease).Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal).To(Equal(int32(2)))
	w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
	w.Expect(w.run.Status.Hops).To(ConsistOf(And(HaveField("State", v1alpha1.StepDone), HaveField("From", blueVersion), HaveField("Version", greenVersion))))
	w.Expect(w.run.BlueVersion()).To(Equal(greenVersion))

	w.drive(p.Undo, w.play)
	w.Expect(w.helmRelease(blueRelease)).To(And(HaveField("Version", blueVersion), HaveField("Status", "deployed"), HaveField("Values", Equal(before))))
	w.Expect(w.helmRelease(crdRelease).Version).To(Equal(greenVersion), "the CRDs stay")
	w.Expect(w.run.BlueVersion()).To(Equal(blueVersion))
}

func TestAVersionThatNeverBecomesReadyIsTakenBack(t *testing.T) {
	w, p := inPlaceWorld(t)
	leader := w.holder()
	for range 20 { // nobody plays: no new pod comes
		w.step(p.Run)
	}
	w.Expect(w.run.Status.Hops).To(ConsistOf(HaveField("State", v1alpha1.StepRunning)))
	w.Expect(w.holder()).To(Equal(leader), "who leads has not been stopped")
	w.drive(p.Undo, w.play)
	w.Expect(w.helmRelease(blueRelease).Version).To(Equal(blueVersion))
}

func TestARollbackEndsWhereCRDsNoLongerServeWhatTheOlderVersionReads(t *testing.T) {
	w, p := inPlaceWorld(t)
	w.run.Status.From = betaVersion
	w.run.Status.Hops = []v1alpha1.HopStatus{{Version: blueVersion, From: betaVersion, State: v1alpha1.StepDone, Revision: 1, CRDRevision: 1}}
	w.run.Status.Plan.Hops = []v1alpha1.Hop{{Version: blueVersion, Strategy: v1alpha1.StrategyInPlace}, {Version: greenVersion, Strategy: v1alpha1.StrategyBlueGreen}}
	w.save()
	w.setCRDs(crdState{Version: greenVersion, Namespace: karpenterNS, Release: crdRelease})
	out := w.drive(p.Undo, w.play)
	w.Expect(out.Message).To(And(ContainSubstring("stays at 1.0.8"), ContainSubstring("do not serve v1beta1: 0.36.2 could read nothing")))
	w.Expect(w.helmRelease(blueRelease)).To(And(HaveField("Version", blueVersion), HaveField("Revision", 1)))
	w.Expect(w.run.BlueVersion()).To(Equal(blueVersion), "and the run says where it ended")
}

func TestALeaderThatDoesNotStopIsNotWaitedFor(t *testing.T) {
	w, _ := inPlaceWorld(t)
	pods := w.pods(blueRelease)
	leader := &corev1.Pod{}
	for i := range pods {
		w.ok(w.api.Delete(w.ctx(), &pods[i], client.GracePeriodSeconds(30)))
		if w.holder() != "" && pods[i].Name == w.holder()[:len(pods[i].Name)] {
			leader = &pods[i]
		}
	}
	w.Expect(leader.Name).NotTo(BeEmpty())
	grace := func(name string) int64 {
		return ptr.Deref(get(w, &corev1.Pod{}, karpenterNS, name).DeletionGracePeriodSeconds, 0)
	}
	w.ok(w.kit.HurryLeader(w.ctx(), karpenterNS, w.pods(blueRelease)))
	w.Expect(grace(leader.Name)).To(Equal(int64(30)), "it gets its time to stop")
	w.pass(10 * time.Second)
	w.ok(w.kit.HurryLeader(w.ctx(), karpenterNS, w.pods(blueRelease)))
	for _, p := range pods {
		if p.Name == leader.Name {
			w.Expect(grace(p.Name)).To(Equal(int64(1)))
		} else {
			w.Expect(grace(p.Name)).To(Equal(int64(30)), "who does not lead keeps nobody from it")
		}
	}
}

func TestWhatA10DidNotRewriteIsRewrittenFirst(t *testing.T) {
	w, p := kubeletWorld(t)
	w.stored(nodePoolCRD, "v1beta1", "v1")
	w.drive(p.Run, func() { w.pass(5 * time.Second) })
	w.Expect(w.crd(nodePoolCRD).Status.StoredVersions).To(Equal([]string{"v1"}))
	w.Expect(w.run.Status.Hops).To(ConsistOf(And(HaveField("Version", blueVersion), HaveField("From", blueVersion), HaveField("State", v1alpha1.StepDone))))
	w.Expect(w.run.BlueVersion()).To(Equal(blueVersion))
	w.drive(p.Undo)
	w.Expect(w.crd(nodePoolCRD).Status.StoredVersions).To(Equal([]string{"v1"}), "1.0 reads v1")
}
