package owner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/owner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/internal/envcluster"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

const (
	soon = 30 * time.Second
	poll = 100 * time.Millisecond
	// kustomize is the manager of Flux's kustomize-controller.
	kustomize = client.FieldOwner("kustomize-controller")
	// forget is what the finding BetaFieldsLeft has a user run.
	forget = `{"metadata":{"managedFields":[{}]}}`
)

var config *rest.Config

func TestMain(m *testing.M) {
	os.Exit(envcluster.Main(m, func(_ context.Context, c *rest.Config) (func(), error) {
		config = c
		return nil, nil
	}))
}

func connect(g *WithT) client.Client {
	scheme := runtime.NewScheme()
	g.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	g.Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	c, err := client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	return c
}

// twoVersions is a CRD that stores v1 and serves v1beta1 as well, as Karpenter's are in 1.0.
func twoVersions() *apiextensionsv1.CustomResourceDefinition {
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "pools.owner.test"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "owner.test", Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "pools", Singular: "pool", Kind: "Pool", ListKind: "PoolList"},
		},
	}
	for _, name := range []string{"v1", "v1beta1"} {
		crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: name, Served: true, Storage: name == "v1",
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {Type: "object", XPreserveUnknownFields: ptr.To(true)}},
			}},
		})
	}
	return crd
}

func pool(version, name string, weight int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "owner.test/" + version, "kind": "Pool", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"weight": weight, "limit": int64(1)},
	}}
}

func apply(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), kustomize, client.ForceOwnership)
}

func TestFieldsLeftOfAVersionThatIsGoneForbidServerSideApply(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	c := connect(g)
	crd := twoVersions()
	g.Expect(c.Create(ctx, crd)).To(Succeed())
	eventually := func(try func() error) { g.Eventually(try).WithTimeout(soon).WithPolling(poll).Should(Succeed()) }

	eventually(func() error { return apply(ctx, c, pool("v1beta1", "beta", 1)) })
	live := func(name string) *unstructured.Unstructured {
		o := pool("v1", name, 0)
		g.Expect(c.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		return o
	}
	_, beta := owner.Writes(live("beta").GetManagedFields(), owner.FluxKustomization, "owner.test/v1beta1")
	g.Expect(beta).To(BeTrue())

	// The owner has gone over to v1, and somebody else's entry of v1beta1 has stayed.
	g.Expect(c.Create(ctx, pool("v1beta1", "left", 1), client.FieldOwner("karpenter"))).To(Succeed())
	g.Expect(apply(ctx, c, pool("v1", "left", 2))).To(Succeed())
	_, beta = owner.Writes(live("left").GetManagedFields(), owner.FluxKustomization, "owner.test/v1beta1")
	g.Expect(beta).To(BeFalse())
	g.Expect(live("left").GetManagedFields()).To(ContainElement(And(HaveField("Manager", "karpenter"), HaveField("APIVersion", "owner.test/v1beta1"))))

	// And one of which that was forgotten before.
	g.Expect(c.Create(ctx, pool("v1beta1", "forgotten", 1), client.FieldOwner("karpenter"))).To(Succeed())
	g.Expect(c.Patch(ctx, pool("v1", "forgotten", 0), client.RawPatch(types.MergePatchType, []byte(forget)))).To(Succeed())
	g.Expect(live("forgotten").GetManagedFields()).To(BeEmpty())

	g.Expect(c.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
	crd.Status.StoredVersions = []string{"v1"}
	g.Expect(c.Status().Update(ctx, crd)).To(Succeed())
	crd.Spec.Versions = crd.Spec.Versions[:1]
	g.Expect(c.Update(ctx, crd)).To(Succeed())
	const refusal = "request to convert CR to an invalid group/version: owner.test/v1beta1"
	g.Eventually(func() error { return apply(ctx, c, pool("v1", "left", 3)) }).WithTimeout(soon).WithPolling(poll).Should(MatchError(ContainSubstring(refusal)))
	g.Expect(apply(ctx, c, pool("v1", "beta", 3))).To(MatchError(ContainSubstring(refusal)))
	g.Expect(apply(ctx, c, pool("v1", "forgotten", 3))).To(Succeed())

	g.Expect(c.Patch(ctx, pool("v1", "left", 0), client.RawPatch(types.MergePatchType, []byte(forget)))).To(Succeed(), "it helps afterwards as well")
	g.Expect(apply(ctx, c, pool("v1", "left", 4))).To(Succeed())
	g.Expect(owner.FieldOwners(live("left").GetManagedFields(), "spec", "weight")).To(ConsistOf(HaveField("Name", "kustomize-controller")))
}

func TestWhatKubectlLeavesBehind(t *testing.T) {
	g := NewWithT(t)
	c := connect(g)
	kubectl := kubectlOf(t)
	file := filepath.Join(t.TempDir(), "cm.yaml")
	for name, args := range map[string][]string{
		"applied": {"apply", "-f", file}, "applied-by-server": {"apply", "--server-side", "-f", file}, "created": {"create", "-f", file},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			manifest := fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {namespace: default, name: %s}, data: {a: b}}", name)
			g.Expect(os.WriteFile(file, []byte(manifest), 0o600)).To(Succeed())
			kubectl(args...)
			cm := &corev1.ConfigMap{}
			g.Expect(c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, cm)).To(Succeed())
			told := owner.Of(owner.Object{Kind: "ConfigMap", Namespace: cm.Namespace, Name: cm.Name, Labels: cm.Labels, Annotations: cm.Annotations, ManagedFields: cm.ManagedFields})
			g.Expect(told.Kind).To(Equal(owner.Kubectl), "%v", cm.ManagedFields)
		})
	}
}

// kubectlOf runs kubectl against the API server.
func kubectlOf(t *testing.T) func(args ...string) {
	t.Helper()
	g := NewWithT(t)
	built, err := binaries.Ensure(t.Context(), os.Stderr, binaries.Kubernetes)
	g.Expect(err).NotTo(HaveOccurred())
	program, err := built.Path("kubectl")
	g.Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, kubeconfig)).To(Succeed())
	return func(args ...string) {
		out, err := exec.CommandContext(t.Context(), program, append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
	}
}
