package aws_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

const (
	region    = "us-west-2"
	principal = "AKIDKARPENTER"
	// patience is how long anything may take on a busy machine.
	patience = 30 * time.Second
)

// today is when the clocks of tests start that move them.
var today = time.Date(2026, time.November, 21, 10, 0, 0, 0, time.UTC)

// emulator is a running emulator.
type emulator struct {
	*aws.Server
	url     string
	control *control.Client
	ca      *x509.CertPool
	log     *syncBuffer
}

// start runs an emulator until the test ends. Instances live fast unless the test says otherwise.
func start(t *testing.T, change ...func(*aws.Config)) *emulator {
	t.Helper()
	g := NewWithT(t)
	ca, pool := newCA(t)
	settings := aws.DefaultSettings()
	settings.LaunchDelay = metav1.Duration{Duration: 20 * time.Millisecond}
	settings.PendingDelay = metav1.Duration{Duration: 10 * time.Millisecond}
	settings.ShutdownDelay = metav1.Duration{Duration: 10 * time.Millisecond}
	e := &emulator{ca: pool, log: &syncBuffer{}}
	cfg := aws.Config{Settings: &settings, CA: ca, RequestLog: e.log, AnswerDelay: -1, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, c := range change {
		c(&cfg)
	}
	server, err := aws.New(cfg)
	g.Expect(err).NotTo(HaveOccurred())
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	e.Server, e.url = server, "http://"+listener.Addr().String()
	e.control = control.NewClient(e.url, nil)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	var served error
	serving.Go(func() { served = server.Serve(ctx, listener) })
	t.Cleanup(func() {
		stop()
		serving.Wait()
		if served != nil {
			t.Errorf("serving: %v", served)
		}
	})
	return e
}

// config returns the configuration of an SDK version 2 client, without retries.
func (e *emulator) config() sdk.Config {
	return sdk.Config{
		Region: region, BaseEndpoint: &e.url, HTTPClient: &http.Client{Transport: inMemory{&http.Transport{}}},
		Credentials: credentials.NewStaticCredentialsProvider(principal, "secret", ""),
		Retryer:     func() sdk.Retryer { return sdk.NopRetryer{} },
	}
}

// inMemory hands net/http the request's body in memory. It spares the tests aws.Config.AnswerDelay: see there.
type inMemory struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (i inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	return i.RoundTripper.RoundTrip(r)
}

func (e *emulator) ec2() *ec2.Client { return ec2.NewFromConfig(e.config()) }

// proxy is the setting of a client that reaches the emulator as SDK version 1 does.
func (e *emulator) proxy() *http.Client {
	u, _ := url.Parse(e.url)
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: e.ca, MinVersion: tls.VersionTLS12},
	}}
}

// failWith matches an error with an AWS error code, and a text in its message.
func failWith(code string, text ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{WithTransform(errorCode, Equal(code))}
	for _, s := range text {
		matchers = append(matchers, WithTransform(func(err error) string { return err.Error() }, ContainSubstring(s)))
	}
	return And(matchers...)
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// newCA makes a certificate authority.
func newCA(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	g := NewWithT(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.Expect(err).NotTo(HaveOccurred())
	leaf, err := x509.ParseCertificate(raw)
	g.Expect(err).NotTo(HaveOccurred())
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, pool
}

// pemOf returns a CA bundle as it stands in a file.
func pemOf(ca *tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]})
}

// syncBuffer is a buffer that may be written and read at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written so far.
func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
