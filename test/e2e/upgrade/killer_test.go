//go:build e2e

package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

const (
	// operatorLease is the Lease by which the operator's replicas elect the one that works.
	operatorLease = "karpenter-upgrade-operator"
	look          = 100 * time.Millisecond
	// longest is how long after a phase began its operator is killed at the latest. It is less than Cleanup takes, so that
	// the run has not ended before the last kill.
	longest = 3 * time.Second
)

// phases are those in which there is something to be interrupted, in order.
var phases = []v1alpha1.PhaseName{
	v1alpha1.PhaseBackup, v1alpha1.PhaseFreeze, v1alpha1.PhaseTag, v1alpha1.PhaseInstall, v1alpha1.PhaseHandover, v1alpha1.PhaseNodePools,
	v1alpha1.PhaseCanary, v1alpha1.PhaseMigrate, v1alpha1.PhaseVerify, v1alpha1.PhaseCleanup,
}

// killer kills the operator's leader by SIGKILL, at random moments of a run.
type killer struct {
	*play
	run    string
	random *rand.Rand
	killed int
}

// kill kills so many leaders, each at some time after another phase began, unless ctx ends before. A phase of a moment may
// be over when its time comes: then it is the next one that is interrupted.
func (k *killer) kill(ctx context.Context, leaders int) error {
	chosen := k.random.Perm(len(phases))[:leaders]
	slices.Sort(chosen)
	last := ""
	for _, i := range chosen {
		if err := k.begun(ctx, phases[i]); err != nil {
			return err
		}
		identity, err := k.leader(ctx, last)
		if err != nil {
			return err
		}
		moment := time.Duration(k.random.Int63n(int64(longest)))
		select {
		case <-time.After(moment): //nolint:forbidigo // the run goes on in real time
		case <-ctx.Done():
			return ctx.Err()
		}
		pod, _, _ := strings.Cut(identity, "_")
		GinkgoWriter.Printf("killing %s %s after it leads in %s\n", pod, moment.Round(time.Millisecond), phases[i])
		if err := k.Sandbox.KillPod(ctx, scenario.OperatorNamespace, pod); err != nil {
			return fmt.Errorf("killing %s: %w", pod, err)
		}
		k.killed++
		last = identity
	}
	return nil
}

// begun waits until a phase has begun.
func (k *killer) begun(ctx context.Context, phase v1alpha1.PhaseName) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		run := &v1alpha1.KarpenterUpgrade{}
		last = k.Client.Get(ctx, client.ObjectKey{Name: k.run}, run)
		step := run.Step(phase)
		return last == nil && step != nil && step.StartedAt != nil, nil // the API server may be busy for a moment
	})
	if err != nil {
		return fmt.Errorf("waiting for %s to begin: %w", phase, errors.Join(err, last))
	}
	return nil
}

// leader waits for a leader that is not the last one: that one is dead, and its Lease lives on for a while.
func (k *killer) leader(ctx context.Context, last string) (string, error) {
	identity := ""
	var unread error
	err := wait.PollUntilContextTimeout(ctx, look, time.Minute, true, func(ctx context.Context) (bool, error) {
		var l coordinationv1.Lease
		unread = k.Client.Get(ctx, client.ObjectKey{Namespace: scenario.OperatorNamespace, Name: operatorLease}, &l)
		identity = ptr.Deref(l.Spec.HolderIdentity, "")
		return unread == nil && identity != "" && identity != last, nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting for a replica of the operator to lead: %w", errors.Join(err, unread))
	}
	return identity, nil
}
