package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

// These types are described where they are declared.
type (
	// Settings can be changed while a sandbox runs.
	Settings = control.Settings
	// Pace is how fast the nodes and pods are that KWOK plays.
	Pace = kwok.Pace
	// KubernetesSettings are choices about the control plane.
	KubernetesSettings = controlplane.Settings
	// Status is what runs in a sandbox.
	Status = control.Status
	// Image is a program that stands for a container image.
	Image = podrunner.Image
	// Backoff is how long the host nodes wait before they start a container again.
	Backoff = podrunner.Backoff
)

// DefaultSettings are the settings of a sandbox that asks for none.
func DefaultSettings() Settings { return control.DefaultSettings() }

// defaultReadyTimeout is for slow machines; a warm start takes a few seconds.
const defaultReadyTimeout = 4 * time.Minute

// NoOperator as [Options.Operator] leaves the operator out.
const NoOperator = "none"

// Options are what a sandbox is asked for. The zero value is a sandbox named "default" with everything in it.
type Options struct {
	// Name tells sandboxes of a user apart; "default" if empty.
	Name string
	// Karpenter are the versions whose controllers and charts the sandbox has, as "1.0.8"; all that hack/binaries
	// pins if nil.
	Karpenter []string
	// Operator is the path of the operator's program. Empty builds it from the repository and also offers its chart;
	// NoOperator leaves it out.
	Operator string
	// Images are further programs that host nodes can run; they win over the sandbox's own.
	Images []Image
	// Settings are the settings at the start; DefaultSettings if nil.
	Settings *Settings
	// Kubernetes are choices about the control plane.
	Kubernetes KubernetesSettings
	// Backoff is that of restarted containers; the kubelet's own (10 s doubled up to 5 min) if zero.
	Backoff Backoff
	// Seed is the AWS account's seed file; a default one if empty.
	Seed []byte
	// Detach lets the sandbox outlive this process. Then it is ended by Down, from any process of the same user.
	Detach bool
	// ReadyTimeout bounds coming up, without what has to be built first; 4 minutes if zero.
	ReadyTimeout time.Duration
	// Progress gets lines for people; nil drops them.
	Progress io.Writer
	// Home is the directory below which builds and sandboxes are kept; binaries.CacheRoot if empty.
	Home string
	// Program is the sandbox program, test/cmd/sandbox; empty builds it from the repository.
	Program string
}

// complete puts the defaults in and refuses what cannot be.
func (o *Options) complete() error {
	if o.Name == "" {
		o.Name = state.DefaultName
	}
	if o.Settings == nil {
		settings := DefaultSettings()
		o.Settings = &settings
	}
	if o.Backoff == (Backoff{}) {
		o.Backoff = podrunner.DefaultBackoff()
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = defaultReadyTimeout
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	for i := range o.Images {
		if err := completeImage(&o.Images[i]); err != nil {
			return err
		}
	}
	if err := o.validate(); err != nil {
		return err
	}
	return o.completeHome()
}

// validate refuses what would fail only once the sandbox is half up.
func (o *Options) validate() error {
	if err := state.ValidateName(o.Name); err != nil {
		return err
	}
	if err := o.Settings.Pace.Validate(); err != nil {
		return err
	}
	if o.Settings.LaunchDelay.Duration < 0 {
		return errors.New("the launch delay must not be negative")
	}
	if len(o.Seed) > 0 {
		if _, err := aws.ParseSeed(o.Seed); err != nil {
			return fmt.Errorf("reading the AWS account's seed: %w", err)
		}
	}
	return nil
}

func (o *Options) completeHome() error {
	if o.Home != "" {
		return nil
	}
	home, err := binaries.CacheRoot()
	if err != nil {
		return err
	}
	o.Home = home
	return nil
}

func completeImage(img *Image) error {
	if img.Repository == "" || img.Program == "" {
		return fmt.Errorf("image %q: a repository and a program are required", img.Repository)
	}
	if info, err := os.Stat(img.Program); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("image %s: %s is no program", img.Repository, img.Program)
	}
	if img.Tag == "" {
		img.Tag = "*"
	}
	if img.Path == "" {
		img.Path = "/app"
	}
	return nil
}

// ParseImage reads an image as the command line gives it: <repository>[:<tag>]=<program>.
func ParseImage(s string) (Image, error) {
	name, program, ok := strings.Cut(s, "=")
	if !ok {
		return Image{}, fmt.Errorf("image %q: write <repository>[:<tag>]=<program>", s)
	}
	img := Image{Repository: name, Program: program, User: nonRoot}
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		img.Repository, img.Tag = name[:i], name[i+1:]
	}
	return img, completeImage(&img)
}

// nonRoot is the user of distroless images, as Karpenter's and the operator's are.
const nonRoot = 65532

// karpenterModules chooses the wrapper modules of the versions asked for; all without versions.
func karpenterModules(all []binaries.Module, versions []string) ([]binaries.Module, error) {
	var pinned []binaries.Module
	var known []string
	for _, m := range all {
		if strings.HasPrefix(m.Name, karpenterPrefix) {
			pinned = append(pinned, m)
			known = append(known, strings.TrimPrefix(m.Source.Version, "v"))
		}
	}
	if versions == nil {
		return pinned, nil
	}
	var chosen []binaries.Module
	for _, version := range versions {
		i := slices.Index(known, strings.TrimPrefix(version, "v"))
		if i < 0 {
			return nil, fmt.Errorf("there is no Karpenter %s below hack/binaries; there are %s", version, strings.Join(known, ", "))
		}
		chosen = append(chosen, pinned[i])
	}
	return chosen, nil
}

// karpenterPrefix begins the names of Karpenter's wrapper modules.
const karpenterPrefix = "karpenter-"
