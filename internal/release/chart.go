package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/registry"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"oras.land/oras-go/v2/errdef"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// ErrDigest says that the registry serves another digest than the one asked for.
var ErrDigest = errors.New("the registry serves another digest")

// pullTimeout bounds every request to a registry.
const pullTimeout = 30 * time.Second

// maxCachedCharts bounds the charts that are kept in memory: both charts of a few versions, about 100 KiB each.
const maxCachedCharts = 8

// puller fetches charts and keeps those that it was asked for by digest, which cannot change.
type puller struct {
	credentialsFile string

	mu    sync.Mutex
	cache map[ChartRef]*Chart
}

func newPuller(credentialsFile string) *puller {
	return &puller{credentialsFile: credentialsFile, cache: map[ChartRef]*Chart{}}
}

func (p *puller) pull(ctx context.Context, ref ChartRef) (*Chart, error) {
	if c := p.cached(ref); c != nil {
		return c, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	opts := []registry.ClientOption{
		registry.ClientOptWriter(io.Discard),
		registry.ClientOptHTTPClient(&http.Client{Timeout: pullTimeout}),
	}
	if p.credentialsFile != "" {
		opts = append(opts, registry.ClientOptCredentialsFile(p.credentialsFile))
	}
	if ref.PlainHTTP {
		opts = append(opts, registry.ClientOptPlainHTTP())
	}
	client, err := registry.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("opening the registry client: %w", err)
	}
	name := strings.TrimPrefix(ref.Repository, "oci://") + "/" + ref.Name + ":" + ref.Version
	result, err := client.Pull(name, registry.PullOptWithChart(true))
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, fmt.Errorf("chart oci://%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("pulling chart oci://%s: %w", name, err)
	}
	if ref.Digest != "" && ref.Digest != result.Manifest.Digest {
		return nil, fault.NewTerminal(fmt.Errorf("chart oci://%s is %s, not %s: %w", name, result.Manifest.Digest, ref.Digest, ErrDigest))
	}
	out, err := readChart(ref, result.Chart.Data)
	if err != nil {
		return nil, fmt.Errorf("chart oci://%s: %w", name, err)
	}
	out.Digest = result.Manifest.Digest
	p.keep(ref, out)
	return out, nil
}

func (p *puller) cached(ref ChartRef) *Chart {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cache[ref]
}

// keep caches a chart under its digest, whether it was asked for by digest or not.
func (p *puller) keep(ref ChartRef, c *Chart) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cache) >= maxCachedCharts {
		clear(p.cache)
	}
	ref.Digest = c.Digest
	p.cache[ref] = c
}

// ChartVersion spells a version of Karpenter as its charts do: with a v up to 0.34, without since 0.35 (upgrade guide of the
// provider, 0.35).
func ChartVersion(version string) string {
	version = strings.TrimPrefix(version, "v")
	if v, err := semver.StrictNewVersion(version); err == nil && v.LessThan(semver.New(0, 35, 0, "", "")) {
		return "v" + version
	}
	return version
}

// CRDs are the CustomResourceDefinitions in a manifest, sorted by name.
func CRDs(manifest string) ([]apiextensionsv1.CustomResourceDefinition, error) {
	out, err := decodeCRDs([]byte(manifest))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, byName)
	return out, nil
}

// Has says that a manifest has a cluster-scoped object.
func Has(manifest, kind, name string) (bool, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		var o metav1.PartialObjectMetadata
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading a manifest: %w", err)
		}
		if o.Kind == kind && o.Name == name {
			return true, nil
		}
	}
}

func byName(a, b apiextensionsv1.CustomResourceDefinition) int {
	return strings.Compare(a.Name, b.Name)
}

func loadArchive(archive []byte) (*chart.Chart, error) {
	ch, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("reading the chart's archive: %w", err)
	}
	return ch, nil
}

// readChart reads what the operator wants to know of a packed chart.
func readChart(ref ChartRef, archive []byte) (*Chart, error) {
	ch, err := loadArchive(archive)
	if err != nil {
		return nil, err
	}
	crds, err := chartCRDs(ch)
	if err != nil {
		return nil, err
	}
	return &Chart{Ref: ref, Values: ch.Values, CRDs: crds, Archive: archive}, nil
}

// chartCRDs are the CRDs in a chart: those in crds/ and, for the chart karpenter-crd, those in templates, rendered with the
// chart's defaults.
func chartCRDs(ch *chart.Chart) ([]apiextensionsv1.CustomResourceDefinition, error) {
	var out []apiextensionsv1.CustomResourceDefinition
	for _, f := range ch.CRDObjects() {
		crds, err := decodeCRDs(f.File.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Filename, err)
		}
		out = append(out, crds...)
	}
	if ch.Name() != ChartCRDs {
		return out, nil
	}
	values, err := chartutil.ToRenderValues(ch, nil, chartutil.ReleaseOptions{Name: ChartCRDs, Namespace: "default"}, nil)
	if err != nil {
		return nil, fmt.Errorf("rendering the CRDs: %w", err)
	}
	files, err := engine.Render(ch, values)
	if err != nil {
		return nil, fmt.Errorf("rendering the CRDs: %w", err)
	}
	for name, content := range files {
		crds, err := decodeCRDs([]byte(content))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, crds...)
	}
	slices.SortFunc(out, byName)
	return out, nil
}

// decodeCRDs reads the CRDs among the YAML documents of a file.
func decodeCRDs(data []byte) ([]apiextensionsv1.CustomResourceDefinition, error) {
	var out []apiextensionsv1.CustomResourceDefinition
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var crd apiextensionsv1.CustomResourceDefinition
		err := decoder.Decode(&crd)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a CRD: %w", err)
		}
		if crd.Kind == "CustomResourceDefinition" {
			out = append(out, crd)
		}
	}
}
