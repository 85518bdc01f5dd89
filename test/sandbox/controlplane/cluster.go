package controlplane

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/pki"
)

// Times of coming up. They are for slow machines; a warm start takes a few seconds.
const (
	readyTimeout = 2 * time.Minute
	readyPoll    = 50 * time.Millisecond
	probeTimeout = 5 * time.Second
)

// Config is what a cluster is made of.
type Config struct {
	// Program returns the path of a component's program by its name.
	Program func(name string) (string, error)
	// Dir is for certificates and data, best in memory; Logs for the components' output.
	Dir, Logs string
	// Gateway is the address of the API server inside the sandbox.
	Gateway netip.Addr
	// ServiceCIDR and FakePodCIDR are the ranges of Services and of the pods that KWOK plays.
	ServiceCIDR, FakePodCIDR netip.Prefix
	// Settings and Pace are the user's choices.
	Settings Settings
	Pace     kwok.Pace
	// Clock is the real clock but in tests.
	Clock clock.Clock
}

// Cluster is a running control plane.
type Cluster struct {
	cfg        Config
	layout     layout
	identity   *identity
	supervisor *Supervisor

	paceMu sync.Mutex
	pace   kwok.Pace
}

// Start starts all components and returns when they are healthy. They run until ctx ends.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	l := layout{dir: cfg.Dir, logs: cfg.Logs, gateway: cfg.Gateway, serviceCIDR: cfg.ServiceCIDR, fakePodCIDR: cfg.FakePodCIDR}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("preparing the control plane: %w", err)
	}
	kubernetesIP := cfg.ServiceCIDR.Addr().Next() // the API server gives its own Service the first address
	id, err := newIdentity(l, []string{"127.0.0.1", cfg.Gateway.String(), kubernetesIP.String()}, cfg.Clock)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, layout: l, identity: id, supervisor: NewSupervisor(cfg.Logs, cfg.Clock), pace: cfg.Pace}
	if err := c.writeConfigs(); err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Cluster) writeConfigs() error {
	stages, err := kwok.Config(c.cfg.Pace)
	if err != nil {
		return err
	}
	return errors.Join(
		writeFile(c.layout.file("scheduler.yaml"), []byte(schedulerConfig(c.layout))),
		writeFile(c.layout.file("audit-policy.yaml"), []byte(auditPolicy)),
		writeFile(c.layout.file("kwok.yaml"), stages),
	)
}

// start brings up the store and the API server first: the others would only fail and try again until then.
func (c *Cluster) start(ctx context.Context) error {
	l, s := c.layout, c.cfg.Settings
	if err := errors.Join(
		c.run(ctx, "etcd", etcdArgs(l)),
		c.run(ctx, "kube-apiserver", apiServerArgs(l, s)),
	); err != nil {
		return err
	}
	if err := c.awaitAPIServer(ctx); err != nil {
		return err
	}
	if err := errors.Join(
		c.run(ctx, "kube-controller-manager", controllerManagerArgs(l, s)),
		c.run(ctx, "kube-scheduler", schedulerArgs(l)),
		c.runKWOK(ctx),
	); err != nil {
		return err
	}
	for name, url := range map[string]string{
		"kube-controller-manager": loopback("https", controllerManagerPort) + "/healthz",
		"kube-scheduler":          loopback("https", schedulerPort) + "/healthz",
		"kwok":                    loopback("http", kwokPort) + "/healthz",
	} {
		if err := c.awaitHealthy(ctx, name, url); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) run(ctx context.Context, name string, args []string) error {
	path, err := c.cfg.Program(name)
	if err != nil {
		return err
	}
	return c.supervisor.Start(ctx, Program{Name: name, Path: path, Args: args})
}

func (c *Cluster) runKWOK(ctx context.Context) error {
	path, err := c.cfg.Program("kwok")
	if err != nil {
		return err
	}
	config, err := c.RESTConfig(kwokUser)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	return c.supervisor.Start(ctx, Program{
		Name: "kwok", Path: path, Args: kwokArgs(c.layout),
		BeforeRestart: func(ctx context.Context) error { return releaseNodes(ctx, client) },
	})
}

func (c *Cluster) awaitAPIServer(ctx context.Context) error {
	config, err := c.RESTConfig(Admin)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	return c.await(ctx, "kube-apiserver", func(ctx context.Context) error {
		_, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
}

func (c *Cluster) awaitHealthy(ctx context.Context, name, url string) error {
	// The components serve health with certificates that they made up themselves, on loopback.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	return c.await(ctx, name, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", resp.Status)
		}
		return nil
	})
}

func (c *Cluster) await(ctx context.Context, name string, probe func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, readyPoll, readyTimeout, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		last = probe(ctx)
		return last == nil, c.supervisor.hopeless(name)
	})
	switch {
	case errors.Is(err, errHopeless):
		return err
	case err != nil:
		return fmt.Errorf("%s did not become healthy within %s, see %s: %w", name, readyTimeout, c.layout.logs, errors.Join(err, last))
	}
	return nil
}

// RESTConfig returns a client configuration for use inside the sandbox, with a certificate of the user's own.
func (c *Cluster) RESTConfig(u User) (*rest.Config, error) { return c.identity.restConfig(u) }

// Kubeconfig returns a kubeconfig that reaches the API server at another URL, as through a relay.
func (c *Cluster) Kubeconfig(server string, u User) ([]byte, error) {
	return c.identity.newKubeconfig(server, u)
}

// CA is the cluster's certificate authority.
func (c *Cluster) CA() *pki.CA { return c.identity.ca }

// Components lists the processes.
func (c *Cluster) Components() []Component { return c.supervisor.Components() }

// Restart ends a component, which is then started again.
func (c *Cluster) Restart(component string) error { return c.supervisor.Restart(component) }

// SetPace changes how KWOK plays nodes and pods, for transitions that begin from now on.
func (c *Cluster) SetPace(p kwok.Pace) error {
	c.paceMu.Lock()
	defer c.paceMu.Unlock()
	stages, err := kwok.Config(p)
	if err != nil {
		return err
	}
	if p == c.pace {
		return nil
	}
	if err := writeFile(c.layout.file("kwok.yaml"), stages); err != nil {
		return err
	}
	c.pace = p
	return c.supervisor.Restart("kwok")
}

// Pace is what KWOK plays by.
func (c *Cluster) Pace() kwok.Pace {
	c.paceMu.Lock()
	defer c.paceMu.Unlock()
	return c.pace
}

// Wait returns when all components have ended after the end of Start's context.
func (c *Cluster) Wait() { c.supervisor.Wait() }
