package binaries

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// versionTimeout bounds asking a program for its version.
const versionTimeout = 20 * time.Second

// fromAssets returns the programs of m that KUBEBUILDER_ASSETS has and that may be used with the rest.
func (b *Builder) fromAssets(ctx context.Context, m Module) Set {
	set := Set{}
	if b.assets == "" {
		return set
	}
	for _, p := range m.Programs {
		if path := filepath.Join(b.assets, p.Name); isExecutable(path) {
			set[p.Name] = path
		}
	}
	if m.Name != Kubernetes || len(set) == len(m.Programs) || set["kube-apiserver"] == "" {
		return set
	}
	found := programVersion(ctx, set["kube-apiserver"])
	if skewAllowed(found, m.Source.Version) {
		return set
	}
	fmt.Fprintf(b.progress, "not using Kubernetes %s of KUBEBUILDER_ASSETS: the other components are %s\n", found, m.Source.Version)
	return Set{}
}

// skewAllowed tells whether a kube-apiserver may serve a controller manager and a scheduler of version managers: they
// must not be newer than it and at most one minor older (https://kubernetes.io/releases/version-skew-policy).
func skewAllowed(apiserver, managers string) bool {
	a, okA := minorOf(apiserver)
	m, okM := minorOf(managers)
	return okA && okM && semver.Major(apiserver) == semver.Major(managers) && (a == m || a == m+1)
}

func minorOf(version string) (int, bool) {
	_, minor, ok := strings.Cut(semver.MajorMinor(version), ".")
	n, err := strconv.Atoi(minor)
	return n, ok && err == nil
}

// programVersion asks a Kubernetes program for its version, as in "v1.36.3"; "unknown" if it does not say.
func programVersion(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 {
		return "unknown"
	}
	return fields[1]
}
