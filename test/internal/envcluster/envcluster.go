// Package envcluster starts a real kube-apiserver, with etcd behind it and no controller beside it, for the tests of one
// package. It runs the programs that package binaries builds, so that tests need nothing but Go.
package envcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

const (
	// buildTimeout bounds building the programs, which takes minutes on a machine that does not have them yet.
	buildTimeout = 20 * time.Minute
	// startTimeout bounds the start of the control plane on a busy machine.
	startTimeout = 2 * time.Minute
)

// programs are what envtest looks for in its directory.
var programs = []string{"etcd", "kube-apiserver", "kubectl"}

// Main runs the tests of m with an API server that knows the kind KarpenterUpgrade, and returns what the process exits with.
// setup gets a connection as system:masters and makes what the tests share; the function that it returns, which may be nil,
// takes that down again.
func Main(m *testing.M, setup func(ctx context.Context, config *rest.Config) (teardown func(), err error)) int {
	code, err := run(m, setup)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func run(m *testing.M, setup func(context.Context, *rest.Config) (func(), error)) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	assets, err := assets(ctx)
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(assets)
	root, err := binaries.FindRoot("")
	if err != nil {
		return 1, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  startTimeout,
	}
	config, err := env.Start()
	if err != nil {
		return 1, fmt.Errorf("starting the control plane: %w", err)
	}
	defer func() {
		if stopErr := env.Stop(); stopErr != nil {
			err = errors.Join(err, fmt.Errorf("stopping the control plane: %w", stopErr))
		}
	}()
	teardown, err := setup(ctx, config)
	if err != nil {
		return 1, err
	}
	if teardown != nil {
		defer teardown()
	}
	return m.Run(), nil
}

// assets makes a directory with the programs of a control plane, building them where they are not there yet.
func assets(ctx context.Context) (string, error) {
	built, err := binaries.Ensure(ctx, os.Stderr, binaries.Kubernetes, binaries.Etcd)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "envcluster-")
	if err != nil {
		return "", fmt.Errorf("making a directory for the control plane's programs: %w", err)
	}
	for _, name := range programs {
		path, err := built.Path(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, name))
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("collecting the control plane's programs: %w", err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}
