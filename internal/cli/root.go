// Package cli is the kubectl plugin `kubectl karpenter-upgrade`: what an upgrade of Karpenter would do to a cluster, without any
// operator in it, and runs of the operator to watch and to steer.
package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// ExitError is an exit code, and nothing else: what there was to say has been said.
type ExitError int

// Exit codes beside 0, and 1 for a command that did not work.
const (
	// ErrWarnings is for a plan with warnings and no blocker.
	ErrWarnings ExitError = 2
	// ErrBlocked is for a plan with a blocker that is not waived, and for a run that failed or is blocked.
	ErrBlocked ExitError = 3
)

// Error implements error.
func (e ExitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// program is what the commands share.
type program struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	// operatorNamespace is where the operator would be: rows of the version catalogue are read there.
	operatorNamespace string
	version           string
}

// New makes the command with all below it.
func New(streams genericiooptions.IOStreams, version string) *cobra.Command {
	p := &program{IOStreams: streams, flags: genericclioptions.NewConfigFlags(true), version: version}
	root := &cobra.Command{
		Use:   "kubectl-karpenter_upgrade",
		Short: "Plan, watch and steer upgrades of Karpenter",
		Long: `Plans upgrades of Karpenter on any cluster, with read rights and no operator in it, and
watches and steers the runs of karpenter-upgrade-operator.`,
		Example: `  # What would bite an upgrade of this cluster to 1.14.1?
  kubectl karpenter-upgrade plan --to 1.14.1

  # Watch a run
  kubectl karpenter-upgrade status to-1-14-1 --watch`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl karpenter-upgrade"},
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	p.flags.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&p.operatorNamespace, "operator-namespace", "karpenter-upgrade-operator",
		"Namespace of the operator, where it looks for rows of the version catalogue.")
	root.AddCommand(p.plan(), p.status(), p.explain(), p.snapshot(), p.approve())
	root.AddCommand(p.modes()...)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	return root
}
