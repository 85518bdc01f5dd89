package observer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// cluster is a kube-apiserver with the kind KarpenterUpgrade, that the tests share, and nothing that acts on its objects.
var cluster *rest.Config

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	programs, err := binaries.Ensure(ctx, os.Stderr, binaries.Kubernetes, binaries.Etcd)
	if err != nil {
		return 1, err
	}
	assets, err := os.MkdirTemp("", "observer-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(assets)
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		path, err := programs.Path(name)
		if err != nil {
			return 1, err
		}
		if err := os.Symlink(path, filepath.Join(assets, name)); err != nil {
			return 1, err
		}
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}
	if cluster, err = env.Start(); err != nil {
		return 1, fmt.Errorf("starting the control plane: %w", err)
	}
	defer func() { _ = env.Stop() }()
	return m.Run(), nil
}
