package binaries

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// Names of the wrapper modules that every sandbox needs.
const (
	Kubernetes = "kubernetes"
	Etcd       = "etcd"
	KWOK       = "kwok"
)

// Set maps a program's name, as in "kube-apiserver" or "karpenter-v1.0.8", to its absolute path.
type Set map[string]string

// Path returns the path of a program; the error names what the set has.
func (s Set) Path(program string) (string, error) {
	if p, ok := s[program]; ok {
		return p, nil
	}
	return "", fmt.Errorf("there is no program %s among those built (%s)", program, strings.Join(slices.Sorted(maps.Keys(s)), ", "))
}

// Builder builds the programs of one clone of the repository. Its methods may be called concurrently.
type Builder struct {
	root     string
	cache    *Cache
	assets   string
	progress io.Writer
	clock    clock.PassiveClock
}

// NewBuilder returns a builder for the repository at root that keeps builds below cacheRoot and reports on progress.
// KUBEBUILDER_ASSETS is read here.
func NewBuilder(root, cacheRoot string, progress io.Writer) *Builder {
	return &Builder{
		root:     root,
		cache:    NewCache(filepath.Join(cacheRoot, "binaries"), progress),
		assets:   os.Getenv("KUBEBUILDER_ASSETS"),
		progress: progress,
		clock:    clock.RealClock{},
	}
}

// Ensure returns the programs of the named wrapper modules (all of them without names), building what is missing, for
// the repository around the working directory and the user's cache directory. It can take minutes the first time.
func Ensure(ctx context.Context, progress io.Writer, names ...string) (Set, error) {
	root, err := FindRoot("")
	if err != nil {
		return nil, err
	}
	cacheRoot, err := CacheRoot()
	if err != nil {
		return nil, err
	}
	return NewBuilder(root, cacheRoot, progress).Ensure(ctx, names...)
}

// Root is the repository that the builder builds from.
func (b *Builder) Root() string { return b.root }

// Cache is where the builder keeps what it built; other artefacts made of modules, as charts are, may be kept there.
func (b *Builder) Cache() *Cache { return b.cache }

// Assets is the directory that KUBEBUILDER_ASSETS names, or "".
func (b *Builder) Assets() string { return b.assets }

// Modules returns all wrapper modules of the repository.
func (b *Builder) Modules() ([]Module, error) {
	return LoadModules(filepath.Join(b.root, "hack", "binaries"))
}

// Ensure is as the function Ensure, for this builder.
func (b *Builder) Ensure(ctx context.Context, names ...string) (Set, error) {
	all, err := b.Modules()
	if err != nil {
		return nil, err
	}
	modules, err := choose(all, names)
	if err != nil {
		return nil, err
	}
	set := Set{}
	for _, m := range modules {
		programs, err := b.ensureModule(ctx, m)
		if err != nil {
			return nil, err
		}
		maps.Copy(set, programs)
	}
	return set, nil
}

// choose returns the named modules, or all without names.
func choose(all []Module, names []string) ([]Module, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Module
	for _, name := range names {
		i := slices.IndexFunc(all, func(m Module) bool { return m.Name == name })
		if i < 0 {
			var known []string
			for _, m := range all {
				known = append(known, m.Name)
			}
			return nil, fmt.Errorf("there is no wrapper module %q below hack/binaries; there are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func (b *Builder) ensureModule(ctx context.Context, m Module) (Set, error) {
	set := b.fromAssets(ctx, m)
	if len(set) == len(m.Programs) {
		return set, nil
	}
	toolchain, err := b.goCommand(ctx, m.Dir, static, "env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	key := m.key(toolchain, runtime.GOOS+"/"+runtime.GOARCH)
	dir, err := b.cache.Dir(ctx, m.Name, key, func(ctx context.Context, dir string) error {
		return b.build(ctx, m, dir)
	})
	if err != nil {
		return nil, err
	}
	for _, p := range m.Programs {
		if set[p.Name] == "" {
			set[p.Name] = filepath.Join(dir, p.Name)
		}
	}
	return set, nil
}

// build compiles all programs of m into dir.
func (b *Builder) build(ctx context.Context, m Module, dir string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", m.ldflags()}
	if len(m.Programs) == 1 {
		args = append(args, "-o", filepath.Join(dir, m.Programs[0].Name), m.Programs[0].Package)
	} else {
		args = append(args, "-o", dir+string(filepath.Separator))
		for _, p := range m.Programs {
			args = append(args, p.Package)
		}
	}
	return b.timed(fmt.Sprintf("%s %s (first time, about %s)", m.Source.Path, m.Source.Version, roughly(m)), func() error {
		_, err := b.goCommand(ctx, m.Dir, static, args...)
		return err
	})
}

// timed says what is being built and how long that took.
func (b *Builder) timed(what string, build func() error) error {
	fmt.Fprintf(b.progress, "building %s ... ", what)
	start := b.clock.Now()
	if err := build(); err != nil {
		fmt.Fprintln(b.progress, "failed")
		return err
	}
	fmt.Fprintf(b.progress, "done in %s\n", b.clock.Since(start).Round(time.Second))
	return nil
}

// roughly is what a build takes with cold caches on a small machine.
func roughly(m Module) string {
	switch {
	case m.Name == Kubernetes:
		return "4 minutes"
	case strings.HasPrefix(m.Name, "karpenter-"), strings.HasPrefix(m.Name, "flux-"):
		return "2 minutes"
	}
	return "a minute"
}

// static builds programs without cgo, so that they need nothing of the machine: containers have nothing else.
const static = "CGO_ENABLED=0"

// goCommand runs the go command in dir, with env added to the environment, and returns its trimmed standard output. The
// error carries the end of what it said.
func (b *Builder) goCommand(ctx context.Context, dir, env string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", env)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the go command was not found in PATH: install Go, or point KUBEBUILDER_ASSETS at a directory made by `sandbox build all`")
	case ctx.Err() != nil:
		return "", fmt.Errorf("running go %s in %s: %w", args[0], dir, context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("running go %s in %s: %w: %s", args[0], dir, err, tail(stderr.String(), 2000))
	}
	return strings.TrimSpace(string(out)), nil
}

func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}
