package binaries

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/mod/module"
)

func TestFindRoot(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	deep := filepath.Join(root, "test", "other")
	g.Expect(os.MkdirAll(deep, 0o755)).To(Succeed())
	_, err := FindRoot(deep)
	g.Expect(err).To(MatchError(And(ContainSubstring("no PROJECT file of karpenter-upgrade-operator"), ContainSubstring(deep))))

	g.Expect(os.WriteFile(filepath.Join(deep, "PROJECT"), []byte("projectName: another\n"), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(root, "PROJECT"), []byte("layout: x\nprojectName: karpenter-upgrade-operator\n"), 0o644)).To(Succeed())
	g.Expect(FindRoot(deep)).To(Equal(root), "another project's file in between does not count")
	g.Expect(FindRoot(root)).To(Equal(root))
}

func TestTheRepositoryPinsWhatASandboxRuns(t *testing.T) {
	g := NewWithT(t)
	root, err := FindRoot("")
	g.Expect(err).NotTo(HaveOccurred())
	modules, err := NewBuilder(root, t.TempDir(), &bytes.Buffer{}).Modules()
	g.Expect(err).NotTo(HaveOccurred())
	programs := map[string]string{}
	for _, m := range modules {
		g.Expect(m.Source.Version).To(HavePrefix("v"), m.Name)
		for _, p := range m.Programs {
			programs[p.Name] = m.Source.Path
		}
	}
	for name, source := range map[string]string{
		"etcd":                    "go.etcd.io/etcd/server/v3",
		"kwok":                    "sigs.k8s.io/kwok",
		"kube-apiserver":          "k8s.io/kubernetes",
		"kube-controller-manager": "k8s.io/kubernetes",
		"kube-scheduler":          "k8s.io/kubernetes",
		"kubectl":                 "k8s.io/kubernetes",
		"karpenter-v1.0.8":        "github.com/aws/karpenter-provider-aws",
		"flux-source-controller":  "github.com/fluxcd/source-controller",
		"flux-helm-controller":    "github.com/fluxcd/helm-controller",
	} {
		g.Expect(programs).To(HaveKeyWithValue(name, source))
	}
}

func TestParseModule(t *testing.T) {
	g := NewWithT(t)
	m, err := parseModule("karpenter-v1.14.1", []byte(`module example.com/wrapper
go 1.26.0
replace example.com/provider => example.com/provider v1.14.1
tool example.com/provider/cmd/controller
require (
	example.com/provider v1.14.0
	example.com/provider/other v0.1.0
)`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.Source).To(Equal(module.Version{Path: "example.com/provider", Version: "v1.14.1"}))
	g.Expect(m.Programs).To(Equal([]Program{{Name: "karpenter-v1.14.1", Package: "example.com/provider/cmd/controller"}}))

	m, err = parseModule("two", []byte("module example.com/w\ntool (\n\texample.com/a/cmd/one\n\texample.com/a/two/v3\n)\nrequire example.com/a v1.0.0\nrequire example.com/a/two/v3 v3.1.0\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.Programs[0].Name).To(Equal("one"))
	g.Expect(m.Programs[1].Name).To(Equal("two"), "a major version is no name")

	_, err = parseModule("none", []byte("module example.com/w\n"))
	g.Expect(err).To(MatchError(ContainSubstring("none has no tool line")))
	_, err = parseModule("lost", []byte("module example.com/w\ntool example.com/a/cmd/one\n"))
	g.Expect(err).To(MatchError(ContainSubstring("requires no module that has example.com/a/cmd/one")))
}

func TestProgramsKnowTheirVersion(t *testing.T) {
	g := NewWithT(t)
	kubernetes := Module{Source: module.Version{Path: "k8s.io/kubernetes", Version: "v1.36.3"}}
	g.Expect(kubernetes.ldflags()).To(And(
		ContainSubstring("-X k8s.io/component-base/version.gitVersion=v1.36.3"),
		ContainSubstring("-X k8s.io/client-go/pkg/version.gitMajor=1 "),
		ContainSubstring("-X k8s.io/client-go/pkg/version.gitMinor=36 "),
	))
	karpenter := Module{Source: module.Version{Path: "github.com/aws/karpenter-provider-aws", Version: "v1.0.8"}}
	g.Expect(karpenter.ldflags()).To(HaveSuffix("-X sigs.k8s.io/karpenter/pkg/operator.Version=1.0.8"))
}

func TestKeyChangesWithWhatMakesAProgramDifferent(t *testing.T) {
	g := NewWithT(t)
	base := Module{Source: module.Version{Path: "k8s.io/kubernetes", Version: "v1.36.3"}, sums: []byte("sums")}
	key := base.key("go1.26.8", "linux/amd64")
	g.Expect(key).To(HavePrefix("1.36.3-"))
	g.Expect(base.key("go1.26.8", "linux/amd64")).To(Equal(key))
	other := base
	other.sums = []byte("other sums")
	version := base
	version.Source.Version = "v1.36.4"
	for name, k := range map[string]string{
		"toolchain": base.key("go1.26.9", "linux/amd64"),
		"platform":  base.key("go1.26.8", "linux/arm64"),
		"go.sum":    other.key("go1.26.8", "linux/amd64"),
		"version":   version.key("go1.26.8", "linux/amd64"),
	} {
		g.Expect(k).NotTo(Equal(key), name)
	}
}

func TestSkewAllowed(t *testing.T) {
	for _, c := range []struct {
		apiserver, managers string
		want                bool
	}{
		{"v1.36.3", "v1.36.3", true},
		{"v1.36.0", "v1.36.3", true},
		{"v1.37.1", "v1.36.3", true},
		{"v1.35.9", "v1.36.3", false},
		{"v1.38.0", "v1.36.3", false},
		{"v2.36.0", "v1.36.3", false},
		{"unknown", "v1.36.3", false},
	} {
		NewWithT(t).Expect(skewAllowed(c.apiserver, c.managers)).To(Equal(c.want), c.apiserver)
	}
}

func TestCacheBuildsOnceAndKeepsOnlyWhatIsWhole(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	progress := &lockedBuffer{}
	cache := NewCache(root, progress)
	broken := errors.New("broken")
	_, err := cache.Dir(t.Context(), "thing", "1", func(_ context.Context, dir string) error {
		g.Expect(os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)).To(Succeed())
		return broken
	})
	g.Expect(err).To(MatchError(broken))
	g.Expect(entries(g, filepath.Join(root, "thing"))).To(ConsistOf(".lock"))

	var builds atomic.Int32
	inBuild, goOn := make(chan struct{}), make(chan struct{})
	build := func(_ context.Context, dir string) error {
		if builds.Add(1) == 1 {
			close(inBuild)
			<-goOn
		}
		return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
	}
	var wg sync.WaitGroup
	get := func() {
		dir, err := cache.Dir(t.Context(), "thing", "1", build)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(entries(g, dir)).To(ConsistOf("whole"))
	}
	wg.Go(get)
	<-inBuild
	wg.Go(get)
	g.Eventually(progress.String, 10*time.Second).Should(ContainSubstring("waiting for another process that builds thing"))
	close(goOn)
	wg.Wait()
	g.Expect(builds.Load()).To(Equal(int32(1)))
}

func TestCompleteCacheIsOnlyRead(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	g.Expect(os.MkdirAll(filepath.Join(root, "thing", "1"), 0o755)).To(Succeed())
	dir, err := NewCache(root, &bytes.Buffer{}).Dir(t.Context(), "thing", "1", func(context.Context, string) error {
		return errors.New("must not build")
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(dir).To(Equal(filepath.Join(root, "thing", "1")))
	g.Expect(entries(g, filepath.Join(root, "thing"))).To(ConsistOf("1"), "not even a lock is made")
}

// repository is a small one with a wrapper module whose program comes from a directory beside it.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"PROJECT":                    "projectName: karpenter-upgrade-operator\n",
		"hack/binaries/hello/go.mod": "module example.com/wrapper\ngo 1.26.0\ntool example.com/up/cmd/server\nrequire example.com/up v1.2.3\nreplace example.com/up => ../../../up\n",
		"hack/binaries/hello/go.sum": "",
		"up/go.mod":                  "module example.com/up\ngo 1.26.0\n",
		"up/cmd/server/main.go":      "package main\n\nfunc main() { println(\"hello\") }\n",
	} {
		path := filepath.Join(root, name)
		NewWithT(t).Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		NewWithT(t).Expect(os.WriteFile(path, []byte(content), 0o644)).To(Succeed())
	}
	return root
}

func TestEnsureBuildsWhatIsMissingAndSaysSo(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("KUBEBUILDER_ASSETS", "")
	root, cache := repository(t), t.TempDir()
	var progress bytes.Buffer
	set, err := NewBuilder(root, cache, &progress).Ensure(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	path, err := set.Path("hello")
	g.Expect(err).NotTo(HaveOccurred())
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(out)).To(Equal("hello\n"))
	g.Expect(progress.String()).To(MatchRegexp(`^building example.com/up v1.2.3 \(first time, about a minute\) \.\.\. done in \d+m?\d*s\n$`))

	progress.Reset()
	again, err := NewBuilder(root, cache, &progress).Ensure(t.Context(), "hello")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(set))
	g.Expect(progress.String()).To(BeEmpty())

	_, err = set.Path("bye")
	g.Expect(err).To(MatchError("there is no program bye among those built (hello)"))
	_, err = NewBuilder(root, cache, &progress).Ensure(t.Context(), "bye")
	g.Expect(err).To(MatchError(`there is no wrapper module "bye" below hack/binaries; there are hello`))
}

func TestEnsureShowsWhyABuildFails(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("KUBEBUILDER_ASSETS", "")
	root := repository(t)
	g.Expect(os.WriteFile(filepath.Join(root, "up/cmd/server/main.go"), []byte("package main\n\nfunc main() { undefined() }\n"), 0o644)).To(Succeed())
	_, err := NewBuilder(root, t.TempDir(), &bytes.Buffer{}).Ensure(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("undefined: undefined")))
}

func TestAssetsAreUsedWhereTheyFit(t *testing.T) {
	assets := t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	apiserver := func(g *WithT, version string) {
		script := "#!/bin/sh\necho Kubernetes " + version + "\n"
		g.Expect(os.WriteFile(filepath.Join(assets, "kube-apiserver"), []byte(script), 0o755)).To(Succeed())
	}
	kubernetes := Module{
		Name: Kubernetes, Source: module.Version{Path: "k8s.io/kubernetes", Version: "v1.36.3"},
		Programs: []Program{{Name: "kube-apiserver"}, {Name: "kube-scheduler"}},
	}
	etcd := Module{Name: Etcd, Programs: []Program{{Name: "etcd"}}}

	g := NewWithT(t)
	var progress bytes.Buffer
	b := NewBuilder(t.TempDir(), t.TempDir(), &progress)
	g.Expect(b.fromAssets(t.Context(), etcd)).To(BeEmpty())
	g.Expect(os.WriteFile(filepath.Join(assets, "etcd"), nil, 0o755)).To(Succeed())
	g.Expect(b.fromAssets(t.Context(), etcd)).To(HaveKey("etcd"))

	apiserver(g, "v1.36.0")
	g.Expect(b.fromAssets(t.Context(), kubernetes)).To(Equal(Set{"kube-apiserver": filepath.Join(assets, "kube-apiserver")}))
	apiserver(g, "v1.31.0")
	g.Expect(b.fromAssets(t.Context(), kubernetes)).To(BeEmpty())
	g.Expect(progress.String()).To(Equal("not using Kubernetes v1.31.0 of KUBEBUILDER_ASSETS: the other components are v1.36.3\n"))
	g.Expect(os.WriteFile(filepath.Join(assets, "kube-scheduler"), nil, 0o755)).To(Succeed())
	g.Expect(b.fromAssets(t.Context(), kubernetes)).To(HaveLen(2), "a complete set is one version")
}

func TestCollectMakesOneDirectory(t *testing.T) {
	g := NewWithT(t)
	b := NewBuilder(t.TempDir(), t.TempDir(), &bytes.Buffer{})
	one := filepath.Join(t.TempDir(), "x")
	g.Expect(os.WriteFile(one, []byte("one"), 0o755)).To(Succeed())
	dir, err := b.Collect(map[string]string{"etcd": one, "charts/c.tgz": one})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Join(dir, "charts", "c.tgz")).To(BeAnExistingFile())
	g.Expect(isExecutable(filepath.Join(dir, "etcd"))).To(BeTrue())

	two := filepath.Join(t.TempDir(), "y")
	g.Expect(os.WriteFile(two, []byte("two"), 0o755)).To(Succeed())
	_, err = b.Collect(map[string]string{"etcd": two})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(filepath.Join(dir, "etcd"))).To(BeEquivalentTo("two"))
	g.Expect(os.ReadFile(one)).To(BeEquivalentTo("one"), "a running program keeps its file")
}

func entries(g *WithT, dir string) []string {
	list, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// lockedBuffer may be read while others write.
type lockedBuffer struct {
	mu  sync.Mutex
	out strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}
