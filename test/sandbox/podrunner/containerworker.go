package podrunner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

// stopPoll is how often a terminating container's deadline is looked at: a second request to delete may shorten it.
const stopPoll = 100 * time.Millisecond

// noRun is the attempt that ran last before any did.
const noRun = -1

// containerWorker runs one container of a pod, again and again as its restart policy says.
type containerWorker struct {
	pod    *podWorker
	spec   *corev1.Container
	policy corev1.RestartPolicy

	state   containerState // guarded by pod.mu
	process Process        // guarded by pod.mu, nil while none runs
	lastRun int            // guarded by pod.mu: the attempt that ran last or runs

	backoff backoffState // of starts; used by run alone
	attempt int
}

// run returns when the container has ended for good: by its restart policy, or because ctx, the pod's life, ended. It
// tells whether the container succeeded.
func (c *containerWorker) run(ctx context.Context) bool {
	for {
		p, err := c.start(ctx)
		if err != nil {
			return false // only with the pod's life
		}
		exit := c.watch(ctx, p)
		c.ended(p, exit)
		ok := exit.Code == 0
		if ctx.Err() != nil || c.policy == corev1.RestartPolicyNever || ok && c.policy == corev1.RestartPolicyOnFailure {
			return ok
		}
		if !c.waitForRestart(ctx) {
			return ok
		}
	}
}

// start starts the container's process, trying again for as long as the pod lives.
func (c *containerWorker) start(ctx context.Context) (Process, error) {
	var pull backoffState
	for {
		p, err := c.startOnce(ctx)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.refuse(err)
		var delay time.Duration
		delay, pull = pull.next(c.pod.deps.Backoff, c.pod.deps.Clock.Now())
		// A first failure may be a matter of moments, as a Secret that is about to be made.
		if !sleep(ctx, c.pod.deps.Clock, cmp.Or(delay, time.Second)) {
			return nil, ctx.Err()
		}
	}
}

// refuse shows why the container does not start.
func (c *containerWorker) refuse(err error) {
	reason := "RunContainerError"
	var se startError
	if errors.As(err, &se) {
		reason = se.reason
	}
	c.pod.eventf(corev1.EventTypeWarning, "Failed", "Error: %s: %v", reason, err)
	c.pod.change(func() {
		if reason == "ErrImagePull" && c.state.waiting != nil && c.state.waiting.Reason == "ErrImagePull" {
			reason = "ImagePullBackOff"
		}
		c.state.waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: err.Error()}
		c.state.running, c.state.terminated = nil, nil
	})
}

func (c *containerWorker) startOnce(ctx context.Context) (Process, error) {
	deps := c.pod.deps
	spec, img, err := c.pod.containerSpec(ctx, c.spec)
	if err != nil {
		return nil, err
	}
	spec.Root = filepath.Join(c.pod.dir(), "containers", c.spec.Name)
	if err := os.MkdirAll(spec.Root, 0o755); err != nil {
		return nil, fmt.Errorf("preparing the container: %w", err)
	}
	p, err := deps.Launch(ctx, spec, c.pod.netns())
	if err != nil {
		return nil, err
	}
	if err := c.pod.logs.record(&c.pod.logging, c.spec.Name, c.attempt, p.Output()); err != nil {
		return nil, errors.Join(err, p.Signal(syscall.SIGKILL))
	}
	c.pod.change(func() {
		c.process, c.lastRun = p, c.attempt
		c.state.waiting, c.state.terminated = nil, nil
		c.state.running = &corev1.ContainerStateRunning{StartedAt: metav1.Time{Time: deps.Clock.Now()}}
		c.state.id = fmt.Sprintf("sandbox://%s-%s-%d", c.pod.uid, c.spec.Name, c.attempt)
		c.state.imageID = img.Repository + ":" + img.Tag
		c.state.started = c.spec.StartupProbe == nil
		c.state.ready = c.state.started && c.spec.ReadinessProbe == nil
	})
	c.pod.eventf(corev1.EventTypeNormal, "Started", "Started container %s", c.spec.Name)
	return p, nil
}

// watch probes a running container and returns when it has ended, by itself or stopped by a failed probe or the end of
// the pod's life.
func (c *containerWorker) watch(ctx context.Context, p Process) container.Exit {
	probing, stop := context.WithCancel(ctx)
	unhealthy := make(chan string, 1)
	var wg sync.WaitGroup
	wg.Go(func() { c.probe(probing, unhealthy) })
	select {
	case <-p.Done():
	case why := <-unhealthy:
		c.pod.eventf(corev1.EventTypeNormal, "Killing", "Container %s failed %s probe, will be restarted", c.spec.Name, why)
		c.stop(p)
	case <-ctx.Done():
		c.pod.eventf(corev1.EventTypeNormal, "Killing", "Stopping container %s", c.spec.Name)
		c.stop(p)
	}
	stop()
	wg.Wait()
	return p.Exit()
}

// stop ends a process by SIGTERM, and by SIGKILL when the pod's grace period is over.
func (c *containerWorker) stop(p Process) {
	clk := c.pod.deps.Clock
	begun := clk.Now()
	_ = p.Signal(syscall.SIGTERM) // one that cannot be sent leads to SIGKILL
	tick := clk.NewTicker(stopPoll)
	defer tick.Stop()
	for {
		select {
		case <-p.Done():
			return
		case <-tick.C():
			if clk.Since(begun) >= c.pod.gracePeriod() {
				_ = p.Signal(syscall.SIGKILL)
				<-p.Done()
				return
			}
		}
	}
}

// ended records how the process ended.
func (c *containerWorker) ended(p Process, exit container.Exit) {
	reason := "Completed"
	if exit.Code != 0 {
		reason = "Error"
	}
	c.pod.change(func() {
		terminated := &corev1.ContainerStateTerminated{
			ExitCode:    exit.Code,
			Signal:      exit.Signal,
			Reason:      reason,
			FinishedAt:  metav1.Time{Time: c.pod.deps.Clock.Now()},
			ContainerID: c.state.id,
		}
		if c.state.running != nil {
			terminated.StartedAt = c.state.running.StartedAt
		}
		if c.process == p {
			c.process = nil
		}
		c.state.running, c.state.terminated = nil, terminated
		c.state.ready, c.state.started = false, false
	})
}

// waitForRestart backs off and counts the restart; false when the pod's life ended meanwhile.
func (c *containerWorker) waitForRestart(ctx context.Context) bool {
	deps := c.pod.deps
	delay, next := c.backoff.next(deps.Backoff, deps.Clock.Now())
	c.backoff = next
	if delay > 0 {
		message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", delay, c.spec.Name, c.pod.describe())
		c.pod.eventf(corev1.EventTypeWarning, "BackOff", "%s", message)
		c.pod.change(func() {
			c.state.last, c.state.terminated = c.state.terminated, nil
			c.state.waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: message}
		})
		if !sleep(ctx, deps.Clock, delay) {
			c.pod.change(func() { c.state.terminated, c.state.waiting = c.state.last, nil })
			return false
		}
	}
	c.attempt++
	c.pod.change(func() {
		if c.state.terminated != nil {
			c.state.last, c.state.terminated = c.state.terminated, nil
		}
		c.state.waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
		c.state.restarts++
	})
	return true
}

// sleep waits on the clock; false when ctx ended first.
func sleep(ctx context.Context, clk clock.Clock, d time.Duration) bool {
	timer := clk.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}
