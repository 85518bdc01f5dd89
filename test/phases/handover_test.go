package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
)

// handoverWorld has a blue release with three replicas that leads, a green one that stands by, and the phase.
func handoverWorld(t *testing.T) (*world, *handover.Phase) {
	t.Helper()
	w := newWorld(t, greenVersion)
	w.release(blueRelease, blueVersion, 3)
	w.release(greenRelease, greenVersion, 2)
	w.begin(plan())
	w.Expect(w.holder()).To(HavePrefix("karpenter-1-0-8-0_"))
	return w, &handover.Phase{Kit: w.kit}
}

func (w *world) replicas(deployment string) int {
	w.t.Helper()
	return int(*w.deployment(deployment).Spec.Replicas)
}

func TestHandoverAndBack(t *testing.T) {
	w, p := handoverWorld(t)
	w.drive(p.Run, w.play)
	w.Expect(w.holder()).To(HavePrefix("karpenter-green-1-14-1-0_"))
	w.Expect(w.replicas(blueRelease)).To(BeZero())
	w.Expect(w.deployment(blueRelease).Labels).To(HaveKeyWithValue(v1alpha1.LabelStoppedBy, "up.3"))
	w.Expect(w.run.Status.BlueReplicas).To(HaveValue(Equal(int32(3))), "how many there were is known, whatever was lost")

	// Somebody can lead at every moment of the way back: blue starts before green stops.
	w.drive(p.Undo, func() {
		if w.replicas(greenRelease) == 0 {
			w.Expect(w.pods(blueRelease)).To(HaveLen(3))
		}
		w.play()
	})
	w.Expect(w.holder()).To(HavePrefix("karpenter-1-0-8-0_"))
	w.Expect(w.replicas(blueRelease)).To(Equal(3))
	w.Expect(w.replicas(greenRelease)).To(BeZero())
	w.Expect(w.deployment(blueRelease).Labels).NotTo(HaveKey(v1alpha1.LabelStoppedBy))

	before := w.deployment(blueRelease).ResourceVersion
	w.drive(p.Undo)
	w.Expect(w.deployment(blueRelease).ResourceVersion).To(Equal(before), "what has been taken back is not taken back again")
}

func TestHandoverIsTakenBackByAnOperatorThatLostTheStatus(t *testing.T) {
	w, p := handoverWorld(t)
	lost := w.run.DeepCopy()
	w.Expect(p.Run(w.ctx(), lost).Reason).To(Equal("StoppingBlue"))
	w.Expect(w.replicas(blueRelease)).To(BeZero())

	w.drive(p.Undo, w.play)
	w.Expect(w.replicas(blueRelease)).To(Equal(3), "the mark says how many there were")
}

func TestHandoverWaitsForTheStandby(t *testing.T) {
	w, p := handoverWorld(t)
	standby := w.pods(greenRelease)[0]
	w.setReady(&standby, false)
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "WaitingForStandby")))
	w.Expect(out.Message).To(ContainSubstring("1 of 2 pods of Deployment karpenter/karpenter-green are Ready"))
	w.Expect(w.replicas(blueRelease)).To(Equal(3), "blue leads on")
	w.Expect(w.deployment(blueRelease).Labels).NotTo(HaveKey(v1alpha1.LabelStoppedBy))

	w.setReady(&standby, true)
	w.Expect(w.step(p.Run).Reason).To(Equal("StoppingBlue"))
}

func TestHandoverFailsWithoutAStandby(t *testing.T) {
	w, p := handoverWorld(t)
	w.ok(w.api.Delete(w.ctx(), w.deployment(greenRelease)))
	w.Expect(w.step(p.Run)).To(And(HaveField("Kind", engine.KindFail), HaveField("Reason", "StandbyGone")))
	w.Expect(w.replicas(blueRelease)).To(Equal(3))
	for _, pod := range w.pods(greenRelease) {
		w.kill(pod.Name)
	}
	w.Expect(w.step(p.Undo).Kind).To(Equal(engine.KindDone), "there is nothing to take back")
	w.Expect(w.replicas(blueRelease)).To(Equal(3))
}

func TestUndoOfHandoverWaitsForBlue(t *testing.T) {
	w, p := handoverWorld(t)
	w.drive(p.Run, w.play)
	w.Expect(w.step(p.Undo).Reason).To(Equal("StartingBlue"))
	d := w.deployment(blueRelease)
	w.setStatus(d, 3, 2)
	for i := range 3 {
		w.startPod(podName(d, i), d.Spec.Template.Labels, i > 0)
	}
	out := w.step(p.Undo)
	w.Expect(out.Reason).To(Equal("WaitingForBlue"))
	w.Expect(out.Message).To(ContainSubstring("2 of 3 pods"))
	w.Expect(w.replicas(greenRelease)).To(Equal(2), "green leads until blue can")
	w.Expect(w.holder()).To(HavePrefix("karpenter-green-1-14-1-0_"))
}

func TestUndoOfHandoverTakesTheMarkWhereSomebodyElseStartedBlue(t *testing.T) {
	w, p := handoverWorld(t)
	w.drive(p.Run, w.play)
	change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](1) })
	w.drive(p.Undo, w.play)
	w.Expect(w.deployment(blueRelease).Labels).NotTo(HaveKey(v1alpha1.LabelStoppedBy))
	w.Expect(w.replicas(blueRelease)).To(Equal(1), "as they want it")
	w.Expect(w.holder()).To(HavePrefix("karpenter-1-0-8-0_"))
}

func TestReleaseOfHandoverStartsBlueWhereGreenDoesNotLead(t *testing.T) {
	for name, stage := range map[string]func(w *world){
		"green's pods are gone": func(w *world) {
			for _, pod := range w.pods(greenRelease) {
				w.kill(pod.Name)
			}
		},
		"its leader renews the Lease no more": func(w *world) { w.pass(20 * time.Second) },
		"blue's pods have just stopped":       func(w *world) { w.hold("karpenter-1-0-8-0_0b5c6d7e-0000-4000-8000-000000000001") },
	} {
		t.Run(name, func(t *testing.T) {
			w, p := handoverWorld(t)
			w.drive(p.Run, w.play)
			stage(w)
			held := w.holder()
			w.drive(p.Release)
			w.Expect(w.replicas(blueRelease)).To(Equal(3), "nobody would lead")
			w.Expect(w.deployment(blueRelease).Labels).NotTo(HaveKey(v1alpha1.LabelStoppedBy))
			w.Expect(w.holder()).To(Equal(held), "who leads is left to the releases")
		})
	}
}

func TestReleaseOfHandoverTakesTheMarkAndLeavesBlueStopped(t *testing.T) {
	w, p := handoverWorld(t)
	w.drive(p.Run, w.play)
	w.drive(p.Release)
	w.Expect(w.deployment(blueRelease).Labels).NotTo(HaveKey(v1alpha1.LabelStoppedBy))
	w.Expect(w.replicas(blueRelease)).To(BeZero())

	change(w, w.deployment(blueRelease), func(d *appsv1.Deployment) {
		d.Labels[v1alpha1.LabelStoppedBy] = phase.StopMark("another-run", 3)
	})
	w.drive(p.Release)
	w.Expect(w.deployment(blueRelease).Labels).To(HaveKey(v1alpha1.LabelStoppedBy), "the mark of another run is not ours")
}

func TestWhoHoldsTheLeaseAfterBlueStopped(t *testing.T) {
	const uuid = "_0b5c6d7e-0000-4000-8000-000000000001"
	for name, tc := range map[string]struct {
		stage   func(w *world)
		holder  string
		reason  string
		becomes string
	}{
		"a pod that is gone": {holder: "karpenter-1-0-8-0" + uuid, reason: "WaitingForLeader", becomes: ""},
		"a pod of somebody else that lives": {
			stage:  func(w *world) { w.startPod("their-karpenter", map[string]string{"app": "theirs"}, true) },
			holder: "their-karpenter" + uuid, reason: "WaitingForLeader", becomes: "their-karpenter" + uuid,
		},
		"nobody":      {holder: "", reason: "WaitingForLeader", becomes: ""},
		"a green pod": {holder: "karpenter-green-1-14-1-1" + uuid, reason: "Done", becomes: "karpenter-green-1-14-1-1" + uuid},
		"a green pod in the network of its node, whose name it goes by": {
			stage: (*world).putGreenIntoNodeNetwork, holder: "ip-10-0-0-2.ec2.internal" + uuid, reason: "Done", becomes: "ip-10-0-0-2.ec2.internal" + uuid,
		},
		"a green pod that goes by the short name of its node": {
			stage: (*world).putGreenIntoNodeNetwork, holder: "ip-10-0-0-2" + uuid, reason: "Done", becomes: "ip-10-0-0-2" + uuid,
		},
		"somebody in the network of a node, of whom nobody knows": {
			stage: (*world).putGreenIntoNodeNetwork, holder: "another-name" + uuid, reason: "WaitingForLeader", becomes: "another-name" + uuid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := handoverWorld(t)
			w.Expect(w.step(p.Run).Reason).To(Equal("StoppingBlue"))
			for _, pod := range w.pods(blueRelease) {
				w.kill(pod.Name)
			}
			if tc.stage != nil {
				tc.stage(w)
			}
			w.hold(tc.holder)
			w.Expect(w.step(p.Run).Reason).To(Equal(tc.reason))
			w.Expect(w.holder()).To(Equal(tc.holder), "whoever it is has just renewed it")
			w.pass(6 * time.Second)
			w.Expect(w.step(p.Run).Reason).To(Equal(tc.reason))
			w.Expect(w.holder()).To(Equal(tc.becomes))
		})
	}
}

// putGreenIntoNodeNetwork starts the pods of green anew in the network of their nodes.
func (w *world) putGreenIntoNodeNetwork() {
	w.t.Helper()
	d := w.deployment(greenRelease)
	for i, node := range []string{"ip-10-0-0-1.ec2.internal", "ip-10-0-0-2.ec2.internal"} {
		w.kill(podName(d, i))
		w.startPod(podName(d, i), d.Spec.Template.Labels, true, func(p *corev1.Pod) { p.Spec.HostNetwork, p.Spec.NodeName = true, node })
	}
}

func TestALeaseIsLeftAloneWhileBluePodsStop(t *testing.T) {
	w, p := handoverWorld(t)
	w.Expect(w.step(p.Run).Reason).To(Equal("StoppingBlue"))
	held := w.holder()
	w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForStop"))
	w.Expect(w.holder()).To(Equal(held))

	w.kill("karpenter-1-0-8-0") // the one that leads
	w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForStop"))
	w.Expect(w.holder()).To(Equal(held), "as long as a blue pod is there, it may take the Lease itself")
}

func TestALeaseIsLeftToAProcessThatOutlivesItsPod(t *testing.T) {
	w, p := handoverWorld(t)
	w.Expect(w.step(p.Run).Reason).To(Equal("StoppingBlue"))
	held := w.holder()
	for _, pod := range w.pods(blueRelease) {
		w.kill(pod.Name) // by force: nobody asked the kubelet
	}
	for range 10 {
		w.pass(2 * time.Second)
		w.hold(held) // its process renews, as it did
		w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForLeader"))
		w.Expect(w.holder()).To(Equal(held), "it leads on")
	}
	w.pass(6 * time.Second)
	w.step(p.Run)
	w.Expect(w.holder()).To(BeEmpty())
}

func TestALeaseNeedsNoWaitWhereTheProcessIsKnownToHaveEnded(t *testing.T) {
	w, p := handoverWorld(t)
	w.kit.Endings = phase.NewEndings(w.clock)
	w.Expect(w.step(p.Run).Reason).To(Equal("StoppingBlue"))
	for _, pod := range w.pods(blueRelease) {
		w.kill(pod.Name)
		pod.Status.Phase = corev1.PodSucceeded // what the kubelet wrote before
		w.kit.Endings.Handler().OnDelete(&pod)
	}
	w.step(p.Run)
	w.Expect(w.holder()).To(BeEmpty())
}

func TestALeaseThatIsNotRenewedMakesNoLeader(t *testing.T) {
	w, p := handoverWorld(t)
	w.drive(p.Run, w.play)
	w.pass(20 * time.Second)
	w.Expect(w.step(p.Run).Reason).To(Equal("WaitingForLeader"))
	w.Expect(w.holder()).NotTo(BeEmpty(), "its holder lives: it is not taken from it")
	w.play()
	w.Expect(w.step(p.Run).Kind).To(Equal(engine.KindDone))
}
