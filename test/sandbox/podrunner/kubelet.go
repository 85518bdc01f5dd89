package podrunner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// shutdownTimeout is for requests to the kubelet API that are under way when the sandbox ends.
const shutdownTimeout = time.Second

// kubelet plays one host node.
type kubelet struct {
	deps     *deps
	node     Node
	recorder record.EventRecorder

	mu   sync.Mutex
	pods map[types.UID]*podWorker
	uid  types.UID // of the Node object
	wg   sync.WaitGroup
}

// run plays the node until ctx ends; ready is called once, when the node is registered.
func (k *kubelet) run(ctx context.Context, ready func()) error {
	server, err := k.serve(ctx)
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		_ = errors.Join(server.Shutdown(stop), server.Close())
	}()
	if err := k.register(ctx); err != nil {
		return err
	}
	ready()
	k.wg.Go(func() { k.heartbeat(ctx) })
	if err := k.watchPods(ctx); err != nil {
		return err
	}
	k.wg.Wait()
	return nil
}

// watchPods starts a worker for each pod that is bound to the node and tells it what becomes of the pod.
func (k *kubelet) watchPods(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(k.deps.Client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", k.node.Name).String()
	}))
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { k.podSeen(ctx, obj) },
		UpdateFunc: func(_, obj any) { k.podSeen(ctx, obj) },
		DeleteFunc: k.podGone,
	})
	if err != nil {
		return fmt.Errorf("watching pods of node %s: %w", k.node.Name, err)
	}
	informer.RunWithContext(ctx)
	return nil
}

func (k *kubelet) podSeen(ctx context.Context, obj any) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	k.mu.Lock()
	w := k.pods[pod.UID]
	if w == nil {
		w = newPodWorker(k.deps, k.recorder, k.node.IP, pod)
		k.pods[pod.UID] = w
		k.wg.Go(func() { w.run(ctx) })
	}
	k.mu.Unlock()
	w.update(pod)
}

func (k *kubelet) podGone(obj any) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	// Only now the pod is forgotten: news of it may come later than its end, and must not start it again.
	k.mu.Lock()
	w := k.pods[pod.UID]
	delete(k.pods, pod.UID)
	k.mu.Unlock()
	if w != nil {
		w.remove()
	}
}

// find returns the worker of a pod, nil if the node has none of that name.
func (k *kubelet) find(namespace, name string) *podWorker {
	for _, w := range k.workers() {
		w.mu.Lock()
		found := w.pod.Namespace == namespace && w.pod.Name == name
		w.mu.Unlock()
		if found {
			return w
		}
	}
	return nil
}

func (k *kubelet) workers() []*podWorker {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.pods))
}

// serve serves the kubelet API on the node's address.
func (k *kubelet) serve(ctx context.Context) (*http.Server, error) {
	address := net.JoinHostPort(k.node.IP.String(), strconv.Itoa(KubeletPort))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving the kubelet API of node %s: %w", k.node.Name, err)
	}
	server := &http.Server{
		Handler:           k.handler(),
		TLSConfig:         k.deps.ServerTLS,
		ReadHeaderTimeout: callTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with Close
	return server, nil
}

func (k *kubelet) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.containerLogs)
	return mux
}

// containerLogs answers as a kubelet does: `kubectl logs` shows the text of a refusal as it is.
func (k *kubelet) containerLogs(w http.ResponseWriter, r *http.Request) {
	options, err := parseLogOptions(r.URL.Query(), k.deps.Clock.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod := k.find(r.PathValue("namespace"), r.PathValue("pod"))
	if pod == nil {
		http.Error(w, fmt.Sprintf("pod %q not found on node %s", r.PathValue("pod"), k.node.Name), http.StatusNotFound)
		return
	}
	path, ended, err := pod.logFile(r.PathValue("container"), options.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := func() {}
	if f, ok := w.(http.Flusher); ok {
		flush = f.Flush
	}
	reader := &logReader{options: options, out: w, flush: flush}
	if err := reader.copy(r.Context(), path, ended, k.deps.Clock); err != nil && !errors.Is(err, os.ErrClosed) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// logFile returns the log of a container's present or previous run, and a channel that is closed when that has ended.
func (w *podWorker) logFile(name string, previous bool) (path string, ended <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(slices.Concat(w.init, w.main), func(c *containerWorker) bool { return c.spec.Name == name })
	if i < 0 {
		return "", nil, fmt.Errorf("container %q not found in pod %q", name, w.pod.Name)
	}
	c := slices.Concat(w.init, w.main)[i]
	run := c.lastRun
	if previous && (c.process != nil || c.state.terminated != nil) {
		run-- // of a container that waits to be started again, the last run is the previous one
	}
	switch {
	case run == noRun && c.state.waiting != nil:
		return "", nil, fmt.Errorf("container %q in pod %q is waiting to start: %s", name, w.pod.Name, c.state.waiting.Reason)
	case run <= noRun:
		return "", nil, fmt.Errorf("previous terminated container %q in pod %q not found", name, w.pod.Name)
	case c.process != nil && !previous:
		return w.logs.file(name, run), c.process.Done(), nil
	}
	over := make(chan struct{})
	close(over)
	return w.logs.file(name, run), over, nil
}
