package podrunner

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"os"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

// Process is a running container.
type Process interface {
	PID() int
	// Done is closed when it has ended; Exit then says how.
	Done() <-chan struct{}
	Exit() container.Exit
	// Output is what it prints, to its end.
	Output() io.ReadCloser
	Signal(sig syscall.Signal) error
}

// Launcher starts containers; the network namespace may be nil for the host's.
type Launcher func(ctx context.Context, spec container.Spec, netns *os.File) (Process, error)

// PodNetwork is the network of one pod.
type PodNetwork struct {
	IP    netip.Addr
	NetNS *os.File
	Close func() error
}

// Node is a host node to play.
type Node struct {
	Name string
	Zone string
	IP   netip.Addr
	// Labels are added to those that every node has.
	Labels map[string]string
}

// Injection is what every container gets beyond its pod's spec, as an admission webhook would add it.
type Injection struct {
	Env   []corev1.EnvVar
	Files map[string]string
}

// Config is what a [Runner] works with. All fields are required but Inject and User.
type Config struct {
	Client kubernetes.Interface
	Nodes  []Node
	Region string
	// Version is the kubelet version that the nodes report.
	Version string
	// Kernel is the kernel version that they report.
	Kernel string
	Images Images
	Launch Launcher
	// Attach makes a pod's network.
	Attach func() (PodNetwork, error)
	// Inject returns what a pod's containers get in addition.
	Inject func(pod *corev1.Pod) Injection
	// Remap says that containers may run as another user than the runner.
	Remap bool
	// Dir is for volumes and root file systems, best in memory; Logs for the containers' output.
	Dir, Logs string
	// ServerTLS is for the kubelet API, which is served on each node's address.
	ServerTLS *tls.Config
	Backoff   Backoff
	Clock     clock.WithTicker
}

// KubeletPort is where each node serves its kubelet API.
const KubeletPort = 10250

// capacity is what a host node offers. It is not enforced.
func capacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("4"),
		corev1.ResourceMemory:           resource.MustParse("8Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("20Gi"),
		corev1.ResourcePods:             resource.MustParse("110"),
	}
}
