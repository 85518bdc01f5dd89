//go:build !linux

package sandbox

import (
	"context"
	"errors"
)

// errUnsupported says that sandboxes need Linux.
var errUnsupported = errors.New("a sandbox needs Linux: run it in a Linux container, for example " +
	"`docker run --rm -it --privileged -v \"$PWD\":/src -w /src golang:1.26 make demo` (see docs/development/sandbox.md)")

// Up starts a sandbox; it needs Linux.
func Up(context.Context, Options) (*Sandbox, error) { return nil, errUnsupported }
