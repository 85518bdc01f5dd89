package serve

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awscontrol "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/control"
)

const controlHeaderTimeout = 10 * time.Second

// serveControl serves the control API on the host's socket.
func (s *sandbox) serveControl(ctx context.Context) {
	emulator := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: gateway(AWSPort).String()})
	server := &http.Server{
		Handler:           control.NewHandler(&backend{s: s}, emulator),
		ReadHeaderTimeout: controlHeaderTimeout,
	}
	s.background(ctx, "control API", func() error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(s.listeners[controlListener]); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// backend does what the control API asks for.
type backend struct {
	s *sandbox
}

// Status implements control.Backend.
func (b *backend) Status(context.Context) (control.Status, error) {
	status := control.Status{Components: b.s.cluster.Components(), Containers: []control.Container{}}
	for _, c := range b.s.runner.Containers() {
		status.Containers = append(status.Containers, control.Container{
			Namespace: c.Pod.Namespace, Pod: c.Pod.Name, Name: c.Name, Node: c.Node, IP: c.IP,
			PID: c.PID, Ready: c.Ready, Restarts: c.Restarts, AccessKeyID: accessKeyID(c.Pod.UID),
		})
	}
	return status, nil
}

// Settings implements control.Backend.
func (b *backend) Settings(ctx context.Context) (control.Settings, error) {
	cloud, err := b.s.cloud.client.Settings(ctx)
	if err != nil {
		return control.Settings{}, err
	}
	return control.Settings{Pace: b.s.cluster.Pace(), LaunchDelay: cloud.LaunchDelay}, nil
}

// SetSettings implements control.Backend.
func (b *backend) SetSettings(ctx context.Context, next control.Settings) error {
	if next.LaunchDelay.Duration < 0 {
		return errors.New("launchDelay must not be negative")
	}
	if err := b.s.cluster.SetPace(next.Pace); err != nil {
		return err
	}
	_, err := b.s.cloud.client.UpdateSettings(ctx, awscontrol.SettingsPatch{
		LaunchDelay: &metav1.Duration{Duration: next.LaunchDelay.Duration},
	})
	return err
}

// Kill implements control.Backend.
func (b *backend) Kill(_ context.Context, r control.KillRequest) error {
	sig := syscall.SIGKILL
	if r.Signal != 0 {
		sig = syscall.Signal(r.Signal)
	}
	return b.s.runner.Signal(r.Namespace, r.Pod, r.Container, sig)
}

// Restart implements control.Backend.
func (b *backend) Restart(_ context.Context, component string) error {
	return b.s.cluster.Restart(component)
}

var _ control.Backend = (*backend)(nil)
