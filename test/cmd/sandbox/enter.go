package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"
)

func newEnter(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "enter [-- <command>...]",
		Short: "Run a shell, or a command, inside the sandbox's namespaces",
		Long: `Run a shell, or a command, inside the sandbox's namespaces: there one sees its processes and network, and the pods'
addresses answer. It needs nsenter of util-linux.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			sb, err := o.attach()
			if err != nil {
				return err
			}
			nsenter, err := exec.LookPath("nsenter")
			if err != nil {
				return errors.New("nsenter was not found: install util-linux")
			}
			if len(args) == 0 {
				args = []string{"/bin/sh"}
			}
			into := []string{"--target", strconv.Itoa(sb.PID()), "--mount", "--uts", "--ipc", "--net", "--pid"}
			if os.Geteuid() != 0 {
				into = append(into, "--user", "--preserve-credentials")
			}
			return attached(cmd, exec.CommandContext(cmd.Context(), nsenter, append(append(into, "--"), args...)...))
		},
	}
}
