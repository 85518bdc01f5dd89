// Command observer watches a cluster while Karpenter is upgraded in it and writes down what happened, as JSON.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/requests"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	klog.SetOutput(os.Stderr)
	root := &cobra.Command{Use: "observer", Short: "Watch a cluster while Karpenter is upgraded in it", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(runCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "observer:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

func runCommand() *cobra.Command {
	opts := observer.Options{Log: os.Stderr}
	var kubeconfig, karpenter, operator string
	c := &cobra.Command{
		Use:   "run",
		Short: "Observe until interrupted, or until an upgrade has ended, and write the report",
		Long: "Observe until interrupted (SIGINT, SIGTERM), or until an upgrade has ended, and write the report.\n" +
			"The report is also written every few seconds; the marks that are left are looked for at the end only.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("reading kubeconfig %q: %w", kubeconfig, err)
			}
			config.UserAgent = "karpenter-upgrade-observer"
			opts.Config, opts.Karpenter, opts.Operator = config, account(karpenter), account(operator)
			if err := observer.Run(c.Context(), opts); err != nil {
				return err
			}
			return summarize(c, opts.Out)
		},
	}
	f := c.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "Kubeconfig of the cluster.")
	f.StringVar(&opts.Out, "out", "report.json", "File that the report is written to.")
	f.StringVar(&opts.StopWhenDone, "stop-when-done", "", "KarpenterUpgrade with whose end the observation ends.")
	f.DurationVar(&opts.Settle, "settle", 5*time.Second, "How much longer than that to observe.")
	f.StringVar(&opts.Release, "release", "karpenter", "Helm release of Karpenter that is upgraded.")
	f.StringVar(&karpenter, "karpenter", "karpenter", "Namespace of Karpenter, or namespace/serviceaccount.")
	f.StringVar(&operator, "operator", "karpenter-upgrade-operator", "Namespace of the operator, or namespace/serviceaccount.")
	return c
}

// account reads namespace or namespace/serviceaccount.
func account(s string) requests.Account {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok {
		name = requests.AllAccounts
	}
	return requests.Account{Namespace: namespace, Name: name}
}

func summarize(c *cobra.Command, path string) error {
	r, err := report.Read(path)
	if err != nil {
		return err
	}
	c.Printf("%s: %s to %s in %.0f s; two leaders %.1f s, leaderless %.1f s, PDB violations %d, lost %d, marks left %d\n",
		path, r.From, r.To, r.DurationSeconds, r.TwoLeaderSeconds, r.LeaderlessSeconds, r.PDBViolations, r.PodsLost, r.MarksLeft)
	return nil
}
