package binaries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Programs that are built from the repository itself, at each call: the Go build cache makes that quick.
const (
	// Sandbox is the program with the sandbox's own processes.
	Sandbox = "sandbox"
	// Operator is the product.
	Operator = "karpenter-upgrade-operator"
)

// ErrNoOperator is returned by [Builder.Operator] where the repository has no program in cmd.
var ErrNoOperator = errors.New("the operator has no main package in cmd")

// Sandbox builds test/cmd/sandbox and copies the program to a path that must not exist.
func (b *Builder) Sandbox(ctx context.Context, to string) error {
	// With the flags that go run and go test have, so that they share what is compiled.
	return b.local(ctx, Sandbox, filepath.Join(b.root, "test"), "GOFLAGS="+os.Getenv("GOFLAGS"), "./cmd/sandbox", to)
}

// Operator builds the operator and copies the program to a path that must not exist.
func (b *Builder) Operator(ctx context.Context, to string) error {
	if _, err := os.Stat(filepath.Join(b.root, "cmd", "main.go")); errors.Is(err, fs.ErrNotExist) {
		return ErrNoOperator
	}
	return b.local(ctx, Operator, b.root, static, "./cmd", to)
}

// local builds a package of the repository to a path that stays the same for one clone, so that go build finds it up
// to date when nothing changed, and copies it before anybody else may build.
func (b *Builder) local(ctx context.Context, name, dir, env, pkg, to string) error {
	sum := sha256.Sum256([]byte(b.root))
	outDir := filepath.Join(b.cache.root, name, "clone-"+hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return fmt.Errorf("preparing the build of %s: %w", name, err)
	}
	unlock, err := b.cache.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	out := filepath.Join(outDir, name)
	compile := func() error {
		_, err := b.goCommand(ctx, dir, env, "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
		return err
	}
	if isExecutable(out) {
		err = compile() // a matter of seconds: not worth a line
	} else {
		err = b.timed(name+" (first time, some minutes)", compile)
	}
	if err != nil {
		return fmt.Errorf("building %s: %w", name, err)
	}
	if err := Copy(out, to); err != nil {
		return fmt.Errorf("copying %s: %w", name, err)
	}
	return nil
}

// Collect links files into one flat directory, each under its name in the map, and returns the directory, which serves
// as KUBEBUILDER_ASSETS. It is brought up to date at each call.
func (b *Builder) Collect(files map[string]string) (string, error) {
	dir := filepath.Join(b.cache.root, "assets")
	for name, path := range files {
		target := filepath.Join(dir, name)
		if path == target {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return "", fmt.Errorf("collecting %s: %w", name, err)
		}
		if err := linkOrCopy(path, target); err != nil {
			return "", fmt.Errorf("collecting %s: %w", name, err)
		}
	}
	return dir, nil
}
