package podrunner

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
)

// Times of a pod's life.
const (
	prepareRetry  = time.Second      // volumes wait for their ConfigMaps and Secrets
	volumeRefresh = 20 * time.Second // how long a mounted ConfigMap or Secret may lag behind
	defaultGrace  = 30 * time.Second
	removedGrace  = 2 * time.Second // for a pod whose object is gone already
)

// podWorker runs one pod from its binding to its end.
type podWorker struct {
	deps     *deps
	recorder record.EventRecorder
	uid      types.UID
	hostIP   netip.Addr
	logs     podLogs
	logging  sync.WaitGroup
	changed  chan struct{} // holds one: the status is to be written
	stopping chan struct{} // closed when the pod is to end

	mu         sync.Mutex
	pod        *corev1.Pod // as last seen
	init, main []*containerWorker
	network    PodNetwork
	volumes    map[string]*volumeDir
	started    time.Time
	stopped    bool // stopping is closed
	removed    bool // the object is gone
}

func newPodWorker(d *deps, recorder record.EventRecorder, hostIP netip.Addr, pod *corev1.Pod) *podWorker {
	w := &podWorker{
		deps:     d,
		recorder: recorder,
		uid:      pod.UID,
		hostIP:   hostIP,
		logs:     podLogs{dir: logDir(d.Logs, pod.Namespace, pod.Name, pod.UID), clock: d.Clock},
		changed:  make(chan struct{}, 1),
		stopping: make(chan struct{}),
		pod:      pod,
		volumes:  map[string]*volumeDir{},
		started:  d.Clock.Now(),
	}
	initPolicy := pod.Spec.RestartPolicy
	if initPolicy == corev1.RestartPolicyAlways {
		initPolicy = corev1.RestartPolicyOnFailure // an init container that succeeded is done
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		policy := initPolicy
		if isSidecar(c) {
			policy = corev1.RestartPolicyAlways
		}
		w.init = append(w.init, w.newContainer(c, policy, "PodInitializing"))
	}
	waiting := "ContainerCreating"
	if len(w.init) > 0 {
		waiting = "PodInitializing"
	}
	for i := range pod.Spec.Containers {
		w.main = append(w.main, w.newContainer(&pod.Spec.Containers[i], pod.Spec.RestartPolicy, waiting))
	}
	return w
}

func (w *podWorker) newContainer(c *corev1.Container, policy corev1.RestartPolicy, waiting string) *containerWorker {
	return &containerWorker{
		pod: w, spec: c, policy: policy, lastRun: noRun,
		state: containerState{waiting: &corev1.ContainerStateWaiting{Reason: waiting}},
	}
}

// run returns when the pod has ended and, if it was deleted, its object is gone, or when ctx ended.
func (w *podWorker) run(ctx context.Context) {
	statuses, stopStatuses := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { w.writeStatuses(statuses) })
	w.change(func() {})

	life, endLife := context.WithCancel(ctx)
	wg.Go(func() {
		select {
		case <-w.stopping:
		case <-life.Done():
		}
		endLife()
	})
	if w.prepare(life) {
		wg.Go(func() { w.refreshVolumes(life) })
		w.runContainers(life)
	}
	w.logging.Wait()
	// A pod that ended by itself stays until somebody deletes it.
	select {
	case <-w.stopping:
	case <-ctx.Done():
	}
	endLife()
	w.change(func() { w.settle() })
	stopStatuses()
	wg.Wait()
	w.finish(ctx)
}

// prepare makes the pod's network and volumes, trying again for as long as the pod lives.
func (w *podWorker) prepare(ctx context.Context) bool {
	for {
		err := errors.Join(w.attach(), w.mountVolumes(ctx))
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			w.eventf(corev1.EventTypeWarning, "FailedMount", "Setting up the pod: %v", err)
		}
		if !sleep(ctx, w.deps.Clock, prepareRetry) {
			return false
		}
	}
}

func (w *podWorker) attach() error {
	w.mu.Lock()
	attached := w.network.IP.IsValid()
	w.mu.Unlock()
	if attached {
		return nil
	}
	network := PodNetwork{IP: w.hostIP, Close: func() error { return nil }}
	if !w.snapshot().Spec.HostNetwork {
		var err error
		if network, err = w.deps.Attach(); err != nil {
			return err
		}
	}
	w.change(func() { w.network = network })
	return nil
}

// runContainers runs the init containers in turn and then the others, and returns when all have ended for good.
func (w *podWorker) runContainers(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range w.init {
		if !isSidecar(c.spec) {
			if !c.run(ctx) {
				return
			}
			continue
		}
		wg.Go(func() { c.run(ctx) })
		if !w.awaitStarted(ctx, c) {
			return
		}
	}
	for _, c := range w.main {
		wg.Go(func() { c.run(ctx) })
	}
}

// awaitStarted waits until a sidecar has started; false if the pod's life ended first.
func (w *podWorker) awaitStarted(ctx context.Context, c *containerWorker) bool {
	for {
		w.mu.Lock()
		started := c.state.started
		w.mu.Unlock()
		if started {
			return true
		}
		if !sleep(ctx, w.deps.Clock, stopPoll) {
			return false
		}
	}
}

// settle marks containers that never ran as ended, for a pod that is over waits for nothing. The caller holds w.mu.
func (w *podWorker) settle() {
	for _, c := range slices.Concat(w.init, w.main) {
		if c.state.terminated == nil && c.state.running == nil {
			c.state.waiting = nil
			c.state.terminated = c.state.last
			if c.state.terminated == nil {
				c.state.terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}
			}
		}
	}
}

// stop asks the pod to end. It may be called again, as when a grace period is shortened.
func (w *podWorker) stop() {
	if !w.stopped {
		w.stopped = true
		close(w.stopping)
	}
}

// update takes a newer version of the pod's object.
func (w *podWorker) update(pod *corev1.Pod) {
	w.change(func() {
		w.pod = pod
		if pod.DeletionTimestamp != nil {
			w.stop()
		}
	})
}

// remove says that the object is gone.
func (w *podWorker) remove() {
	w.change(func() {
		w.removed = true
		w.stop()
	})
}

// gracePeriod is how long containers may take to end.
func (w *podWorker) gracePeriod() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.removed:
		return removedGrace
	case w.pod.DeletionGracePeriodSeconds != nil:
		return time.Duration(*w.pod.DeletionGracePeriodSeconds) * time.Second
	case w.pod.Spec.TerminationGracePeriodSeconds != nil:
		return time.Duration(*w.pod.Spec.TerminationGracePeriodSeconds) * time.Second
	}
	return defaultGrace
}

// change changes the pod's state and has its status written.
func (w *podWorker) change(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// snapshot is the pod's object with its addresses, which the API server may not have yet.
func (w *podWorker) snapshot() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod := w.pod.DeepCopy()
	pod.Status.HostIP = w.hostIP.String()
	if w.network.IP.IsValid() {
		pod.Status.PodIP = w.network.IP.String()
	}
	return pod
}

func (w *podWorker) address() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.network.IP.String()
}

func (w *podWorker) netns() *os.File {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.network.NetNS
}

func (w *podWorker) dir() string { return filepath.Join(w.deps.Dir, string(w.uid)) }

func (w *podWorker) describe() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod.Namespace + "/" + w.pod.Name
}

func (w *podWorker) eventf(kind, reason, format string, args ...any) {
	w.mu.Lock()
	pod := w.pod
	w.mu.Unlock()
	w.recorder.Event(pod, kind, reason, fmt.Sprintf(format, args...))
}
