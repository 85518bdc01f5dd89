package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/serve"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

// Where the images of the programs have them.
const (
	karpenterPath = "/ko-app/controller"
	operatorPath  = "/manager"
	operatorImage = "karpenter-upgrade-operator"
)

// parts are what a sandbox is made of.
type parts struct {
	program string
	config  serve.Config
}

// assemble builds and finds all that a sandbox is made of. Only copies of what may change are put into dir.
func assemble(ctx context.Context, o Options, dir state.Dir) (parts, error) {
	root, err := binaries.FindRoot("")
	if err != nil {
		return parts{}, err
	}
	b := binaries.NewBuilder(root, o.Home, o.Progress)
	p := parts{program: o.Program, config: serve.Config{
		Dir: dir.Path(), Settings: *o.Settings, Kubernetes: o.Kubernetes, Backoff: o.Backoff,
		Seed: string(o.Seed), Images: o.Images,
	}}
	if p.config.Programs, err = b.Ensure(ctx, binaries.Etcd, binaries.KWOK, binaries.Kubernetes); err != nil {
		return parts{}, err
	}
	if err := p.addKarpenter(ctx, b, o.Karpenter); err != nil {
		return parts{}, err
	}
	if err := p.addOperator(ctx, b, o.Operator, dir); err != nil {
		return parts{}, err
	}
	if p.program == "" {
		p.program = filepath.Join(dir.Bin(), binaries.Sandbox)
		if err := b.Sandbox(ctx, p.program); err != nil {
			return parts{}, err
		}
	}
	return p, nil
}

// addKarpenter adds the controllers and charts of the versions.
func (p *parts) addKarpenter(ctx context.Context, b *binaries.Builder, versions []string) error {
	all, err := b.Modules()
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Name == binaries.Kubernetes {
			p.config.Version = m.Source.Version
		}
	}
	modules, err := karpenterModules(all, versions)
	if err != nil {
		return err
	}
	for _, m := range modules {
		set, err := b.Ensure(ctx, m.Name)
		if err != nil {
			return err
		}
		maps.Copy(p.config.Programs, set)
		p.config.Images = append(p.config.Images, karpenterImage(m, set[m.Name]))
		packages, err := karpenterCharts(ctx, b, m)
		if err != nil {
			return err
		}
		p.config.Charts = append(p.config.Charts, packages...)
	}
	return nil
}

func karpenterImage(m binaries.Module, program string) Image {
	return Image{
		Repository: "karpenter/controller",
		Tag:        charts.ReleaseVersion(m.Source.Version),
		Program:    program,
		Path:       karpenterPath,
		User:       nonRoot,
	}
}

// karpenterCharts packages the charts of a version once and returns the packages.
func karpenterCharts(ctx context.Context, b *binaries.Builder, m binaries.Module) ([]string, error) {
	version := charts.ReleaseVersion(m.Source.Version)
	if assets := b.Assets(); assets != "" {
		found, err := filepath.Glob(filepath.Join(assets, "charts", "*-"+version+".tgz"))
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	dir, err := b.Cache().Dir(ctx, "charts-"+m.Name, version+"-"+charts.Format, func(ctx context.Context, dir string) error {
		source, err := b.ModuleDir(ctx, m)
		if err != nil {
			return err
		}
		return charts.Package(source, m.Source.Version, dir)
	})
	if err != nil {
		return nil, err
	}
	return charts.List(dir)
}

// addOperator adds the operator and its chart. The program is copied, for a build for another sandbox replaces it.
func (p *parts) addOperator(ctx context.Context, b *binaries.Builder, operator string, dir state.Dir) error {
	if operator == NoOperator {
		return nil
	}
	program := filepath.Join(dir.Bin(), binaries.Operator)
	if operator == "" {
		err := b.Operator(ctx, program)
		if errors.Is(err, binaries.ErrNoOperator) {
			return nil
		}
		if err != nil {
			return err
		}
	} else if err := binaries.Copy(operator, program); err != nil {
		return fmt.Errorf("copying the operator: %w", err)
	}
	p.config.Images = append(p.config.Images, Image{
		Repository: operatorImage, Tag: "*", Program: program, Path: operatorPath, User: nonRoot,
	})
	chart := filepath.Join(b.Root(), "charts", binaries.Operator)
	if _, err := os.Stat(filepath.Join(chart, "Chart.yaml")); errors.Is(err, fs.ErrNotExist) {
		return nil // without a chart the operator can still be run as a pod
	}
	pkg, err := charts.PackageDir(chart, dir.Bin())
	if err != nil {
		return err
	}
	p.config.Charts = append(p.config.Charts, pkg)
	return nil
}

// Prebuild builds the named wrapper modules below hack/binaries (all without names) and their charts, and returns a
// directory that has the programs, and below charts the charts, for use as KUBEBUILDER_ASSETS.
func Prebuild(ctx context.Context, progress io.Writer, names ...string) (string, error) {
	root, err := binaries.FindRoot("")
	if err != nil {
		return "", err
	}
	home, err := binaries.CacheRoot()
	if err != nil {
		return "", err
	}
	b := binaries.NewBuilder(root, home, progress)
	set, err := b.Ensure(ctx, names...)
	if err != nil {
		return "", err
	}
	modules, err := b.Modules()
	if err != nil {
		return "", err
	}
	files := maps.Clone(set)
	for _, m := range modules {
		if set[m.Name] == "" || !strings.HasPrefix(m.Name, karpenterPrefix) {
			continue
		}
		packages, err := karpenterCharts(ctx, b, m)
		if err != nil {
			return "", err
		}
		for _, pkg := range packages {
			files[filepath.Join("charts", filepath.Base(pkg))] = pkg
		}
	}
	return b.Collect(files)
}

// versionOf spells a version as its charts do.
func versionOf(version string) string {
	return charts.ReleaseVersion("v" + strings.TrimPrefix(version, "v"))
}
