package control_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
)

// backend remembers what it was asked for.
type backend struct {
	settings  control.Settings
	killed    []control.KillRequest
	restarted []string
}

func (b *backend) Status(context.Context) (control.Status, error) {
	return control.Status{Components: []controlplane.Component{{Name: "etcd", PID: 7}}}, nil
}
func (b *backend) Settings(context.Context) (control.Settings, error) { return b.settings, nil }
func (b *backend) SetSettings(_ context.Context, s control.Settings) error {
	if s.LaunchDelay.Duration < 0 {
		return errors.New("launchDelay must not be negative")
	}
	b.settings = s
	return nil
}
func (b *backend) Kill(_ context.Context, r control.KillRequest) error {
	b.killed = append(b.killed, r)
	return nil
}
func (b *backend) Restart(_ context.Context, component string) error {
	b.restarted = append(b.restarted, component)
	return nil
}

func serve(t *testing.T, dir string, b control.Backend) *control.Client {
	t.Helper()
	path := filepath.Join(dir, "control.sock")
	l, err := control.Listen(t.Context(), path)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	emulator := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("emulator " + r.URL.Path)) })
	server := &http.Server{Handler: control.NewHandler(b, emulator), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	c := control.NewClient(path)
	t.Cleanup(func() {
		c.Close()
		_ = server.Close()
	})
	return c
}

func TestClientAndServerUnderstandEachOther(t *testing.T) {
	g := NewWithT(t)
	b := &backend{settings: control.DefaultSettings()}
	c := serve(t, t.TempDir(), b)

	status, err := c.Status(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status.Components).To(ConsistOf(controlplane.Component{Name: "etcd", PID: 7}))

	s, err := c.Settings(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s).To(Equal(control.DefaultSettings()))
	s.LaunchDelay = metav1.Duration{Duration: 45 * time.Second}
	g.Expect(c.SetSettings(t.Context(), s)).To(Succeed())
	g.Expect(b.settings).To(Equal(s))
	s.LaunchDelay.Duration = -1
	g.Expect(c.SetSettings(t.Context(), s)).To(MatchError("launchDelay must not be negative"))

	kill := control.KillRequest{Namespace: "karpenter", Pod: "karpenter-0", Signal: 15}
	g.Expect(c.Kill(t.Context(), kill)).To(Succeed())
	g.Expect(b.killed).To(ConsistOf(kill))
	g.Expect(c.Restart(t.Context(), "kube-apiserver")).To(Succeed())
	g.Expect(b.restarted).To(ConsistOf("kube-apiserver"))
}

func TestTheEmulatorIsBehindTheSameSocket(t *testing.T) {
	g := NewWithT(t)
	base, client := serve(t, t.TempDir(), &backend{}).HTTP()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/_emulator/state", nil)
	g.Expect(err).NotTo(HaveOccurred())
	resp, err := client.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	g.Expect(resp).To(HaveHTTPBody("emulator /_emulator/state"))
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	g := NewWithT(t)
	base, client := serve(t, t.TempDir(), &backend{}).HTTP()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/settings", strings.NewReader(`{"launchDelays":"1s"}`))
	g.Expect(err).NotTo(HaveOccurred())
	resp, err := client.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	g.Expect(resp).To(HaveHTTPStatus(http.StatusUnprocessableEntity))
	g.Expect(resp).To(HaveHTTPBody(ContainSubstring(`unknown field \"launchDelays\"`)))
}

func TestASocketsPathMayBeLong(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 200))
	g.Expect(os.Mkdir(dir, 0o755)).To(Succeed())
	_, err := serve(t, dir, &backend{}).Status(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAClientOfASandboxThatIsGoneSaysSo(t *testing.T) {
	g := NewWithT(t)
	_, err := control.NewClient(filepath.Join(t.TempDir(), "control.sock")).Status(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("calling the sandbox")))
}
