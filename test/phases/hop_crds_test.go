package phases

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

var coreCRDs = []string{nodePoolCRD, nodeClaimCRD, nodeClassCRD}

// hops of the tests: through 1.0.8, where objects are rewritten, to 1.14.1.
var (
	blueHop  = v1alpha1.Hop{Version: blueVersion, Strategy: v1alpha1.StrategyInPlace, StoredVersion: "v1"}
	greenHop = v1alpha1.Hop{Version: greenVersion, Strategy: v1alpha1.StrategyBlueGreen}
)

// elsewhere is a conversion webhook that is not where the raw CRDs have it.
var elsewhere = values.Conversion{Namespace: karpenterNS, Service: "karpenter-main", Port: 9443}

// hopWorld has the CRDs of Karpenter 0.36.2, and a run on its way to 1.14.1.
func hopWorld(t *testing.T, ownCRDs bool) *world {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.dropCRDs()
	lastCRDs.mixed = true
	p := plan()
	p.Hops = []v1alpha1.Hop{blueHop, greenHop}
	if ownCRDs {
		p.CRDRelease = karpenterNS + "/" + crdRelease
		w.install(crdRelease, release.ChartCRDs, betaVersion, nil)
	} else {
		w.writeCRDs(crdState{Version: betaVersion})
	}
	for _, name := range coreCRDs {
		w.established(name)
		change(w, w.crd(name), func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Labels = labels.Merge(c.Labels, labels.Set{"argocd.argoproj.io/instance": "karpenter"})
		})
	}
	w.begin(p)
	return w
}

// part makes a step of a part of a phase.
func part(do func(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (bool, string, error)) stepFunc {
	return func(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
		done, waits, err := do(ctx, run)
		switch {
		case err != nil:
			return engine.FromError(err)
		case !done:
			return engine.Wait(0, "Part", "%s", waits)
		default:
			return engine.Done("%s", "done")
		}
	}
}

// toCRDs brings the CRDs to a hop.
func (w *world) toCRDs(hop v1alpha1.Hop, webhook values.Conversion) stepFunc {
	return part(func(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (bool, string, error) {
		return w.kit.EnsureCRDs(ctx, run, &hop, webhook)
	})
}

// owners runs a test with CRDs that belong to a Helm release, and with CRDs that belong to none.
func owners(t *testing.T, test func(w *world, ownCRDs bool)) {
	t.Helper()
	t.Run("of a release", func(t *testing.T) { test(hopWorld(t, true), true) })
	t.Run("of none", func(t *testing.T) { test(hopWorld(t, false), false) })
}

// converter says which Service converts a CRD.
func (w *world) converter(name string) *apiextensionsv1.ServiceReference {
	w.t.Helper()
	c := w.crd(name).Spec.Conversion
	if c == nil || c.Webhook == nil {
		return nil
	}
	return c.Webhook.ClientConfig.Service
}

// takeCA plays Karpenter's webhook controller, which writes its CA and path into the CRDs that it converts.
func (w *world) takeCA() []byte {
	w.t.Helper()
	_, ca := w.certificate()
	for _, name := range coreCRDs {
		change(w, w.crd(name), func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Conversion.Webhook.ClientConfig.CABundle = ca
			c.Spec.Conversion.Webhook.ClientConfig.Service.Path = ptr.To("/conversion/karpenter.sh")
		})
	}
	return ca
}

func TestCRDsGoThroughAHopThatConverts(t *testing.T) {
	owners(t, func(w *world, ownCRDs bool) {
		w.drive(w.toCRDs(blueHop, elsewhere))
		for _, name := range coreCRDs {
			w.Expect(w.converter(name)).To(HaveValue(Equal(apiextensionsv1.ServiceReference{
				Namespace: karpenterNS, Name: "karpenter-main", Port: ptr.To[int32](9443),
			})), "not what the raw CRDs have")
			w.Expect(w.crd(name).Status.StoredVersions).To(Equal([]string{"v1beta1", "v1"}))
		}
		w.Expect(w.run.Status.CRDs).To(ConsistOf(
			And(HaveField("Name", nodePoolCRD), HaveField("Created", false), HaveField("UID", w.crd(nodePoolCRD).UID)),
			And(HaveField("Name", nodeClaimCRD), HaveField("Created", false)), And(HaveField("Name", nodeClassCRD), HaveField("Created", false)),
		))
		w.Expect(w.hasRelease(crdRelease)).To(Equal(ownCRDs), "nobody is given a release that he did not have")

		w.takeCA()
		before := w.crdVersions()
		w.drive(w.toCRDs(blueHop, elsewhere))
		w.Expect(w.crdVersions()).To(Equal(before), "nobody is fought over the CA")

		for _, name := range coreCRDs {
			w.stored(name, "v1")
		}
		w.drive(w.toCRDs(greenHop, elsewhere))
		for _, name := range allCRDs {
			crd := w.crd(name)
			w.Expect(crd.Spec.Conversion).To(HaveValue(Equal(apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter})), name)
			w.Expect(crd.Spec.Versions).To(HaveLen(1), name)
		}
		w.Expect(w.crd(nodePoolCRD).Labels).To(HaveKeyWithValue("argocd.argoproj.io/instance", "karpenter"))
		w.Expect(w.run.Status.CRDs).To(ContainElements(
			And(HaveField("Name", nodePoolCRD), HaveField("Created", false)),
			And(HaveField("Name", nodeOverlayCRD), HaveField("Created", true)), And(HaveField("Name", capacityBufferCRD), HaveField("Created", true)),
		), "what was there before the first hop, and what a later one brought")
		before = w.crdVersions()
		w.drive(w.toCRDs(greenHop, elsewhere))
		w.Expect(w.crdVersions()).To(Equal(before))
	})
}

func TestTheServiceThatConvertsIsPutRight(t *testing.T) {
	owners(t, func(w *world, ownCRDs bool) {
		w.drive(w.toCRDs(blueHop, elsewhere))
		w.takeCA()
		w.drive(w.toCRDs(blueHop, phase.Converter(w.run.Status.Plan)))
		for _, name := range coreCRDs {
			config := w.crd(name).Spec.Conversion.Webhook.ClientConfig
			w.Expect(config.Service).To(HaveValue(And(HaveField("Name", blueRelease), HaveField("Port", HaveValue(Equal(int32(8443)))))))
		}
		if ownCRDs {
			w.Expect(w.helmRelease(crdRelease).Values).To(HaveKeyWithValue("webhook", HaveKeyWithValue("serviceName", blueRelease)),
				"whoever upgrades it next keeps the Service")
		} else {
			w.Expect(w.crd(nodePoolCRD).Spec.Conversion.Webhook.ClientConfig.CABundle).To(BeEmpty(), "it was another release's")
		}
		ca := w.takeCA()
		change(w, w.crd(nodeClaimCRD), func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Conversion.Webhook.ClientConfig.Service.Namespace = "kube-system"
		})
		w.drive(w.toCRDs(blueHop, phase.Converter(w.run.Status.Plan)))
		w.Expect(w.converter(nodeClaimCRD).Namespace).To(Equal(karpenterNS))
		w.Expect(w.crd(nodePoolCRD).Spec.Conversion.Webhook.ClientConfig.CABundle).To(Equal(ca))
	})
}

func TestNoCRDIsWrittenWhenOneMustNotBe(t *testing.T) {
	for what, bad := range map[string]struct {
		do  func(w *world)
		hop v1alpha1.Hop
		say string
	}{
		"objects are stored in a version that goes": {
			func(*world) {}, greenHop,
			"CustomResourceDefinition " + nodePoolCRD + ": objects are stored as v1beta1, which its CRD of 1.14.1 does not have",
		},
		"a stored version is not served": {
			func(w *world) {
				change(w, w.crd(nodePoolCRD), func(c *apiextensionsv1.CustomResourceDefinition) {
					old := *c.Spec.Versions[0].DeepCopy()
					old.Name, old.Served, old.Storage = "v1alpha5", false, false
					c.Spec.Versions = append(c.Spec.Versions, old)
				})
				w.stored(nodePoolCRD, "v1alpha5", "v1beta1")
			}, blueHop,
			"CustomResourceDefinition " + nodePoolCRD + ": its status.storedVersions has v1alpha5, which it does not serve",
		},
		"one is being deleted": {
			func(w *world) {
				change(w, w.crd(nodePoolCRD), func(c *apiextensionsv1.CustomResourceDefinition) { c.Finalizers = append(c.Finalizers, "test/kept") })
				crd := w.crd(nodePoolCRD)
				w.ok(w.api.Delete(w.ctx(), crd))
			}, blueHop,
			"CustomResourceDefinition " + nodePoolCRD + ": it is being deleted since",
		},
		"one is another release's": {
			func(w *world) {
				change(w, w.crd(nodePoolCRD), func(c *apiextensionsv1.CustomResourceDefinition) {
					c.Annotations = labels.Merge(c.Annotations, labels.Set{"meta.helm.sh/release-name": "platform", "meta.helm.sh/release-namespace": shopNS})
				})
			}, blueHop,
			"CustomResourceDefinition " + nodePoolCRD + ": it belongs to the Helm release shop/platform",
		},
	} {
		t.Run(what, func(t *testing.T) {
			owners(t, func(w *world, ownCRDs bool) {
				bad.do(w)
				defer func() {
					change(w, w.crd(nodePoolCRD), func(c *apiextensionsv1.CustomResourceDefinition) {
						for i, f := range c.Finalizers {
							if strings.HasPrefix(f, "test/") {
								c.Finalizers = append(c.Finalizers[:i], c.Finalizers[i+1:]...)
								break
							}
						}
					})
				}()
				out := w.driveTo(engine.KindFail, w.toCRDs(bad.hop, elsewhere))
				w.Expect(out.Message).To(ContainSubstring(bad.say))
				for _, name := range []string{nodeClaimCRD, nodeClassCRD} {
					w.Expect(w.crd(name).Spec.Versions).To(HaveLen(1), "nothing was changed")
				}
				w.Expect(w.run.Status.CRDs).To(BeEmpty())
				if ownCRDs {
					w.Expect(w.helmRelease(crdRelease)).To(And(HaveField("Status", "deployed"), HaveField("Revision", 1)))
				}
			})
		})
	}
}
