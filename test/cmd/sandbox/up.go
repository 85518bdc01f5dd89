package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
)

type upFlags struct {
	karpenter   []string
	operator    string
	images      []string
	seed        string
	audit       bool
	launchDelay time.Duration
	podStart    string
	apiArgs     []string
}

func newUp(o *options) *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a sandbox",
		Long:  "Start a sandbox and leave it running. What is missing is built first.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := f.options(o.name)
			if err != nil {
				return err
			}
			start := time.Now()
			opts.Progress = cmd.ErrOrStderr()
			sb, err := sandbox.Up(cmd.Context(), opts)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "sandbox %s is up after %s\n", sb.Name(), time.Since(start).Round(100*time.Millisecond))
			fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\n", sb.Kubeconfig())
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.karpenter, "karpenter", nil, "Karpenter versions to have, as 1.0.8,1.14.1 (default all that are pinned)")
	flags.StringVar(&f.operator, "operator", "", `the operator's program, or "none" (default: build it)`)
	flags.StringArrayVar(&f.images, "image", nil, "a further image, as <repository>[:<tag>]=<program>; may be repeated")
	flags.StringVar(&f.seed, "seed", "", "a file that describes the AWS account (default: a built-in one)")
	flags.BoolVar(&f.audit, "audit", false, "keep the API server's audit log")
	flags.DurationVar(&f.launchDelay, "launch-delay", sandbox.DefaultSettings().LaunchDelay.Duration, "from an instance's launch to its node")
	flags.StringVar(&f.podStart, "pod-start", "0s-1s", "how long pods on launched nodes take to be Ready: a duration, or two with a dash")
	flags.StringArrayVar(&f.apiArgs, "apiserver-arg", nil, "a further argument for kube-apiserver; may be repeated")
	return cmd
}

func (f *upFlags) options(name string) (sandbox.Options, error) {
	settings := sandbox.DefaultSettings()
	settings.LaunchDelay = metav1.Duration{Duration: f.launchDelay}
	var err error
	if settings.Pace.PodStart, err = parseRange(f.podStart); err != nil {
		return sandbox.Options{}, fmt.Errorf("--pod-start: %w", err)
	}
	opts := sandbox.Options{
		Name: name, Karpenter: f.karpenter, Operator: f.operator, Settings: &settings, Detach: true,
		Kubernetes: sandbox.KubernetesSettings{Audit: f.audit, APIServerArgs: f.apiArgs},
	}
	for _, s := range f.images {
		img, err := sandbox.ParseImage(s)
		if err != nil {
			return sandbox.Options{}, err
		}
		opts.Images = append(opts.Images, img)
	}
	if f.seed != "" {
		if opts.Seed, err = os.ReadFile(f.seed); err != nil {
			return sandbox.Options{}, fmt.Errorf("reading the seed: %w", err)
		}
	}
	opts.Program, err = os.Executable()
	return opts, err
}

// parseRange reads "8s" or "0s-1s".
func parseRange(s string) (kwok.Range, error) {
	low, high, two := strings.Cut(s, "-")
	if !two {
		high = low
	}
	lowest, err := time.ParseDuration(low)
	if err != nil {
		return kwok.Range{}, err
	}
	highest, err := time.ParseDuration(high)
	return kwok.Between(lowest, highest), err
}
