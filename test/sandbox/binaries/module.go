package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Module is one wrapper module below hack/binaries.
type Module struct {
	// Name is the directory's name, as in "kubernetes" or "karpenter-v1.0.8".
	Name string
	// Dir is the absolute directory with go.mod and go.sum.
	Dir string
	// Source is the module the programs come from, with its version.
	Source module.Version
	// Programs are what the module builds, in the order of their tool lines.
	Programs []Program

	sums []byte // go.mod and go.sum, for the key
}

// Program is one executable of a Module.
type Program struct {
	// Name is the file's name, as in "kube-apiserver" or "karpenter-v1.0.8".
	Name string
	// Package is the import path of its main package.
	Package string
}

// LoadModules reads the wrapper modules below dir (hack/binaries), sorted by name.
func LoadModules(dir string) ([]Module, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the wrapper modules: %w", err)
	}
	var modules []Module
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		m, err := loadModule(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	return modules, nil
}

func loadModule(dir string) (Module, error) {
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return Module{}, fmt.Errorf("reading wrapper module %s: %w", filepath.Base(dir), err)
	}
	goSum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return Module{}, fmt.Errorf("reading wrapper module %s: %w", filepath.Base(dir), err)
	}
	m, err := parseModule(filepath.Base(dir), goMod)
	if err != nil {
		return Module{}, err
	}
	m.Dir = dir
	m.sums = slices.Concat(goMod, []byte{0}, goSum)
	return m, nil
}

// parseModule reads the programs and their source from a wrapper's go.mod.
func parseModule(name string, goMod []byte) (Module, error) {
	f, err := modfile.Parse(name+"/go.mod", goMod, nil)
	if err != nil {
		return Module{}, fmt.Errorf("reading wrapper module %s: %w", name, err)
	}
	if len(f.Tool) == 0 {
		return Module{}, fmt.Errorf("wrapper module %s has no tool line: name the programs to build", name)
	}
	m := Module{Name: name}
	for _, t := range f.Tool {
		m.Programs = append(m.Programs, Program{Name: programName(name, len(f.Tool), t.Path), Package: t.Path})
	}
	src, ok := sourceOf(f, f.Tool[0].Path)
	if !ok {
		return Module{}, fmt.Errorf("wrapper module %s requires no module that has %s: run go get -tool there", name, f.Tool[0].Path)
	}
	m.Source = src
	return m, nil
}

// programName is the file name of a built tool: a module's only program is called as the module is, for upstream
// calls too many of theirs "controller" or "server"; those of a module with several keep their package's name.
func programName(moduleName string, tools int, pkg string) string {
	if tools == 1 {
		return moduleName
	}
	base := path.Base(pkg)
	if prefix, _, ok := module.SplitPathVersion(pkg); ok && prefix != pkg {
		base = path.Base(prefix)
	}
	return base
}

// sourceOf finds the required module with the longest path that contains pkg, with replacements applied.
func sourceOf(f *modfile.File, pkg string) (module.Version, bool) {
	var best module.Version
	for _, r := range f.Require {
		if (pkg == r.Mod.Path || strings.HasPrefix(pkg, r.Mod.Path+"/")) && len(r.Mod.Path) > len(best.Path) {
			best = r.Mod
		}
	}
	for _, r := range f.Replace {
		if r.Old.Path == best.Path && (r.Old.Version == "" || r.Old.Version == best.Version) && r.New.Version != "" {
			best.Version = r.New.Version
		}
	}
	return best, best.Path != ""
}

// ldflags returns the linker flags of a module. Programs that know no version misbehave: Helm's semverCompare refuses
// the "v0.0.0-master+$Format:%H$" of an unstamped kube-apiserver, and an unstamped Karpenter calls itself
// "unspecified" in its metrics and user agent.
func (m Module) ldflags() string {
	flags := []string{"-s", "-w"}
	stamp := func(symbol, value string) { flags = append(flags, "-X "+symbol+"="+value) }
	version := m.Source.Version
	switch m.Source.Path {
	case "k8s.io/kubernetes":
		major, minor := majorMinor(version)
		for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			stamp(pkg+".gitVersion", version)
			stamp(pkg+".gitMajor", major)
			stamp(pkg+".gitMinor", minor)
			stamp(pkg+".gitTreeState", "clean")
			stamp(pkg+".buildDate", "1970-01-01T00:00:00Z") // fixed, so that equal sources give equal programs
		}
	case "github.com/aws/karpenter-provider-aws":
		stamp("sigs.k8s.io/karpenter/pkg/operator.Version", strings.TrimPrefix(version, "v"))
	}
	return strings.Join(flags, " ")
}

func majorMinor(version string) (major, minor string) {
	major, minor, _ = strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	return major, minor
}

// key names one build: it changes with the pinned versions, the flags, the toolchain and the platform.
func (m Module) key(toolchain, platform string) string {
	h := sha256.New()
	for _, part := range []string{"1", string(m.sums), m.ldflags(), toolchain, platform} {
		fmt.Fprintf(h, "%d:%s;", len(part), part)
	}
	return strings.TrimPrefix(m.Source.Version, "v") + "-" + hex.EncodeToString(h.Sum(nil))[:12]
}
