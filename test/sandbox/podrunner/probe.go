package podrunner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// maxProbeBody is how much of an answer goes into an event.
const maxProbeBody = 1024

// tracker counts the results of one probe and says when its verdict changes.
type tracker struct {
	success, failure int32 // thresholds
	run              int32 // equal results in a row
	last             bool
	verdict          bool
}

// newTracker returns a tracker with the probe's thresholds. A container counts as live until the opposite is shown,
// but as neither ready nor started.
func newTracker(p *corev1.Probe, verdict bool) *tracker {
	return &tracker{success: max(p.SuccessThreshold, 1), failure: max(p.FailureThreshold, 1), verdict: verdict}
}

// observe takes one result and returns the verdict.
func (t *tracker) observe(ok bool) bool {
	if t.run > 0 && ok != t.last {
		t.run = 0
	}
	t.run++
	t.last = ok
	if ok && t.run >= t.success {
		t.verdict = true
	}
	if !ok && t.run >= t.failure {
		t.verdict = false
	}
	return t.verdict
}

// exhausted tells whether failures have reached the threshold.
func (t *tracker) exhausted() bool { return t.run >= t.failure && !t.last }

func probePeriod(p *corev1.Probe) time.Duration {
	return seconds(p.PeriodSeconds, 10)
}

func probeTimeout(p *corev1.Probe) time.Duration {
	return seconds(p.TimeoutSeconds, 1)
}

func seconds(n, fallback int32) time.Duration {
	if n <= 0 {
		n = fallback
	}
	return time.Duration(n) * time.Second
}

// probePort resolves a port that may be named.
func probePort(c *corev1.Container, port intstr.IntOrString) (int, error) {
	if port.Type == intstr.Int {
		return int(port.IntVal), nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return int(p.ContainerPort), nil
		}
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("container %s has no port %q", c.Name, port.StrVal)
}

// prober makes single probes.
type prober struct {
	client *http.Client
}

func newProber() *prober {
	return &prober{client: &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,                                  // each probe is a connection of its own, as a kubelet's
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // a kubelet does not verify either
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 || req.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// probe returns nil for success, and else what an event would say.
func (p *prober) probe(ctx context.Context, c *corev1.Container, spec *corev1.Probe, ip string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout(spec))
	defer cancel()
	switch {
	case spec.HTTPGet != nil:
		return p.http(ctx, c, spec.HTTPGet, ip)
	case spec.TCPSocket != nil:
		return p.tcp(ctx, c, spec.TCPSocket, ip)
	}
	return errors.New("the sandbox has httpGet and tcpSocket probes only")
}

func (p *prober) http(ctx context.Context, c *corev1.Container, get *corev1.HTTPGetAction, ip string) error {
	port, err := probePort(c, get.Port)
	if err != nil {
		return err
	}
	if get.Host != "" {
		ip = get.Host
	}
	target := url.URL{Scheme: "http", Host: net.JoinHostPort(ip, strconv.Itoa(port))}
	if get.Scheme == corev1.URISchemeHTTPS {
		target.Scheme = "https"
	}
	path, err := url.Parse(get.Path)
	if err != nil {
		return fmt.Errorf("the probe's path: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.ResolveReference(path).String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/sandbox")
	for _, h := range get.HTTPHeaders {
		req.Header.Add(h.Name, h.Value)
		if h.Name == "Host" {
			req.Host = h.Value
		}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProbeBody))
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("HTTP probe failed with statuscode: %d: %s", resp.StatusCode, body)
	}
	return nil
}

func (p *prober) tcp(ctx context.Context, c *corev1.Container, action *corev1.TCPSocketAction, ip string) error {
	port, err := probePort(c, action.Port)
	if err != nil {
		return err
	}
	if action.Host != "" {
		ip = action.Host
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}
