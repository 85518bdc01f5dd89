package main

import (
	"errors"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

const description = `sandbox runs real Kubernetes clusters with real Karpenter controllers as processes on this machine.

It needs Linux, Go and git; no container engine, no cloud, no root where the kernel allows user namespaces. The first
"up" builds everything from Go modules, which takes minutes; after that a sandbox is up in seconds.`

const example = `  sandbox up                        # a sandbox named "default"
  sandbox install-karpenter 1.0.8   # by Karpenter's own charts
  sandbox kubectl -- get pods -A
  sandbox logs -f <pod>
  sandbox status
  sandbox down`

// options are those that all commands share.
type options struct {
	name string
}

func newRoot() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:           "sandbox",
		Short:         "Real Kubernetes and Karpenter on one machine",
		Long:          description,
		Example:       example,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.name, "name", state.DefaultName, "the sandbox's name")
	root.AddCommand(
		newUp(o), newDown(o), newStatus(), newKubeconfig(o), newKubectl(o), newLogs(o),
		newKill(o), newBuild(), newInstallKarpenter(o), newEnter(o), newEnv(o),
	)
	return root
}

// attach finds the sandbox that the command is for.
func (o *options) attach() (*sandbox.Sandbox, error) {
	sb, err := sandbox.Attach(o.name)
	if errors.Is(err, state.ErrNotFound) {
		return nil, errors.New("sandbox " + o.name + " is not up: start it with `sandbox up --name " + o.name + "`")
	}
	return sb, err
}

func home() (string, error) { return binaries.CacheRoot() }

// exitCode passes on the exit code of a program that was run for the user and has said itself what was wrong.
func exitCode(err error) (int, bool) {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), true
	}
	return 0, false
}
