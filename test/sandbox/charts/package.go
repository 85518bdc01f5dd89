package charts

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/semver"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
)

// ImageRepository is where upstream publishes the controller's image.
const ImageRepository = "public.ecr.aws/karpenter/controller"

// Format changes when the packages that Package makes would differ for the same module.
const Format = "1"

// charts of a release: the controller's and its CRDs'.
const (
	mainChart = "karpenter"
	crdChart  = "karpenter-crd"
)

// ReleaseVersion spells a module's version as the release does: with a v before 0.35, without since.
func ReleaseVersion(module string) string {
	if semver.Compare(module, "v0.35.0") < 0 {
		return module
	}
	return strings.TrimPrefix(module, "v")
}

// Package packages both charts of the module github.com/aws/karpenter-provider-aws at version, whose files are in
// moduleDir, as a release would, into the directory out.
func Package(moduleDir, version, out string) error {
	crds, err := readCRDs(filepath.Join(moduleDir, "pkg", "apis", "crds"))
	if err != nil {
		return err
	}
	for _, name := range []string{mainChart, crdChart} {
		c, err := loader.LoadDir(filepath.Join(moduleDir, "charts", name))
		if err != nil {
			return fmt.Errorf("loading chart %s of %s: %w", name, version, err)
		}
		if err := stamp(c, ReleaseVersion(version), crds); err != nil {
			return fmt.Errorf("stamping chart %s as %s: %w", name, version, err)
		}
		if _, err := chartutil.Save(c, out); err != nil {
			return fmt.Errorf("packaging chart %s of %s: %w", name, version, err)
		}
	}
	return nil
}

// PackageDir packages a chart directory as it is into the directory out and returns the package's path.
func PackageDir(dir, out string) (string, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return "", fmt.Errorf("loading chart %s: %w", dir, err)
	}
	path, err := chartutil.Save(c, out)
	if err != nil {
		return "", fmt.Errorf("packaging chart %s: %w", dir, err)
	}
	return path, nil
}

func readCRDs(dir string) ([]*chart.File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there are no CRDs in %s", dir)
	}
	var crds []*chart.File
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading CRDs: %w", err)
		}
		crds = append(crds, &chart.File{Name: filepath.Base(path), Data: data})
	}
	return crds, nil
}

// stamp makes a loaded chart what the release of that version is.
func stamp(c *chart.Chart, version string, crds []*chart.File) error {
	c.Metadata.Version, c.Metadata.AppVersion = version, version
	switch c.Name() {
	case crdChart:
		// From 1.0 the chart has templates of its own, because its conversion webhook depends on values.
		if len(c.Templates) == 0 {
			c.Templates = under("templates", crds)
		}
		return nil
	case mainChart:
		c.Files = append(c.Files, under("crds", crds)...)
		for _, f := range c.Raw {
			if f.Name == chartutil.ValuesfileName {
				var err error
				f.Data, err = stampImage(f.Data, version)
				return err
			}
		}
		return fmt.Errorf("it has no %s", chartutil.ValuesfileName)
	}
	return fmt.Errorf("chart %s is none of Karpenter's", c.Name())
}

func under(dir string, files []*chart.File) []*chart.File {
	out := make([]*chart.File, 0, len(files))
	for _, f := range files {
		out = append(out, &chart.File{Name: dir + "/" + f.Name, Data: f.Data})
	}
	return out
}

// stampImage sets the controller's image in a values file and leaves all else, comments too, as it is.
func stampImage(values []byte, version string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(values, &doc); err != nil {
		return nil, fmt.Errorf("reading the values: %w", err)
	}
	for key, value := range map[string]string{
		"repository": ImageRepository,
		"tag":        version,
		"digest":     imageDigest(version),
	} {
		node := lookup(&doc, "controller", "image", key)
		if node == nil {
			return nil, fmt.Errorf("the values have no controller.image.%s", key)
		}
		node.SetString(value)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&doc), enc.Close()); err != nil {
		return nil, fmt.Errorf("writing the values: %w", err)
	}
	return out.Bytes(), nil
}

// imageDigest is a digest of the right form. The sandbox pulls nothing, so there is nothing to digest.
func imageDigest(version string) string {
	sum := sha256.Sum256([]byte(ImageRepository + ":" + version))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// lookup follows keys of nested mappings; nil if one is missing.
func lookup(node *yaml.Node, keys ...string) *yaml.Node {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	for _, key := range keys {
		var next *yaml.Node
		for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
			if node.Content[i].Value == key {
				next = node.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}
		node = next
	}
	return node
}

// List returns the chart packages in a directory; none if it does not exist.
func List(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return paths, err
}
