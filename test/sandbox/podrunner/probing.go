package podrunner

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// probe makes a running container's probes until ctx ends. A container that failed for good is named on unhealthy by
// the probe that says so.
func (c *containerWorker) probe(ctx context.Context, unhealthy chan<- string) {
	if p := c.spec.StartupProbe; p != nil {
		if !c.awaitStartup(ctx, p, unhealthy) {
			return
		}
		c.pod.change(func() {
			c.state.started = true
			c.state.ready = c.spec.ReadinessProbe == nil
		})
	}
	var wg sync.WaitGroup
	if p := c.spec.LivenessProbe; p != nil {
		wg.Go(func() {
			t := newTracker(p, true)
			c.every(ctx, p, "Liveness", func(ok bool) bool {
				t.observe(ok)
				if t.exhausted() {
					unhealthy <- "liveness"
				}
				return !t.exhausted()
			})
		})
	}
	if p := c.spec.ReadinessProbe; p != nil {
		wg.Go(func() {
			t := newTracker(p, false)
			c.every(ctx, p, "Readiness", func(ok bool) bool {
				ready := t.observe(ok)
				c.pod.change(func() { c.state.ready = ready && c.state.running != nil })
				return true
			})
		})
	}
	wg.Wait()
}

// awaitStartup probes until the container counts as started; false if it will not.
func (c *containerWorker) awaitStartup(ctx context.Context, p *corev1.Probe, unhealthy chan<- string) (started bool) {
	t := newTracker(p, false)
	c.every(ctx, p, "Startup", func(ok bool) bool {
		started = t.observe(ok)
		if t.exhausted() {
			unhealthy <- "startup"
		}
		return !started && !t.exhausted()
	})
	return started
}

// every probes once a period, after the initial delay, until ctx ends or observe returns false.
func (c *containerWorker) every(ctx context.Context, p *corev1.Probe, kind string, observe func(ok bool) bool) {
	deps := c.pod.deps
	if !sleep(ctx, deps.Clock, time.Duration(p.InitialDelaySeconds)*time.Second) {
		return
	}
	for {
		err := deps.prober.probe(ctx, c.spec, p, c.pod.address())
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.pod.eventf(corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %v", kind, err)
		}
		if !observe(err == nil) {
			return
		}
		if !sleep(ctx, deps.Clock, probePeriod(p)) {
			return
		}
	}
}
