package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/internal/envcluster"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

const (
	patience = 2 * time.Minute
	glance   = 100 * time.Millisecond
)

// Versions whose CRDs the tests use: the last that knows only v1beta1, the one that knows both, and a later one.
const (
	beta  = "0.36.2"
	both  = "1.0.8"
	later = "1.14.1"
)

// crdFiles are the kinds that are converted.
var crdFiles = []string{"karpenter.sh_nodepools.yaml", "karpenter.k8s.aws_ec2nodeclasses.yaml"}

// shared is what the tests share: an API server, and CRDs by version of Karpenter.
var shared struct {
	api  client.Client
	crds map[string][]*apiextensionsv1.CustomResourceDefinition
}

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(envcluster.Main(m, setup))
}

func setup(ctx context.Context, config *rest.Config) (func(), error) {
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	var err error
	config.QPS = -1 // nobody else asks this server
	if shared.api, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	return nil, readCRDs(ctx)
}

// readCRDs reads CRDs out of Karpenter's modules.
func readCRDs(ctx context.Context) error {
	root, err := binaries.FindRoot("")
	if err != nil {
		return err
	}
	cache, err := binaries.CacheRoot()
	if err != nil {
		return err
	}
	builder := binaries.NewBuilder(root, cache, os.Stderr)
	modules, err := builder.Modules()
	if err != nil {
		return err
	}
	shared.crds = map[string][]*apiextensionsv1.CustomResourceDefinition{}
	for _, version := range []string{beta, both, later} {
		at := slices.IndexFunc(modules, func(m binaries.Module) bool { return m.Name == "karpenter-v"+version })
		if at < 0 {
			return fmt.Errorf("there is no module of Karpenter %s", version)
		}
		dir, err := builder.ModuleDir(ctx, modules[at])
		if err != nil {
			return err
		}
		for _, name := range crdFiles {
			data, err := os.ReadFile(filepath.Join(dir, "pkg", "apis", "crds", name))
			if err != nil {
				return err
			}
			crd := &apiextensionsv1.CustomResourceDefinition{}
			if err := yaml.UnmarshalStrict(data, crd); err != nil {
				return fmt.Errorf("reading %s of %s: %w", name, version, err)
			}
			crd.Spec.Conversion = nil // nothing is stored, so nothing has to be converted
			shared.crds[version] = append(shared.crds[version], crd)
		}
	}
	return nil
}

// withCRDs has the API server serve the CRDs of a version, and of no other.
func withCRDs(t *testing.T, version string) {
	t.Helper()
	g := NewWithT(t)
	for _, want := range shared.crds[version] {
		g.Eventually(func() error { return replace(t.Context(), want) }, patience, glance).Should(Succeed())
		g.Eventually(func() error { return serves(t.Context(), want) }, patience, glance).Should(Succeed())
	}
}

// replace updates a CRD. Nothing is stored, so it may say of the versions that were what it likes.
func replace(ctx context.Context, want *apiextensionsv1.CustomResourceDefinition) error {
	now := &apiextensionsv1.CustomResourceDefinition{}
	err := shared.api.Get(ctx, client.ObjectKeyFromObject(want), now)
	if apierrors.IsNotFound(err) {
		return shared.api.Create(ctx, want.DeepCopy())
	}
	if err != nil {
		return err
	}
	stored := ""
	for _, v := range want.Spec.Versions {
		if v.Storage {
			stored = v.Name
		}
	}
	if slices.ContainsFunc(now.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == stored }) {
		now.Status.StoredVersions = []string{stored}
		if err := shared.api.Status().Update(ctx, now); err != nil {
			return err
		}
	}
	now.Spec = *want.Spec.DeepCopy()
	return shared.api.Update(ctx, now)
}

// serves is nil when the API server has taken up a CRD in the form that is wanted.
func serves(ctx context.Context, want *apiextensionsv1.CustomResourceDefinition) error {
	now := &apiextensionsv1.CustomResourceDefinition{}
	if err := shared.api.Get(ctx, client.ObjectKeyFromObject(want), now); err != nil {
		return err
	}
	for _, c := range now.Status.Conditions {
		if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
			return probe(ctx, now)
		}
	}
	return fmt.Errorf("CRD %s is not established", want.Name)
}

// probe creates nothing, to see that each version is served.
func probe(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) error {
	for _, v := range crd.Spec.Versions {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(crd.Spec.Group + "/" + v.Name)
		list.SetKind(crd.Spec.Names.ListKind)
		if err := shared.api.List(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// accepted is nil when the API server would create an object of which it knows all fields.
func accepted(ctx context.Context, o *unstructured.Unstructured) error {
	o = o.DeepCopy()
	delete(o.Object, "status")
	o.SetResourceVersion("")
	return shared.api.Create(ctx, o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}
