package main

import (
	"errors"
	"fmt"
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

// exitError is the exit code of a program that was run for the user and has said itself what was wrong.
type exitError int

func (p exitError) Error() string { return fmt.Sprintf("exit status %d", int(p)) }

// attached runs a program with the user's terminal; its exit code becomes ours.
func attached(cmd *cobra.Command, c *exec.Cmd) error {
	c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitError(max(exit.ExitCode(), 1)) // -1 for one that was killed, as by a pipe that was closed
	}
	return err
}
