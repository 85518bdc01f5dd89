// Command demo upgrades a real Karpenter 1.0.8 to 1.14.1 by the operator, on a real Kubernetes cluster on this machine, with
// nothing emulated but AWS. It shows what happens while it happens, and checks at the end whether all is as it should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(klog.Background()) // the client would complain of a missing logger in the middle of the show
	if err := command().ExecuteContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

func command() *cobra.Command {
	d := &demo{clock: clock.RealClock{}}
	c := &cobra.Command{
		Use:           "demo",
		Short:         "Upgrade a real Karpenter on a local cluster",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			d.screen = newScreen(os.Stdout, d.clock)
			return d.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&d.out, "out", "", "Directory for the report, and for logs (default out/demo in the repository).")
	f.StringVar(&d.name, "name", "demo", "Name of the sandbox.")
	f.BoolVar(&d.keep, "keep", false, "Leave the cluster running.")
	f.DurationVar(&d.timeout, "timeout", 12*time.Minute, "How long it may take, without what has to be built first.")
	return c
}
