package release

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/go-logr/logr"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
)

// storageDriver is where Helm keeps releases by default; whoever installed Karpenter with another driver is told that no
// release was found.
const storageDriver = "secret"

// applyTimeout bounds what Helm does beside writing objects; it never waits for readiness.
const applyTimeout = 2 * time.Minute

// maxHistory is how many revisions of a release are kept: Helm's own default.
const maxHistory = 10

// Helm is the Client that works through Helm's SDK, with releases in Secrets.
type Helm struct {
	config *rest.Config
	mapper meta.RESTMapper
	log    logr.Logger
	charts *puller
}

var _ Client = (*Helm)(nil)

// NewHelm returns a Client for the cluster that config reaches.
//
// credentialsFile is a Docker config file with the registry's credentials; empty, or a file that is not there, for none.
func NewHelm(config *rest.Config, mapper meta.RESTMapper, credentialsFile string, log logr.Logger) *Helm {
	return &Helm{config: config, mapper: mapper, log: log, charts: newPuller(credentialsFile)}
}

func (h *Helm) configuration(namespace string) (*action.Configuration, error) {
	return h.journaled(namespace, &journal{})
}

// journaled notes in a journal what Helm says while it works with the configuration.
func (h *Helm) journaled(namespace string, said *journal) (*action.Configuration, error) {
	cfg := &action.Configuration{}
	debug := func(format string, args ...any) {
		h.log.V(1).Info(fmt.Sprintf(format, args...))
		said.notef(format, args...)
	}
	if err := cfg.Init(newGetter(h.config, h.mapper, namespace), namespace, storageDriver, debug); err != nil {
		return nil, fmt.Errorf("opening Helm's storage in namespace %s: %w", namespace, err)
	}
	return cfg, nil
}

// Get implements Client.
func (h *Helm) Get(_ context.Context, namespace, name string) (*Release, error) {
	cfg, err := h.configuration(namespace)
	if err != nil {
		return nil, err
	}
	last, err := cfg.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, fmt.Errorf("release %s/%s: %w", namespace, name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading release %s/%s: %w", namespace, name, err)
	}
	r := fromHelm(last)
	return &r, nil
}

// List implements Client.
func (h *Helm) List(_ context.Context, namespace string) ([]Release, error) {
	cfg, err := h.configuration(namespace)
	if err != nil {
		return nil, err
	}
	list := action.NewList(cfg)
	list.All, list.StateMask = true, action.ListAll
	found, err := list.Run()
	if err != nil {
		return nil, fmt.Errorf("listing releases in namespace %s: %w", namespace, err)
	}
	out := make([]Release, 0, len(found))
	for _, r := range found {
		out = append(out, fromHelm(r))
	}
	return out, nil
}

func fromHelm(r *helmrelease.Release) Release {
	out := Release{
		Namespace: r.Namespace, Name: r.Name, Revision: r.Version, Manifest: r.Manifest,
		Values: maps.Clone(r.Config), Labels: maps.Clone(r.Labels),
	}
	if r.Chart != nil && r.Chart.Metadata != nil {
		out.Chart, out.Version = r.Chart.Metadata.Name, r.Chart.Metadata.Version
	}
	if r.Info != nil {
		out.Status, out.Modified = r.Info.Status.String(), r.Info.LastDeployed.Time
	}
	return out
}

// Pull implements Client.
func (h *Helm) Pull(ctx context.Context, ref ChartRef) (*Chart, error) {
	return h.charts.pull(ctx, ref)
}

// Render implements Client.
func (h *Helm) Render(ctx context.Context, spec Spec) (string, error) {
	ch, err := loadArchive(spec.Chart.Archive)
	if err != nil {
		return "", err
	}
	cfg, err := h.configuration(spec.Namespace)
	if err != nil {
		return "", err
	}
	in := action.NewInstall(cfg)
	in.DryRun, in.ClientOnly, in.Replace, in.DisableHooks, in.SkipCRDs = true, true, true, true, true
	in.Namespace, in.ReleaseName = spec.Namespace, spec.Name
	in.KubeVersion = h.kubeVersion(cfg)
	rendered, err := in.RunWithContext(ctx, ch, spec.Values)
	if err != nil {
		return "", fmt.Errorf("rendering chart %s %s: %w", spec.Chart.Ref.Name, spec.Chart.Ref.Version, err)
	}
	return rendered.Manifest, nil
}

// kubeVersion is the cluster's version; nil, which lets Helm assume its own, when the cluster does not say.
func (h *Helm) kubeVersion(cfg *action.Configuration) *chartutil.KubeVersion {
	dc, err := cfg.RESTClientGetter.ToDiscoveryClient()
	if err != nil {
		return nil
	}
	info, err := dc.ServerVersion()
	if err != nil {
		return nil
	}
	version, err := chartutil.ParseKubeVersion(info.GitVersion)
	if err != nil {
		return nil
	}
	return version
}

// Apply implements Client.
func (h *Helm) Apply(ctx context.Context, spec Spec) error {
	ch, err := loadArchive(spec.Chart.Archive)
	if err != nil {
		return err
	}
	said := &journal{}
	cfg, err := h.journaled(spec.Namespace, said)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()

	_, err = cfg.Releases.Last(spec.Name)
	switch {
	case errors.Is(err, driver.ErrReleaseNotFound):
		in := action.NewInstall(cfg)
		in.Namespace, in.ReleaseName, in.Description, in.Labels = spec.Namespace, spec.Name, spec.Description, spec.Labels
		in.SkipCRDs, in.DisableHooks, in.DisableOpenAPIValidation, in.Timeout = true, true, true, applyTimeout
		_, err = in.RunWithContext(ctx, ch, spec.Values)
	case err == nil:
		up := action.NewUpgrade(cfg)
		up.Namespace, up.Description, up.Labels = spec.Namespace, spec.Description, spec.Labels
		up.ResetValues, up.MaxHistory = true, maxHistory
		up.SkipCRDs, up.DisableHooks, up.DisableOpenAPIValidation, up.Timeout = true, true, true, applyTimeout
		_, err = up.RunWithContext(ctx, spec.Name, ch, spec.Values)
	}
	if err != nil {
		return fmt.Errorf("applying chart %s %s as release %s/%s: %w",
			spec.Chart.Ref.Name, spec.Chart.Ref.Version, spec.Namespace, spec.Name, said.explain(err))
	}
	return nil
}

// Uninstall implements Client.
func (h *Helm) Uninstall(ctx context.Context, namespace, name string) error {
	r, err := h.Get(ctx, namespace, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Chart == ChartCRDs {
		return fmt.Errorf("release %s/%s holds Karpenter's CRDs: uninstalling it would delete every NodePool and node", namespace, name)
	}
	return h.uninstall(namespace, name, false)
}

// Retire implements Client.
func (h *Helm) Retire(ctx context.Context, namespace, name string) error {
	r, err := h.Get(ctx, namespace, name)
	if err != nil || r.Retired() {
		return err
	}
	if kind := HoldsNodes(r.Manifest); kind != "" {
		return fmt.Errorf("release %s/%s holds a %s, which must not go with it", namespace, name, kind)
	}
	return h.uninstall(namespace, name, true)
}

func (h *Helm) uninstall(namespace, name string, keepRecord bool) error {
	said := &journal{}
	cfg, err := h.journaled(namespace, said)
	if err != nil {
		return err
	}
	un := action.NewUninstall(cfg)
	un.IgnoreNotFound, un.DisableHooks, un.Timeout, un.KeepHistory = true, true, applyTimeout, keepRecord
	un.DeletionPropagation = "background"
	if _, err := un.Run(name); err != nil {
		return fmt.Errorf("uninstalling release %s/%s: %w", namespace, name, said.explain(err))
	}
	return nil
}

// Rollback implements Client.
func (h *Helm) Rollback(_ context.Context, namespace, name string, revision int) error {
	said := &journal{}
	cfg, err := h.journaled(namespace, said)
	if err != nil {
		return err
	}
	if _, err := cfg.Releases.Get(name, revision); errors.Is(err, driver.ErrReleaseNotFound) {
		return fmt.Errorf("revision %d of release %s/%s: %w", revision, namespace, name, ErrNotFound)
	}
	back := action.NewRollback(cfg)
	back.Version, back.DisableHooks, back.Timeout, back.MaxHistory = revision, true, applyTimeout, maxHistory
	if err := back.Run(name); err != nil {
		return fmt.Errorf("rolling release %s/%s back to revision %d: %w", namespace, name, revision, said.explain(err))
	}
	return nil
}

// Unlock implements Client.
func (h *Helm) Unlock(_ context.Context, namespace, name string) error {
	cfg, err := h.configuration(namespace)
	if err != nil {
		return err
	}
	last, err := cfg.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading release %s/%s: %w", namespace, name, err)
	}
	if r := fromHelm(last); !r.Pending() {
		return nil
	}
	last.SetStatus(helmrelease.StatusFailed, "the operation was cut off; karpenter-upgrade-operator goes on from here")
	if err := cfg.Releases.Update(last); err != nil {
		return fmt.Errorf("unlocking release %s/%s: %w", namespace, name, err)
	}
	return nil
}
