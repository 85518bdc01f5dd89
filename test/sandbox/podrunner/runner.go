package podrunner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

// Runner plays the kubelets of all host nodes. It is safe for concurrent use.
type Runner struct {
	deps     *deps
	kubelets []*kubelet
}

// deps is what all pods share.
type deps struct {
	Config
	objects objects
	tokens  *tokenRequester
	volumes volumeReader
	prober  *prober
}

// New returns a runner; nothing runs yet.
func New(cfg Config) *Runner {
	reader := apiObjects{client: cfg.Client}
	tokens := newTokenRequester(cfg.Client, cfg.Clock)
	d := &deps{
		Config:  cfg,
		objects: reader,
		tokens:  tokens,
		volumes: volumeReader{objects: reader, tokens: tokens},
		prober:  newProber(),
	}
	r := &Runner{deps: d}
	for _, n := range cfg.Nodes {
		r.kubelets = append(r.kubelets, &kubelet{deps: d, node: n, pods: map[types.UID]*podWorker{}})
	}
	return r
}

// Run plays the nodes until ctx ends and calls ready once, when all are registered. When ctx ends the containers are
// stopped, within their grace periods, and the pods' objects are left.
func (r *Runner) Run(ctx context.Context, ready func()) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: r.deps.Client.CoreV1().Events("")})
	var registered, wg sync.WaitGroup
	errs := make([]error, len(r.kubelets))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, k := range r.kubelets {
		k.recorder = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: k.node.Name})
		registered.Add(1)
		wg.Go(func() {
			if errs[i] = k.run(ctx, registered.Done); errs[i] != nil {
				cancel() // a node that cannot be played ends all
			}
		})
	}
	all := make(chan struct{})
	go func() {
		registered.Wait()
		close(all)
	}()
	select {
	case <-all:
		ready()
	case <-ctx.Done():
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Container is one container that the runner has.
type Container struct {
	Pod      *corev1.Pod
	Name     string
	Node     string
	IP       string
	PID      int
	Ready    bool
	Restarts int32
}

// Containers lists the containers of all pods, init containers left out, by namespace, pod and name.
func (r *Runner) Containers() []Container {
	var list []Container
	for _, k := range r.kubelets {
		for _, w := range k.workers() {
			list = append(list, w.containers(k.node.Name)...)
		}
	}
	slices.SortFunc(list, func(a, b Container) int {
		return cmp.Or(strings.Compare(a.Pod.Namespace, b.Pod.Namespace), strings.Compare(a.Pod.Name, b.Pod.Name), strings.Compare(a.Name, b.Name))
	})
	return list
}

func (w *podWorker) containers(node string) []Container {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Container, 0, len(w.main))
	for _, c := range w.main {
		entry := Container{Pod: w.pod, Name: c.spec.Name, Node: node, Ready: c.state.ready, Restarts: c.state.restarts}
		if w.network.IP.IsValid() {
			entry.IP = w.network.IP.String()
		}
		if c.process != nil {
			entry.PID = c.process.PID()
		}
		list = append(list, entry)
	}
	return list
}

// Signal sends a signal to a container's process, as the kernel or a crash would: the kubelet learns of it when the
// process ends. The container may be "" where the pod has one.
func (r *Runner) Signal(namespace, pod, container string, sig syscall.Signal) error {
	for _, k := range r.kubelets {
		if w := k.find(namespace, pod); w != nil {
			return w.signal(container, sig)
		}
	}
	return fmt.Errorf("no pod %s/%s runs on a host node of the sandbox", namespace, pod)
}

func (w *podWorker) signal(name string, sig syscall.Signal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == "" && len(w.main) > 1 {
		return fmt.Errorf("pod %s/%s has %d containers: name one", w.pod.Namespace, w.pod.Name, len(w.main))
	}
	for _, c := range w.main {
		if name != "" && c.spec.Name != name {
			continue
		}
		if c.process == nil {
			return fmt.Errorf("container %s of pod %s/%s does not run now", c.spec.Name, w.pod.Namespace, w.pod.Name)
		}
		return c.process.Signal(sig)
	}
	return fmt.Errorf("pod %s/%s has no container %s", w.pod.Namespace, w.pod.Name, name)
}

// apiObjects reads objects from the API server, each time anew as a kubelet's watch would have them.
type apiObjects struct {
	client kubernetes.Interface
}

func (o apiObjects) configMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return o.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (o apiObjects) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return o.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}
