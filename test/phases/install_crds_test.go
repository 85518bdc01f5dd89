package phases

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/install"
)

// installWorld has Karpenter 1.0.8, whose controller has written its own CA into its CRDs, and on which a user has left a label.
func installWorld(t *testing.T, ownCRDs bool, values map[string]any, change ...func(*v1alpha1.KarpenterUpgradeSpec)) (*world, *install.Phase) {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.installBlue(ownCRDs, values)
	w.blue()
	_, ca := w.certificate()
	for _, name := range []string{nodePoolCRD, nodeClaimCRD, nodeClassCRD} {
		crd := w.crd(name)
		crd.Spec.Conversion.Webhook.ClientConfig.CABundle = ca
		crd.Labels = labels.Merge(crd.Labels, labels.Set{"argocd.argoproj.io/instance": "karpenter"})
		w.ok(w.api.Update(w.ctx(), crd))
	}
	p := plan()
	if ownCRDs {
		p.CRDRelease = karpenterNS + "/" + crdRelease
	}
	w.begin(p, change...)
	return w, &install.Phase{Kit: w.kit}
}

// expectGreenCRDs says that the CRDs are the target's, and still what others made of them.
func (w *world) expectGreenCRDs() {
	w.t.Helper()
	for _, name := range allCRDs {
		crd := w.crd(name)
		w.Expect(crd.Spec.Versions).To(HaveLen(1), "%s: v1beta1 is gone", name)
		w.Expect(crd.Spec.Conversion.Strategy).To(Equal(apiextensionsv1.NoneConverter), name)
		w.Expect(crd.Spec.Conversion.Webhook).To(BeNil(), name)
	}
	w.Expect(w.crd(nodePoolCRD).Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties).To(HaveKey("replicas"), "a field of 1.14's")
	w.Expect(w.crd(nodePoolCRD).Labels).To(HaveKeyWithValue("argocd.argoproj.io/instance", "karpenter"))
	w.Expect(specOf(w.nodePool("general"), "weight")).To(Equal(int64(10)), "objects are what they were")
	w.Expect(w.run.Status.CRDs).To(ConsistOf(
		And(HaveField("Name", nodePoolCRD), HaveField("Created", false), HaveField("UID", w.crd(nodePoolCRD).UID)),
		And(HaveField("Name", nodeClaimCRD), HaveField("Created", false)), And(HaveField("Name", nodeClassCRD), HaveField("Created", false)),
		And(HaveField("Name", nodeOverlayCRD), HaveField("Created", true)), And(HaveField("Name", capacityBufferCRD), HaveField("Created", true)),
	), "what was there before is known, whatever was lost")
}

func TestCRDsOfAReleaseAreUpgradedThroughIt(t *testing.T) {
	w, p := installWorld(t, true, nil)
	w.drive(p.Run, w.play)
	w.expectGreenCRDs()
	r := w.helmRelease(crdRelease)
	w.Expect(r).To(And(HaveField("Version", greenVersion), HaveField("Status", "deployed"), HaveField("Revision", 2)), "once")
	w.Expect(r.Values).To(BeEmpty(), "1.14 has no values for a conversion webhook")
	w.Expect(w.crd(nodeOverlayCRD).Annotations).To(HaveKeyWithValue("meta.helm.sh/release-name", crdRelease))

	before := w.crdVersions()
	w.drive(p.Run)
	w.Expect(w.crdVersions()).To(Equal(before))
}

func TestCRDsOfNoReleaseAreWrittenOneByOne(t *testing.T) {
	w, p := installWorld(t, false, nil)
	w.drive(p.Run, w.play)
	w.expectGreenCRDs()
	w.Expect(w.hasRelease(crdRelease)).To(BeFalse(), "nobody is given a release that he did not have")
	before := w.crdVersions()
	w.drive(p.Run)
	w.Expect(w.crdVersions()).To(Equal(before))
}

func TestCRDsWhoseObjectsMayBeStoredAsV1beta1AreNotTouched(t *testing.T) {
	for name, ownCRDs := range map[string]bool{"of a release": true, "of none": false} {
		t.Run(name, func(t *testing.T) {
			w, p := installWorld(t, ownCRDs, nil)
			w.stored(nodeClassCRD, "v1beta1", "v1")
			before := w.crdVersions()
			out := w.driveTo(engine.KindFail, p.Run)
			w.Expect(out.Message).To(ContainSubstring("CustomResourceDefinition " + nodeClassCRD + ": objects are stored as v1beta1, which its CRD of 1.14.1 does not have"))
			w.Expect(w.crdVersions()).To(Equal(before))
			w.Expect(w.hasRelease(greenRelease)).To(BeFalse())
			if ownCRDs {
				w.Expect(w.helmRelease(crdRelease)).To(And(HaveField("Status", "deployed"), HaveField("Revision", 1)))
			}
			w.drive(p.Undo)
		})
	}
}

func TestACRDReleaseThatSomebodyElseWorksOnIsWaitedFor(t *testing.T) {
	w, p := installWorld(t, true, nil)
	w.cutOff(crdRelease, helmrelease.StatusPendingUpgrade)
	for range 3 {
		w.Expect(w.step(p.Run)).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "InstallingCRDs")))
	}
	w.Expect(w.helmRelease(crdRelease).Status).To(Equal("pending-upgrade"))
	w.pass(4 * time.Minute)
	w.drive(p.Run, w.play)
	w.Expect(w.helmRelease(crdRelease)).To(And(HaveField("Version", greenVersion), HaveField("Status", "deployed")))
}

func TestInstallHasADeadline(t *testing.T) {
	NewWithT(t).Expect((&install.Phase{}).Deadline(&v1alpha1.KarpenterUpgrade{})).To(Equal(10 * time.Minute))
}
