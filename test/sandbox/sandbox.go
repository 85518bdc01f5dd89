package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	awscontrol "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/serve"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

// Sandbox is a running sandbox. It is safe for concurrent use.
type Sandbox struct {
	dir      state.Dir
	record   state.Record
	control  *control.Client
	aws      *awscontrol.Client
	rest     *rest.Config
	lifeline *os.File        // nil for a detached sandbox and for one of another process
	ended    <-chan struct{} // nil for one of another process
}

// Attach returns a sandbox that is up already, started by whichever process of the same user.
func Attach(name string) (*Sandbox, error) {
	home, err := binaries.CacheRoot()
	if err != nil {
		return nil, err
	}
	return AttachIn(home, name)
}

// AttachIn is Attach for sandboxes that were started with [Options.Home].
func AttachIn(home, name string) (*Sandbox, error) {
	if err := state.ValidateName(name); err != nil {
		return nil, err
	}
	dir := state.NewHome(home).Dir(name)
	record, err := dir.Load()
	if err != nil {
		return nil, err
	}
	if !record.Init.Alive() {
		return nil, fmt.Errorf("sandbox %s is not running any more: `sandbox down --name %s` removes what it left", name, name)
	}
	return open(dir, record)
}

func open(dir state.Dir, record state.Record) (*Sandbox, error) {
	config, err := clientcmd.BuildConfigFromFlags("", dir.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of sandbox %s: %w", record.Name, err)
	}
	config.QPS, config.Burst = 100, 200
	c := control.NewClient(dir.ControlSocket())
	return &Sandbox{
		dir: dir, record: record, control: c, rest: config,
		aws: awscontrol.NewClient(c.HTTP()),
	}, nil
}

// Down ends the sandbox: all of its processes, mounts and links, and its directory with the logs. It returns when they
// are gone. Ending one that has ended already is no error.
func (s *Sandbox) Down(ctx context.Context) error {
	s.control.Close()
	err := end(ctx, s.dir)
	if s.lifeline != nil {
		err = errors.Join(err, ignoreClosed(s.lifeline.Close()))
	}
	if s.ended != nil {
		select {
		case <-s.ended: // collected, so that not even its entry in the process table is left
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// end kills the sandbox of a directory and removes the directory.
func end(ctx context.Context, dir state.Dir) error {
	record, err := dir.Load()
	if err == nil {
		err = record.Init.Kill(ctx)
	}
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return fmt.Errorf("stopping sandbox %s: %w", dir.Name(), err)
	}
	return dir.Remove()
}

// Down ends the sandbox of that name below a home directory, running or not.
func Down(ctx context.Context, home, name string) error {
	if err := state.ValidateName(name); err != nil {
		return err
	}
	h := state.NewHome(home)
	if _, err := h.Dir(name).Load(); err != nil {
		return err
	}
	unlock, err := h.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	return end(ctx, h.Dir(name))
}

// Info is what is known of a sandbox without asking it.
type Info struct {
	Name      string
	Created   time.Time
	APIServer string
	PID       int
	Dir       string
	Running   bool
}

// List lists the sandboxes below a home directory, by name.
func List(home string) ([]Info, error) {
	h := state.NewHome(home)
	names, err := h.Names()
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, name := range names {
		r, err := h.Dir(name).Load()
		if errors.Is(err, state.ErrNotFound) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Info{
			Name: name, Created: r.Created, APIServer: r.APIServer, PID: r.Init.PID,
			Dir: h.Dir(name).Path(), Running: r.Init.Alive(),
		})
	}
	return list, nil
}

// Name is the sandbox's name.
func (s *Sandbox) Name() string { return s.record.Name }

// Dir is the sandbox's directory on the host; its logs are in logs.
func (s *Sandbox) Dir() string { return s.dir.Path() }

// PID is the sandbox's first process, as the host sees it.
func (s *Sandbox) PID() int { return s.record.Init.PID }

// Kubeconfig is the path of an administrator's kubeconfig for use on the host.
func (s *Sandbox) Kubeconfig() string { return s.dir.Kubeconfig() }

// RESTConfig returns a copy of the administrator's client configuration for use on the host.
func (s *Sandbox) RESTConfig() *rest.Config { return rest.CopyConfig(s.rest) }

// Registry is where the chart registry is: the same content under one address for pods and another for the host.
type Registry struct {
	// Pods is the address inside the sandbox, as "10.88.0.1:5000"; Host the one on the host's loopback.
	Pods, Host string
}

// Registry returns the addresses of the chart registry. Charts are at oci://<address>/karpenter/<chart>, plain HTTP.
func (s *Sandbox) Registry() Registry {
	return Registry{Pods: fmt.Sprintf("%s:%d", network.Gateway, serve.RegistryPort), Host: s.record.Registry}
}

// AWS steers the emulated AWS account.
func (s *Sandbox) AWS() *awscontrol.Client { return s.aws }

// Status says what runs.
func (s *Sandbox) Status(ctx context.Context) (Status, error) { return s.control.Status(ctx) }

// Settings returns the settings in force.
func (s *Sandbox) Settings(ctx context.Context) (Settings, error) { return s.control.Settings(ctx) }

// SetSettings puts settings in force, for what begins from now on.
func (s *Sandbox) SetSettings(ctx context.Context, next Settings) error {
	return s.control.SetSettings(ctx, next)
}

// KillPod kills the process of a pod's only container on a host node by SIGKILL, as a crash would.
func (s *Sandbox) KillPod(ctx context.Context, namespace, name string) error {
	return s.control.Kill(ctx, control.KillRequest{Namespace: namespace, Pod: name})
}

// RestartComponent ends a process of the control plane, as "kube-apiserver"; it is started again a second later.
func (s *Sandbox) RestartComponent(ctx context.Context, name string) error {
	return s.control.Restart(ctx, name)
}

// Logs opens the log of a pod's container on a host node; options may be nil. The caller closes it.
func (s *Sandbox) Logs(ctx context.Context, namespace, pod string, options *corev1.PodLogOptions) (io.ReadCloser, error) {
	client, err := kubernetes.NewForConfig(s.rest)
	if err != nil {
		return nil, fmt.Errorf("connecting to sandbox %s: %w", s.Name(), err)
	}
	if options == nil {
		options = &corev1.PodLogOptions{}
	}
	stream, err := client.CoreV1().Pods(namespace).GetLogs(pod, options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log of pod %s/%s: %w", namespace, pod, err)
	}
	return stream, nil
}
