package podrunner

import (
	"context"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

// process is a container that does what the test says.
type process struct {
	spec    container.Spec
	done    chan struct{}
	exit    container.Exit
	end     sync.Once
	onTerm  func(p *process) // nil ignores SIGTERM
	signals chan syscall.Signal
}

func signals() chan syscall.Signal { return make(chan syscall.Signal, 100) }

func (p *process) PID() int              { return 4711 }
func (p *process) Done() <-chan struct{} { return p.done }
func (p *process) Exit() container.Exit  { return p.exit }
func (p *process) Output() io.ReadCloser { return io.NopCloser(strings.NewReader("hello\n")) }

func (p *process) Signal(sig syscall.Signal) error {
	p.signals <- sig
	switch {
	case sig == syscall.SIGKILL:
		p.finish(container.Exit{Code: 137, Signal: 9})
	case sig == syscall.SIGTERM && p.onTerm != nil:
		p.onTerm(p)
	}
	return nil
}

func (p *process) finish(exit container.Exit) {
	p.end.Do(func() {
		p.exit = exit
		close(p.done)
	})
}

// node is a host node whose containers are processes of the test.
type node struct {
	*WithT
	t       *testing.T
	client  *fake.Clientset
	started chan *process
	onTerm  func(p *process)
	refuse  error // of the next start
	closed  atomic.Int32
	worker  *podWorker
	events  *record.FakeRecorder
	over    chan struct{}
}

func newNodeUnderTest(t *testing.T) *node {
	t.Helper()
	return &node{
		WithT: NewWithT(t), t: t, started: make(chan *process, 100), events: record.NewFakeRecorder(1000), over: make(chan struct{}),
		onTerm: func(p *process) { p.finish(container.Exit{}) },
	}
}

// run binds a pod to the node.
func (n *node) run(pod *corev1.Pod) {
	n.client = fake.NewClientset(pod)
	r := New(Config{
		Client: n.client,
		Images: Images{{Repository: "app", Tag: "*", Program: "/host/app", Path: "/app", User: 65532}},
		Launch: func(_ context.Context, spec container.Spec, _ *os.File) (Process, error) {
			if err := n.refuse; err != nil {
				return nil, err
			}
			p := &process{spec: spec, done: make(chan struct{}), onTerm: n.onTerm, signals: signals()}
			n.started <- p
			return p, nil
		},
		Attach: func() (PodNetwork, error) {
			return PodNetwork{IP: netip.MustParseAddr("127.0.0.1"), Close: func() error { n.closed.Add(1); return nil }}, nil
		},
		Dir: n.t.TempDir(), Logs: n.t.TempDir(), Clock: clock.RealClock{},
		Backoff: Backoff{Base: 300 * time.Millisecond, Max: time.Hour},
	})
	n.worker = newPodWorker(r.deps, n.events, netip.MustParseAddr("10.88.0.11"), pod)
	ctx, cancel := context.WithCancel(n.t.Context())
	go func() {
		n.worker.run(ctx)
		close(n.over)
	}()
	n.t.Cleanup(func() {
		n.worker.remove() // a test that fails leaves a running pod
		n.Eventually(n.over, 20*time.Second).Should(BeClosed())
		cancel()
	})
}

func (n *node) next() *process {
	n.t.Helper()
	var p *process
	n.Eventually(n.started, 20*time.Second).Should(Receive(&p))
	return p
}

func (n *node) pod() *corev1.Pod {
	pod, err := n.client.CoreV1().Pods("shop").Get(context.Background(), "web-0", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	n.Expect(err).NotTo(HaveOccurred())
	return pod
}

func (n *node) status() corev1.ContainerStatus {
	pod := n.pod()
	if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
		return corev1.ContainerStatus{}
	}
	return pod.Status.ContainerStatuses[0]
}

func (n *node) eventually(actual any) AsyncAssertion {
	n.t.Helper()
	return n.Eventually(actual, 20*time.Second, 20*time.Millisecond)
}

// delete asks for the pod's end, as the API server does.
func (n *node) delete(grace int64) {
	pod := n.pod()
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = ptr.To(metav1.Now()), &grace
	n.worker.update(pod)
}

func webPod(change func(c *corev1.Container)) *corev1.Pod {
	pod := envPod()
	pod.Status = corev1.PodStatus{}
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	pod.Spec.Containers[0].Image = "example.com/app:1"
	if change != nil {
		change(&pod.Spec.Containers[0])
	}
	return pod
}
