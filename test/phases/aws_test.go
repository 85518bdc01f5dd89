package phases

import (
	"context"
	"net"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// What the emulator's account has: three private subnets and a public one, of which the third private one and the public one
// lack the discovery tag, and two security groups, of which the second lacks it.
const (
	subnetA      = "subnet-0a1b2c3d4e5f60001"
	subnetB      = "subnet-0a1b2c3d4e5f60002"
	subnetC      = "subnet-0a1b2c3d4e5f60003"
	subnetPublic = "subnet-0a1b2c3d4e5f60011"
	groupCluster = "sg-0a1b2c3d4e5f60001"
	groupNodes   = "sg-0a1b2c3d4e5f60002"
	discovery    = "karpenter.sh/discovery"
)

// startAWS runs an AWS account until the test ends and points the SDK at it.
func startAWS(t *testing.T) *control.Client {
	t.Helper()
	g := NewWithT(t)
	server, err := aws.New(aws.Config{})
	g.Expect(err).NotTo(HaveOccurred())
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	url := "http://" + listener.Addr().String()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "AKIDOPERATOR", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx, listener) })
	t.Cleanup(func() {
		stop()
		serving.Wait()
	})
	return control.NewClient(url, nil)
}

// tagsOf are the tags of the account's subnets and security groups.
func tagsOf(t *testing.T, account *control.Client) map[string]map[string]string {
	t.Helper()
	state, err := account.State(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	out := map[string]map[string]string{}
	for _, s := range state.Subnets {
		out[s.ID] = s.Tags
	}
	for _, g := range state.SecurityGroups {
		out[g.ID] = g.Tags
	}
	return out
}

// calls counts the calls of an action of EC2 that the operator made.
func calls(t *testing.T, account *control.Client, action string) int {
	t.Helper()
	page, err := account.Requests(t.Context(), control.RequestFilter{Service: "ec2", Action: action})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return len(page.Requests)
}
