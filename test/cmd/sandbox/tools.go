package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

func newKubeconfig(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the administrator's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), sb.Kubeconfig())
			return nil
		},
	}
}

func newEnv(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print shell commands that set KUBECONFIG and put kubectl into PATH",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			kubectl, err := kubectlPath(cmd)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\nalias kubectl=%s\n", sb.Kubeconfig(), kubectl)
			return nil
		},
	}
}

func newKubectl(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "kubectl -- <arguments>",
		Short:   "Run the kubectl that was built, as administrator of the sandbox",
		Example: "  sandbox kubectl -- get pods -A -o wide",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			return runKubectl(cmd, sb, args...)
		},
	}
}

func newLogs(o *options) *cobra.Command {
	var namespace, container string
	var follow, previous bool
	cmd := &cobra.Command{
		Use:   "logs [<pod>]",
		Short: "Show the log of a pod, or of the sandbox itself",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "the logs of the sandbox's parts are in %s/logs; this is its own\n", sb.Dir())
				return show(cmd, sb.Dir()+"/logs/sandbox.log")
			}
			logs := []string{"logs", "--namespace", namespace, args[0], "--follow=" + strconv.FormatBool(follow), "--previous=" + strconv.FormatBool(previous)}
			if container != "" {
				logs = append(logs, "--container", container)
			}
			return runKubectl(cmd, sb, logs...)
		},
	}
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "kube-system", "the pod's namespace")
	cmd.Flags().StringVarP(&container, "container", "c", "", "the container, where the pod has several")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as the log grows")
	cmd.Flags().BoolVarP(&previous, "previous", "p", false, "of the container's run before this one")
	return cmd
}

func show(cmd *cobra.Command, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(data)
	return err
}

func newKill(o *options) *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:   "kill <pod>",
		Short: "Kill the process of a pod on a host node, as a crash would",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			return sb.KillPod(cmd.Context(), namespace, args[0])
		},
	}
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "kube-system", "the pod's namespace")
	return cmd
}

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build [all | <module>...]",
		Short: "Build what sandboxes need and print the directory that has it",
		Long: `Build what sandboxes need, all of it or some of the modules below hack/binaries, and print the directory that has the
programs. It serves as KUBEBUILDER_ASSETS, for envtest and for sandboxes without a Go toolchain.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "all" {
				args = nil
			}
			dir, err := sandbox.Prebuild(cmd.Context(), cmd.ErrOrStderr(), args...)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), dir)
			return nil
		},
	}
}

func newInstallKarpenter(o *options) *cobra.Command {
	var k sandbox.Karpenter
	cmd := &cobra.Command{
		Use:   "install-karpenter <version>",
		Short: "Install or upgrade Karpenter by its own charts",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			k.Version = args[0]
			if err := sb.InstallKarpenter(cmd.Context(), k); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Karpenter %s is installed in namespace %s; its pods come up now\n", k.Version, k.Namespace)
			return nil
		},
	}
	cmd.Flags().StringVar(&k.Release, "release", "karpenter", "the Helm release")
	cmd.Flags().StringVarP(&k.Namespace, "namespace", "n", "kube-system", "the namespace")
	cmd.Flags().BoolVar(&k.SkipCRDs, "skip-crds", false, "leave the CRDs as they are")
	return cmd
}

// runKubectl runs the kubectl that was built.
func runKubectl(cmd *cobra.Command, sb *sandbox.Sandbox, args ...string) error {
	path, err := kubectlPath(cmd)
	if err != nil {
		return err
	}
	return attached(cmd, exec.CommandContext(cmd.Context(), path, append([]string{"--kubeconfig", sb.Kubeconfig()}, args...)...))
}

func kubectlPath(cmd *cobra.Command) (string, error) {
	set, err := binaries.Ensure(cmd.Context(), cmd.ErrOrStderr(), binaries.Kubernetes)
	if err != nil {
		return "", err
	}
	return set.Path("kubectl")
}
