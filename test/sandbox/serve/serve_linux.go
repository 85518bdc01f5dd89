package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/charts"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/namespaces"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

// sandbox is what the main process runs.
type sandbox struct {
	cfg       Config
	dir       state.Dir
	clock     clock.WithTicker
	report    *namespaces.Reporter
	listeners []net.Listener
	network   *network.Network
	nodes     []podrunner.Node
	cluster   *controlplane.Cluster
	cloud     *cloud
	runner    *podrunner.Runner

	wg   sync.WaitGroup
	fail context.CancelCauseFunc
}

// Main is the main process of the sandbox in the directory dir; init are the arguments that lead this program to a
// container's first process. It returns the exit code.
func Main(dir string, init []string) int {
	report := namespaces.NewReporter(os.NewFile(namespaces.ReportFD, "report"))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s := &sandbox{dir: state.OpenDir(dir), clock: clock.RealClock{}, report: report}
	if err := s.run(ctx, init); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		report.Fail(namespaces.Explain(err))
		return 1
	}
	return 0
}

// run brings everything up, reports that, and goes on until ctx ends or a part that cannot be started again fails.
func (s *sandbox) run(ctx context.Context, init []string) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer s.wg.Wait()
	defer fail(nil)
	s.fail = fail
	for _, step := range []func(context.Context) error{
		s.load, s.prepare, s.serveRegistry, s.startCluster, s.startCloud,
		func(ctx context.Context) error { return s.startRunner(ctx, init) },
		s.serveHost,
	} {
		if err := step(ctx); err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
	s.report.Ready()
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// background runs a part until ctx ends; its failure ends the sandbox.
func (s *sandbox) background(ctx context.Context, name string, run func() error) {
	s.wg.Go(func() {
		if err := run(); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

func (s *sandbox) load(context.Context) error {
	cfg, err := LoadConfig(s.dir.Config())
	if err != nil {
		return err
	}
	s.cfg = cfg
	for i := range listeners {
		f := os.NewFile(uintptr(namespaces.ListenersFD+i), "listener")
		l, err := net.FileListener(f)
		_ = f.Close() // the listener has a copy
		if err != nil {
			return fmt.Errorf("taking over the host's listener %d: %w", i, err)
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

// prepare makes the sandbox's memory file system and its network.
func (s *sandbox) prepare(context.Context) error {
	if err := unix.Mount("tmpfs", s.dir.Run(), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mounting the sandbox's memory file system: %w", err)
	}
	var ips []netip.Addr
	s.nodes = hostNodes()
	for _, n := range s.nodes {
		ips = append(ips, n.IP)
	}
	var err error
	s.network, err = network.Setup(ips...)
	return err
}

// serveRegistry serves the registry inside the sandbox and fills it, beside everything else.
func (s *sandbox) serveRegistry(ctx context.Context) error {
	l, err := listen(ctx, RegistryPort)
	if err != nil {
		return err
	}
	s.background(ctx, "chart registry", func() error { return charts.Serve(ctx, l) })
	s.background(ctx, "chart registry", func() error {
		return charts.Push(gateway(RegistryPort).String(), s.cfg.Charts)
	})
	return nil
}

func (s *sandbox) startCluster(ctx context.Context) error {
	start := s.clock.Now()
	cluster, err := controlplane.Start(ctx, controlplane.Config{
		Program:     s.program,
		Dir:         filepath.Join(s.dir.Run(), "control-plane"),
		Logs:        s.dir.Logs(),
		Gateway:     network.Gateway,
		ServiceCIDR: network.ServiceCIDR,
		FakePodCIDR: network.FakePodCIDR,
		Settings:    s.cfg.Kubernetes,
		Pace:        s.cfg.Settings.Pace,
		Clock:       s.clock,
	})
	if err != nil {
		return err
	}
	s.cluster = cluster
	s.wg.Go(cluster.Wait)
	s.report.Progress(fmt.Sprintf("control plane healthy after %s", s.clock.Since(start).Round(100*time.Millisecond)))
	return nil
}

func (s *sandbox) program(name string) (string, error) {
	if path, ok := s.cfg.Programs[name]; ok {
		return path, nil
	}
	return "", fmt.Errorf("the sandbox was not told where %s is", name)
}

// serveHost opens the ways in from the host. The control API comes last: it answers when everything is there.
func (s *sandbox) serveHost(ctx context.Context) error {
	s.background(ctx, "relay to the API server", func() error {
		return relay(ctx, s.listeners[apiServerListener], gateway(controlplane.APIServerPort).String())
	})
	s.background(ctx, "relay to the registry", func() error {
		return relay(ctx, s.listeners[registryListener], gateway(RegistryPort).String())
	})
	kubeconfig, err := s.cluster.Kubeconfig("https://"+s.listeners[apiServerListener].Addr().String(), controlplane.Admin)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.dir.Kubeconfig(), kubeconfig, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	s.serveControl(ctx)
	return nil
}

func gateway(port uint16) netip.AddrPort { return netip.AddrPortFrom(network.Gateway, port) }

func listen(ctx context.Context, port uint16) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", gateway(port).String())
	if err != nil {
		return nil, fmt.Errorf("listening inside the sandbox: %w", err)
	}
	return l, nil
}
