package aws

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
)

// maxCertificates bounds the certificates that are held; there are a dozen AWS hosts in use.
const maxCertificates = 128

// tunnels answers CONNECT for AWS hosts and hands out, as a net.Listener, the connections inside with their TLS
// already terminated.
type tunnels struct {
	ca     *tls.Certificate
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once

	mu    sync.Mutex
	certs map[string]*tls.Certificate
}

// newTunnels makes tunnels whose certificates the CA signs; without one, CONNECT is refused.
func newTunnels(ca *tls.Certificate) (*tunnels, error) {
	if ca != nil {
		if _, ok := ca.PrivateKey.(crypto.Signer); !ok || ca.Leaf == nil || !ca.Leaf.IsCA {
			return nil, fmt.Errorf("the CA needs a certificate that may sign others (with Leaf set) and its private key")
		}
	}
	return &tunnels{
		ca: ca, conns: make(chan net.Conn), closed: make(chan struct{}), certs: map[string]*tls.Certificate{},
	}, nil
}

// open answers a CONNECT request.
func (t *tunnels) open(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	switch {
	case err != nil || port != "443" || !awsHost(host):
		http.Error(w, "the AWS emulator tunnels to AWS hosts on port 443 only, not to "+r.Host, http.StatusForbidden)
		return
	case t.ca == nil:
		http.Error(w, "the AWS emulator was given no CA and opens no tunnels", http.StatusForbidden)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "cannot take the connection over: "+err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	inside := tls.Server(&bufferedConn{Conn: conn, buffered: buffered.Reader}, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if awsHost(hello.ServerName) {
				return t.certificate(hello.ServerName)
			}
			return t.certificate(host)
		},
	})
	select {
	case t.conns <- inside:
	case <-t.closed:
		_ = conn.Close()
	}
}

// awsHost tells whether a host is one of AWS.
func awsHost(host string) bool {
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"} {
		if strings.HasSuffix(strings.ToLower(host), suffix) {
			return true
		}
	}
	return false
}

// bufferedConn reads first what was read too far from a connection.
type bufferedConn struct {
	net.Conn
	buffered *bufio.Reader
}

// Read implements net.Conn.
func (c *bufferedConn) Read(p []byte) (int, error) { return c.buffered.Read(p) }

// Accept implements net.Listener.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *tunnels) Close() error {
	t.close.Do(func() { close(t.closed) })
	return nil
}

// Addr implements net.Listener. There is no address inside.
func (t *tunnels) Addr() net.Addr { return &net.UnixAddr{Name: "tunnels", Net: "unix"} }

// certificate returns the certificate of a host, made at the first call.
func (t *tunnels) certificate(host string) (*tls.Certificate, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.certs[host]; ok {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", host, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serial number for %s: %w", host, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: t.ca.Leaf.NotBefore, NotAfter: t.ca.Leaf.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, t.ca.Leaf, key.Public(), t.ca.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", host, err)
	}
	if len(t.certs) >= maxCertificates {
		clear(t.certs)
	}
	t.certs[host] = &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
	return t.certs[host], nil
}
