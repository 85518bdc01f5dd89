package phases

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/manager"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/internal/envcluster"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
)

// Versions of Karpenter that the tests go from and to.
const (
	betaVersion  = "0.36.2"
	blueVersion  = "1.0.8"
	greenVersion = "1.14.1"
)

// Namespaces of the tests: Karpenter's, the operator's, and those of two workloads.
const (
	karpenterNS = "karpenter"
	operatorNS  = "upgrade-operator"
	shopNS      = "shop"
	payNS       = "pay"
	// movedNS is where releases move to.
	movedNS = "karpenter-system"
)

// shared is what the tests share: an API server, and a registry with Karpenter's charts.
var shared struct {
	config   *rest.Config
	api      client.Client
	helm     *release.Helm
	registry string // address of the registry
	crds     map[string]*release.Chart
}

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(envcluster.Main(m, setup))
}

func setup(ctx context.Context, config *rest.Config) (func(), error) {
	var err error
	shared.config = config
	if shared.api, err = client.New(config, client.Options{Scheme: manager.Scheme()}); err != nil {
		return nil, err
	}
	for _, name := range []string{karpenterNS, movedNS, operatorNS, shopNS, payNS, "kube-node-lease"} {
		err := shared.api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("making namespace %s: %w", name, err)
		}
	}
	shared.helm = release.NewHelm(config, shared.api.RESTMapper(), "", logr.Discard())
	stop, err := serveCharts(ctx)
	if err != nil {
		return nil, err
	}
	shared.crds = map[string]*release.Chart{}
	for _, version := range []string{betaVersion, blueVersion, greenVersion} {
		if shared.crds[version], err = shared.helm.Pull(ctx, chartRef(release.ChartCRDs, version)); err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}

// serveCharts serves Karpenter's charts on loopback.
func serveCharts(ctx context.Context) (stop func(), err error) {
	dir, err := os.MkdirTemp("", "charts-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	packages, err := packageCharts(ctx, dir)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop = context.WithCancel(ctx)
	go func() { _ = charts.Serve(ctx, listener) }()
	shared.registry = listener.Addr().String()
	if err := charts.Push(shared.registry, packages); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// packageCharts packages Karpenter's charts out of its modules.
func packageCharts(ctx context.Context, dir string) ([]string, error) {
	root, err := binaries.FindRoot("")
	if err != nil {
		return nil, err
	}
	cache, err := binaries.CacheRoot()
	if err != nil {
		return nil, err
	}
	builder := binaries.NewBuilder(root, cache, os.Stderr)
	modules, err := builder.Modules()
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if !slices.Contains([]string{"karpenter-v" + betaVersion, "karpenter-v" + blueVersion, "karpenter-v" + greenVersion}, m.Name) {
			continue
		}
		source, err := builder.ModuleDir(ctx, m)
		if err != nil {
			return nil, err
		}
		if err := charts.Package(source, m.Source.Version, dir); err != nil {
			return nil, err
		}
	}
	return charts.List(dir)
}

// repository is where the tests' charts are.
func repository() string { return "oci://" + shared.registry + "/" + charts.Path }

func chartRef(name, version string) release.ChartRef {
	return release.ChartRef{Repository: repository(), Name: name, Version: version, PlainHTTP: true}
}
