package aws_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
)

func TestTunnelsLeadToAWSOnly(t *testing.T) {
	e := start(t)
	for _, host := range []string{"example.com", "amazonaws.com.example.com", "notamazonaws.com", "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			resp, err := e.proxy().Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			g.Expect(err).To(MatchError(ContainSubstring("Forbidden")))
		})
	}
}

func TestTunnelsLeadToTheEmulator(t *testing.T) {
	for _, host := range []string{"ec2.us-west-2.amazonaws.com", "ec2.us-west-2.api.aws", "ec2.cn-north-1.amazonaws.com.cn"} {
		t.Run(host, func(t *testing.T) {
			g := NewWithT(t)
			e := start(t)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/_emulator/healthz", nil)
			g.Expect(err).NotTo(HaveOccurred())
			resp, err := e.proxy().Do(req)
			g.Expect(err).NotTo(HaveOccurred(), "the certificate is good for the host")
			g.Expect(resp.Body.Close()).To(Succeed())
			g.Expect(resp.StatusCode).To(Equal(http.StatusOK))
		})
	}
}

func TestWithoutCAThereAreNoTunnels(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) { c.CA = nil })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ec2.us-west-2.amazonaws.com/", nil)
	g.Expect(err).NotTo(HaveOccurred())
	resp, err := e.proxy().Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	g.Expect(err).To(MatchError(ContainSubstring("Forbidden")))
}

func TestACAWithoutItsKeyIsRefused(t *testing.T) {
	g := NewWithT(t)
	ca, _ := newCA(t)
	ca.PrivateKey = nil
	_, err := aws.New(aws.Config{CA: ca})
	g.Expect(err).To(MatchError(ContainSubstring("private key")))
}
