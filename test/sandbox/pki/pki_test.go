package pki_test

import (
	"crypto/x509"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/pki"
)

func TestServerCertificateAnswersToTheNamesAClusterUses(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	ca, err := pki.NewCA("test", clocktesting.NewFakePassiveClock(now))
	g.Expect(err).NotTo(HaveOccurred())
	dns, ips, err := pki.ServerNames("127.0.0.1", "10.88.0.1", "10.96.0.1")
	g.Expect(err).NotTo(HaveOccurred())
	pair, err := ca.Issue(pki.Request{CommonName: "kube-apiserver", DNSNames: dns, IPs: ips})
	g.Expect(err).NotTo(HaveOccurred())
	leaf := parse(g, pair.CertPEM)

	for _, name := range []string{"127.0.0.1", "10.88.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc"} {
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: ca.Pool(), CurrentTime: now})
		g.Expect(err).NotTo(HaveOccurred(), name)
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: "10.88.0.2", Roots: ca.Pool(), CurrentTime: now})
	g.Expect(err).To(HaveOccurred())
	_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: now.Add(366 * 24 * time.Hour)})
	g.Expect(err).To(MatchError(ContainSubstring("expired")))
	_, err = pair.TLS()
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAuthoritiesDoNotTrustEachOther(t *testing.T) {
	g := NewWithT(t)
	clk := clock.RealClock{}
	one, err := pki.NewCA("same name", clk)
	g.Expect(err).NotTo(HaveOccurred())
	other, err := pki.NewCA("same name", clk)
	g.Expect(err).NotTo(HaveOccurred())
	pair, err := one.Issue(pki.Request{CommonName: "admin", Organizations: []string{"system:masters"}})
	g.Expect(err).NotTo(HaveOccurred())

	opts := x509.VerifyOptions{Roots: one.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	leaf := parse(g, pair.CertPEM)
	g.Expect(leaf.Subject.Organization).To(ConsistOf("system:masters"))
	_, err = leaf.Verify(opts)
	g.Expect(err).NotTo(HaveOccurred())
	opts.Roots = other.Pool()
	_, err = leaf.Verify(opts)
	g.Expect(err).To(HaveOccurred())
}

func TestServerNamesRefusesWhatIsNoAddress(t *testing.T) {
	_, _, err := pki.ServerNames("10.88.0.1", "bridge")
	NewWithT(t).Expect(err).To(MatchError(`"bridge" is not an IP address`))
}

func TestSigningKeyIsReadableByKubernetes(t *testing.T) {
	g := NewWithT(t)
	private, public, err := pki.NewSigningKey()
	g.Expect(err).NotTo(HaveOccurred())
	_, err = keyutil.ParsePrivateKeyPEM(private)
	g.Expect(err).NotTo(HaveOccurred())
	keys, err := keyutil.ParsePublicKeysPEM(public)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(keys).To(HaveLen(1))
}

func parse(g *WithT, pem []byte) *x509.Certificate {
	certs, err := cert.ParseCertsPEM(pem)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(certs).To(HaveLen(1))
	return certs[0]
}
