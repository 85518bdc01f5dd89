// Command kubectl-karpenter_upgrade is the kubectl plugin `kubectl karpenter-upgrade`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cli"
)

// version is set when the binary is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	err := cli.New(streams, version).ExecuteContext(ctx)
	var code cli.ExitError
	switch {
	case errors.As(err, &code):
		os.Exit(int(code)) //nolint:gocritic // there is nothing left to stop
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
