package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
)

func newDown(o *options) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop a sandbox and remove all of it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := home()
			if err != nil {
				return err
			}
			names := []string{o.name}
			if all {
				if names, err = namesOf(h); err != nil {
					return err
				}
			}
			var errs []error
			for _, name := range names {
				if err := sandbox.Down(cmd.Context(), h, name); err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "sandbox %s is gone\n", name)
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all sandboxes of this user")
	return cmd
}

func namesOf(home string) ([]string, error) {
	list, err := sandbox.List(home)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, info := range list {
		names = append(names, info.Name)
	}
	return names, nil
}

func newStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "List the sandboxes of this user",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := home()
			if err != nil {
				return err
			}
			list, err := sandbox.List(h)
			if err != nil {
				return err
			}
			return printStatus(cmd.Context(), cmd.OutOrStdout(), h, list, time.Now())
		},
	}
}
