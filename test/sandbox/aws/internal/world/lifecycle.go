package world

import (
	"context"
	"sync"
	"time"
)

// bootRetry is the time between two calls of a Booter that failed.
const bootRetry = time.Second

// instance is an instance with its life.
type instance struct {
	Instance
	launchDelay, pendingDelay time.Duration
	// end ends the context of the instance's working life. It is nil before that has begun.
	end context.CancelFunc
}

// active tells whether an instance is on its way up or running.
func (i *instance) active() bool { return i.State == Pending || i.State == Running }

// bear hands a new instance to Run.
func (w *World) bear(i *instance) {
	w.newborn = append(w.newborn, i)
	select {
	case w.born <- struct{}{}:
	default:
	}
}

// Run lives the lives of the instances until the context ends, and returns when the last call of the Booter has.
func (w *World) Run(ctx context.Context) {
	var lives sync.WaitGroup
	defer lives.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.born:
		}
		w.mu.Lock()
		newborn := w.newborn
		w.newborn = nil
		w.mu.Unlock()
		for _, i := range newborn {
			lives.Go(func() { w.live(ctx, i) })
		}
	}
}

// live takes one instance from pending to oblivion.
func (w *World) live(ctx context.Context, i *instance) {
	called := w.work(ctx, i)
	if ctx.Err() != nil || !w.sleep(ctx, w.Settings().ShutdownDelay.Duration) {
		return
	}
	final := w.bury(i)
	if called {
		w.persist(ctx, "shutting the node down", final, w.booter.Shutdown)
	}
	if !w.sleep(ctx, w.Settings().TerminatedVisible.Duration) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.instances, i.ID)
	delete(w.resources, i.ID)
}

// work is the working life of an instance, from launch until it is told to terminate. It tells whether the Booter was
// called.
func (w *World) work(ctx context.Context, i *instance) (called bool) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	w.mu.Lock()
	i.end = end
	terminated := !i.active()
	w.mu.Unlock()
	if terminated || !w.sleep(ctx, i.pendingDelay) {
		return false
	}
	running, ok := w.enter(i, Running)
	if !ok || !w.sleep(ctx, max(0, i.launchDelay-i.pendingDelay)) {
		return false
	}
	if w.persist(ctx, "booting the node", running, w.booter.Boot) {
		w.mu.Lock()
		i.Booted = true
		w.mu.Unlock()
	}
	<-ctx.Done()
	return true
}

// enter puts an active instance into another active state; false if it is terminating already.
func (w *World) enter(i *instance, s InstanceState) (Instance, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !i.active() {
		return Instance{}, false
	}
	i.State = s
	return w.view(i), true
}

// bury makes an instance terminated and frees what it held.
func (w *World) bury(i *instance) Instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	i.State = Terminated
	w.subnets[i.Subnet.ID].release(i.PrivateIP)
	for _, v := range i.Volumes {
		delete(w.resources, v.ID)
	}
	delete(w.resources, i.InterfaceID)
	delete(w.resources, i.SpotRequestID)
	return w.view(i)
}

// persist calls the Booter until it succeeds, or the context ends.
func (w *World) persist(ctx context.Context, what string, i Instance, call func(context.Context, Instance) error) bool {
	for {
		err := call(ctx, i)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		w.log.WarnContext(ctx, what+" failed; trying again", "instance", i.ID, "node", i.PrivateDNSName, "error", err)
		if !w.sleep(ctx, bootRetry) {
			return false
		}
	}
}

// sleep waits on the clock; false if the context ended first.
func (w *World) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := w.clk.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C():
		return true
	}
}
