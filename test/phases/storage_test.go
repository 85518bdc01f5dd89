package phases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// betaClaims is how many NodeClaims there are: three pages, the last of them not full.
const betaClaims = 7

// storageWorld has objects of Karpenter 0.36.2 under the CRDs of 1.0.8, with something that converts them. The function that it
// returns ends the conversion.
func storageWorld(t *testing.T, ownCRDs bool) (*world, func()) {
	t.Helper()
	w := hopWorld(t, ownCRDs)
	for _, doc := range betaObjects() {
		w.Eventually(func() error { return w.api.Create(w.ctx(), w.object(doc)) }).WithTimeout(patience).WithPolling(glance).Should(Succeed())
	}
	w.drive(w.toCRDs(blueHop, phase.Converter(w.run.Status.Plan)))
	stop := w.convert()
	w.readable("v1")
	w.kit.StoragePage = 3
	return w, stop
}

func betaObjects() []string {
	out := []string{`
apiVersion: karpenter.k8s.aws/v1beta1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiFamily: AL2
  role: KarpenterNodeRole-sandbox
  subnetSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
  securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
`, `
apiVersion: karpenter.sh/v1beta1
kind: NodePool
metadata: {name: general}
spec:
  weight: 10
  template:
    spec:
      nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: default}
      requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: 30s}
`}
	for i := range betaClaims {
		out = append(out, fmt.Sprintf(`
apiVersion: karpenter.sh/v1beta1
kind: NodeClaim
metadata: {name: general-%d, labels: {karpenter.sh/nodepool: general}}
spec:
  nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: default}
  requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]
`, i))
	}
	return out
}

// readable waits until all objects can be read in a version.
func (w *world) readable(version string) {
	w.t.Helper()
	w.Eventually(func(g Gomega) {
		for kind, n := range map[string]int{"karpenter.sh NodePool": 1, "karpenter.sh NodeClaim": betaClaims, "karpenter.k8s.aws EC2NodeClass": 1} {
			g.Expect(w.list(kind, version)).To(HaveLen(n))
		}
	}).WithTimeout(patience).WithPolling(glance).Should(Succeed())
}

func (w *world) list(kind, version string) ([]unstructured.Unstructured, error) {
	group, kind, _ := strings.Cut(kind, " ")
	all := &unstructured.UnstructuredList{}
	all.SetAPIVersion(group + "/" + version)
	all.SetKind(kind + "List")
	err := w.api.List(w.ctx(), all)
	return all.Items, err
}

// toStorage has all objects stored in a version.
func (w *world) toStorage(version string) stepFunc {
	return part(func(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (bool, string, error) {
		if len(run.Status.Hops) == 0 {
			run.Status.Hops = []v1alpha1.HopStatus{{Version: blueVersion, From: betaVersion, State: v1alpha1.StepRunning}}
		}
		return w.kit.MigrateStorage(ctx, &run.Status.Hops[0], version)
	})
}

// second lets a second pass.
func (w *world) second() { w.pass(time.Second) }

// expectStored says that all objects are stored in a version: with the CRDs of a release of Karpenter that has no other one, and
// nobody who converts, all can be read.
func (w *world) expectStored(version string, hop v1alpha1.Hop, stopConversion func()) {
	w.t.Helper()
	for _, name := range coreCRDs {
		w.Expect(w.crd(name).Status.StoredVersions).To(Equal([]string{version}))
	}
	stopConversion()
	w.drive(w.toCRDs(hop, elsewhere))
	for _, name := range coreCRDs {
		w.Expect(w.crd(name).Spec.Versions).To(HaveLen(1))
		w.Expect(w.converter(name)).To(BeNil())
	}
	w.readable(version)
	pools, err := w.list("karpenter.sh NodePool", version)
	w.ok(err)
	w.Expect(specOf(&pools[0], "weight")).To(Equal(int64(10)), "objects are what they were")
	applied := &unstructured.Unstructured{}
	applied.SetAPIVersion("karpenter.sh/" + version)
	applied.SetKind("NodePool")
	applied.SetName(pools[0].GetName())
	applied.SetLabels(map[string]string{"team": "web"})
	w.ok(w.api.Apply(w.ctx(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("kustomize-controller"))) // no entry of a version that is gone
}

func (w *world) storageOf(crd string) v1alpha1.StorageStatus {
	w.t.Helper()
	for _, s := range w.run.Status.Hops[0].Storage {
		if s.CRD == crd {
			return s
		}
	}
	w.t.Fatalf("there is no entry for %s", crd)
	return v1alpha1.StorageStatus{}
}

func TestObjectsAreStoredAnewAndThereIsAWayBack(t *testing.T) {
	for _, ownCRDs := range []bool{true, false} {
		t.Run(fmt.Sprintf("CRDs of a release %v", ownCRDs), func(t *testing.T) {
			w, stop := storageWorld(t, ownCRDs)
			w.drive(w.toStorage("v1"), w.second)
			for _, name := range coreCRDs {
				w.Expect(w.storageOf(name)).To(And(HaveField("State", v1alpha1.StepDone), HaveField("Rewritten", int32(0)), HaveField("Version", "v1")))
			}
			w.Expect(w.storageOf(nodeClaimCRD)).To(HaveField("Seen", int32(betaClaims)))
			w.drive(w.toStorage("v1"))

			refused := w.driveTo(engine.KindFail, w.toCRDs(v1alpha1.Hop{Version: betaVersion}, elsewhere))
			w.Expect(refused.Message).To(ContainSubstring("objects are stored as v1, which its CRD of 0.36.2 does not have"))
			w.drive(part(func(ctx context.Context, _ *v1alpha1.KarpenterUpgrade) (bool, string, error) {
				return w.kit.SwitchStorage(ctx, "v1beta1")
			}))
			w.drive(w.toStorage("v1beta1"), w.second)
			w.expectStored("v1beta1", v1alpha1.Hop{Version: betaVersion}, stop)
		})
	}
}

func TestObjectsStoredAnewNeedNobodyWhoConverts(t *testing.T) {
	w, stop := storageWorld(t, true)
	w.drive(w.toStorage("v1"), w.second)
	w.expectStored("v1", greenHop, stop)
}

func TestAPassThatWasLostIsMadeAgain(t *testing.T) {
	w, stop := storageWorld(t, false)
	lost := 0
	w.drive(w.toStorage("v1"), w.second, func() {
		if lost < 3 && len(w.run.Status.Hops[0].Storage) > 1 && w.storageOf(nodeClaimCRD).Continue != "" {
			w.run.Status.Hops[0].Storage = nil
			lost++
		}
	})
	w.Expect(lost).To(Equal(3))
	w.expectStored("v1", greenHop, stop)
}

func TestAListingThatExpiredBeginsAnew(t *testing.T) {
	w, stop := storageWorld(t, false)
	expired := 0
	w.intercept(interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		o := (&client.ListOptions{}).ApplyOptions(opts)
		if o.Continue != "" && expired < 3 {
			expired++
			return apierrors.NewResourceExpired("the provided continue parameter is too old")
		}
		return c.List(ctx, list, opts...)
	}})
	garbled := false
	w.drive(w.toStorage("v1"), w.second, func() {
		if at := slices.IndexFunc(w.run.Status.Hops[0].Storage, func(s v1alpha1.StorageStatus) bool { return s.Continue != "" }); at >= 0 && !garbled {
			w.run.Status.Hops[0].Storage[at].Continue, garbled = "garbage", true
		}
	})
	w.Expect(expired).To(Equal(3))
	w.Expect(garbled).To(BeTrue())
	w.expectStored("v1", greenHop, stop)
}

// intercept has what the operator asks of the API server go through these functions.
func (w *world) intercept(with interceptor.Funcs) {
	w.t.Helper()
	c, err := client.NewWithWatch(w.connection, client.Options{Scheme: shared.api.Scheme(), Mapper: shared.api.RESTMapper()})
	w.ok(err)
	w.kit.Live = client.WithFieldOwner(interceptor.NewClient(c, with), phase.FieldOwner)
}

// annotate writes an object, as a controller that reports something would.
func annotate(ctx context.Context, c client.Client, o *unstructured.Unstructured, value int) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"test/beat":"%d"}}}`, value)
	return c.Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
}

func TestWhoeverWritesAllTheTimeKeepsNoPassFromEnding(t *testing.T) {
	for what, funcs := range map[string]func(w *world) interceptor.Funcs{
		"between reading and writing": func(w *world) interceptor.Funcs {
			n := 0
			return interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				err := c.List(ctx, list, opts...)
				if all, ok := list.(*unstructured.UnstructuredList); ok && err == nil {
					for i := range all.Items {
						n++
						w.ok(annotate(ctx, w.api, &all.Items[i], n))
					}
				}
				return err
			}}
		},
		"at each write, as admission does": func(*world) interceptor.Funcs {
			n := 0
			return interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
				n++
				data, err := patch.Data(o)
				if err != nil {
					return err
				}
				more := strings.Replace(string(data), `{"metadata":{`, fmt.Sprintf(`{"metadata":{"annotations":{"test/admitted":"%d"},`, n), 1)
				return c.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(more)), opts...)
			}}
		},
	} {
		t.Run(what, func(t *testing.T) {
			w, stop := storageWorld(t, false)
			w.intercept(funcs(w))
			w.drive(w.toStorage("v1"), w.second)
			for _, name := range coreCRDs {
				w.Expect(w.storageOf(name).Pass).To(BeNumerically("<=", 2))
			}
			w.expectStored("v1", greenHop, stop)
		})
	}
	t.Run("at any time", func(t *testing.T) {
		w, stop := storageWorld(t, false)
		ctx, cancel := context.WithCancel(w.ctx())
		claims, err := w.list("karpenter.sh NodeClaim", "v1")
		w.ok(err)
		var writers sync.WaitGroup
		for i := range claims {
			writers.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_ = annotate(ctx, w.api, &claims[i], n)
				}
			})
		}
		w.drive(w.toStorage("v1"), w.second)
		cancel()
		writers.Wait()
		w.expectStored("v1", greenHop, stop)
	})
}

func TestKarpentersOwnMigrationMayBeFaster(t *testing.T) {
	w, stop := storageWorld(t, false)
	w.drive(w.toStorage("v1"), w.second, func() {
		for _, name := range coreCRDs {
			if crd := w.crd(name); !slices.Equal(crd.Status.StoredVersions, []string{"v1"}) && len(w.run.Status.Hops[0].Storage) > 0 {
				for _, kind := range []string{"karpenter.sh NodeClaim", "karpenter.sh NodePool", "karpenter.k8s.aws EC2NodeClass"} {
					all, err := w.list(kind, "v1")
					w.ok(err)
					for i := range all {
						w.ok(annotate(w.ctx(), w.api, &all[i], 1))
					}
				}
				w.stored(name, "v1")
			}
		}
	})
	w.expectStored("v1", greenHop, stop)
}

func TestWhatCannotBeConvertedIsNamedAndStaysAsItIs(t *testing.T) {
	w, stop := storageWorld(t, false)
	w.step(w.toStorage("v1"))
	w.pass(time.Minute)
	stop()
	for _, name := range coreCRDs { // a change makes the API server forget what it has had converted
		change(w, w.crd(name), func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Conversion.Webhook.ClientConfig.URL = ptr.To("https://127.0.0.1:1/gone")
		})
	}
	w.Eventually(func() error {
		_, err := w.list("karpenter.k8s.aws EC2NodeClass", "v1")
		return err
	}).WithTimeout(patience).WithPolling(glance).Should(HaveOccurred())
	out := w.step(w.toStorage("v1"))
	w.Expect(out.Kind).To(Equal(engine.KindRetry))
	w.Expect(out.Message).To(And(ContainSubstring("CustomResourceDefinition "+nodeClassCRD+" cannot be read as v1"), ContainSubstring("stay [v1beta1 v1]")))
	for _, name := range coreCRDs {
		w.Expect(w.crd(name).Status.StoredVersions).To(Equal([]string{"v1beta1", "v1"}))
	}
	stop = w.convert()
	w.readable("v1")
	w.drive(w.toStorage("v1"), w.second)
	w.expectStored("v1", greenHop, stop)
}

func TestNothingIsStoredAnewWhereACRDIsInNoStateForIt(t *testing.T) {
	for what, bad := range map[string]struct {
		do  func(c *apiextensionsv1.CustomResourceDefinition)
		say string
	}{
		"it stores another version": {
			func(c *apiextensionsv1.CustomResourceDefinition) {
				for i := range c.Spec.Versions {
					c.Spec.Versions[i].Storage = c.Spec.Versions[i].Name == "v1beta1"
				}
			}, "stores v1beta1 and not v1",
		},
		"it serves a stored version no more": {
			func(c *apiextensionsv1.CustomResourceDefinition) {
				for i := range c.Spec.Versions {
					c.Spec.Versions[i].Served = c.Spec.Versions[i].Name != "v1beta1"
				}
			}, "its status.storedVersions has v1beta1, which it does not serve",
		},
	} {
		t.Run(what, func(t *testing.T) {
			w, _ := storageWorld(t, false)
			change(w, w.crd(nodePoolCRD), bad.do)
			out := w.driveTo(engine.KindFail, w.toStorage("v1"), w.second)
			w.Expect(out.Message).To(ContainSubstring("CustomResourceDefinition " + nodePoolCRD))
			w.Expect(out.Message).To(ContainSubstring(bad.say))
			w.Expect(w.run.Status.Hops[0].Storage).To(BeEmpty())
		})
	}
}
