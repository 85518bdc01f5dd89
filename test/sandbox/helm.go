package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
)

// InstallChart installs a chart as a release, or upgrades the release if there is one, and makes the namespace. It does
// not wait for anything that the chart made: readiness as Helm sees it proves nothing about Karpenter. ref is a chart's
// name in the sandbox's registry ("karpenter"), an oci:// reference, or a directory or package on disk; version is for
// the first two.
func (s *Sandbox) InstallChart(ctx context.Context, name, namespace, ref, version string, values map[string]any) (*release.Release, error) {
	cfg, err := s.helm(namespace)
	if err != nil {
		return nil, err
	}
	c, err := s.loadChart(ref, version)
	if err != nil {
		return nil, err
	}
	history := action.NewHistory(cfg)
	history.Max = 1
	_, err = history.Run(name)
	switch {
	case errors.Is(err, driver.ErrReleaseNotFound):
		install := action.NewInstall(cfg)
		install.ReleaseName, install.Namespace, install.CreateNamespace = name, namespace, true
		r, err := install.RunWithContext(ctx, c, values)
		if err != nil {
			return nil, fmt.Errorf("installing release %s/%s: %w", namespace, name, err)
		}
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("reading the history of release %s/%s: %w", namespace, name, err)
	}
	upgrade := action.NewUpgrade(cfg)
	upgrade.Namespace = namespace
	r, err := upgrade.RunWithContext(ctx, name, c, values)
	if err != nil {
		return nil, fmt.Errorf("upgrading release %s/%s: %w", namespace, name, err)
	}
	return r, nil
}

// UninstallChart removes a release; one that does not exist is an error.
func (s *Sandbox) UninstallChart(name, namespace string) error {
	cfg, err := s.helm(namespace)
	if err != nil {
		return err
	}
	if _, err := action.NewUninstall(cfg).Run(name); err != nil {
		return fmt.Errorf("uninstalling release %s/%s: %w", namespace, name, err)
	}
	return nil
}

func (s *Sandbox) helm(namespace string) (*action.Configuration, error) {
	flags := genericclioptions.NewConfigFlags(false)
	kubeconfig := s.Kubeconfig()
	flags.KubeConfig, flags.Namespace = &kubeconfig, &namespace
	cfg := &action.Configuration{}
	if err := cfg.Init(flags, namespace, "secret", func(string, ...any) {}); err != nil {
		return nil, fmt.Errorf("preparing Helm: %w", err)
	}
	client, err := charts.Client()
	if err != nil {
		return nil, err
	}
	cfg.RegistryClient = client
	return cfg, nil
}

func (s *Sandbox) loadChart(ref, version string) (*chart.Chart, error) {
	if strings.ContainsAny(ref, "./") && !strings.HasPrefix(ref, "oci://") {
		c, err := loader.Load(ref)
		if err != nil {
			return nil, fmt.Errorf("loading chart %s: %w", ref, err)
		}
		return c, nil
	}
	if !strings.HasPrefix(ref, "oci://") {
		ref = charts.Ref(s.Registry().Host, ref)
	}
	client, err := charts.Client()
	if err != nil {
		return nil, err
	}
	pulled, err := client.Pull(strings.TrimPrefix(ref, "oci://") + ":" + version)
	if err != nil {
		return nil, fmt.Errorf("pulling chart %s %s: %w", ref, version, err)
	}
	c, err := loader.LoadArchive(bytes.NewReader(pulled.Chart.Data))
	if err != nil {
		return nil, fmt.Errorf("loading chart %s %s: %w", ref, version, err)
	}
	return c, nil
}
