package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// sample is the KarpenterUpgrade that scenarios begin with.
const sample = "config/samples/bluegreen.yaml"

// Sample is config/samples/bluegreen.yaml with the sandbox's registry in place of Karpenter's public one.
func (s *Stage) Sample() (*v1alpha1.KarpenterUpgrade, error) {
	data, err := os.ReadFile(filepath.Join(s.root, sample))
	if err != nil {
		return nil, fmt.Errorf("reading the sample: %w", err)
	}
	run := &v1alpha1.KarpenterUpgrade{}
	if err := yaml.UnmarshalStrict(data, run); err != nil {
		return nil, fmt.Errorf("reading %s: %w", sample, err)
	}
	run.Spec.Target.Chart.Repository = "oci://" + s.Sandbox.Registry().Pods + "/karpenter"
	run.Spec.Target.Chart.PlainHTTP = true
	return run, nil
}

// Begin creates a KarpenterUpgrade.
func (s *Stage) Begin(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.Client.Create(ctx, run); err != nil {
		return fmt.Errorf("creating KarpenterUpgrade %s: %w", run.Name, err)
	}
	return nil
}

// ErrStuck says that a run stands still and waits for a person.
var ErrStuck = errors.New("the run does not go on by itself")

// Follow follows a run to its end and returns it as it was then. seen is given every state that is seen. It fails when ctx
// ends, or with ErrStuck when the run has stood still for longer than patience.
func (s *Stage) Follow(ctx context.Context, name string, patience time.Duration, seen func(*v1alpha1.KarpenterUpgrade)) (*v1alpha1.KarpenterUpgrade, error) {
	var run *v1alpha1.KarpenterUpgrade
	var last error
	var stuck time.Duration
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		now := &v1alpha1.KarpenterUpgrade{}
		last = s.Client.Get(ctx, client.ObjectKey{Name: name}, now)
		if last == nil { // the API server may be away for a moment
			run = now
			seen(now)
			stuck += interval
			if !stands(now) {
				stuck = 0
			}
		}
		if stuck > patience {
			return false, fmt.Errorf("%w: %s", ErrStuck, run.Status.Message)
		}
		return last == nil && now.Ended(), nil
	})
	if err != nil {
		return run, fmt.Errorf("following KarpenterUpgrade %s: %w", name, errors.Join(err, last))
	}
	return run, nil
}

// stands says that a run waits for a person.
func stands(run *v1alpha1.KarpenterUpgrade) bool {
	for _, c := range run.Status.Conditions {
		if c.Type == v1alpha1.ConditionStalled {
			return c.Status == "True"
		}
	}
	return false
}
