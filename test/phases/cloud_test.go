package phases

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

func newCloud(t *testing.T) (*WithT, cloud.Client, *control.Client) {
	t.Helper()
	g, account := NewWithT(t), startAWS(t)
	c, err := cloud.NewAWS(t.Context(), "us-west-2")
	g.Expect(err).NotTo(HaveOccurred())
	return g, c, account
}

func TestCloudReadsAClustersNetwork(t *testing.T) {
	g, c, _ := newCloud(t)
	cluster, err := c.Cluster(t.Context(), "sandbox")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cluster).To(Equal(cloud.Cluster{VPC: "vpc-0a1b2c3d4e5f60001", SecurityGroups: []string{groupCluster, groupNodes}}))
	g.Expect(c.NodeGroupSubnets(t.Context(), "sandbox")).To(Equal([]string{subnetA, subnetB, subnetC}))
	g.Expect(c.VPCSubnets(t.Context(), cluster.VPC)).To(Equal([]string{subnetA, subnetB, subnetC, subnetPublic}))
}

func TestCloudOfAClusterThatIsNotThere(t *testing.T) {
	g, c, _ := newCloud(t)
	_, err := c.Cluster(t.Context(), "other")
	g.Expect(err).To(MatchError(ContainSubstring("describing EKS cluster other")))
	g.Expect(fault.Classify(err)).To(Equal(fault.Terminal))
}

func TestCloudTagsAndUntagsByValue(t *testing.T) {
	g, c, _ := newCloud(t)
	ids := []string{subnetA, subnetC, groupNodes}
	g.Expect(c.Tags(t.Context(), ids)).To(And(
		HaveKeyWithValue(subnetA, HaveKeyWithValue(discovery, "sandbox")),
		HaveKeyWithValue(subnetC, Not(HaveKey(discovery))), HaveKeyWithValue(groupNodes, Not(HaveKey(discovery)))))

	g.Expect(c.Tag(t.Context(), []string{subnetC, groupNodes}, discovery, "ours")).To(Succeed())
	g.Expect(c.Untag(t.Context(), ids, discovery, "ours")).To(Succeed())
	g.Expect(c.Tags(t.Context(), ids)).To(And(
		HaveKeyWithValue(subnetA, HaveKeyWithValue(discovery, "sandbox")),
		HaveKeyWithValue(subnetC, Not(HaveKey(discovery))), HaveKeyWithValue(groupNodes, Not(HaveKey(discovery)))))
	g.Expect(c.Tags(t.Context(), nil)).To(BeEmpty())
}

func TestCloudNeverWritesWhatCouldAdoptAnInstance(t *testing.T) {
	g, c, account := newCloud(t)
	g.Expect(c.Tag(t.Context(), []string{subnetA}, "karpenter.sh/nodepool", "x")).NotTo(Succeed())
	g.Expect(c.Tag(t.Context(), []string{subnetA, "i-0123456789abcdef0"}, discovery, "x")).NotTo(Succeed())
	g.Expect(calls(t, account, "CreateTags")).To(BeZero(), "nothing left this process")
}

func TestCloudNeedsARegion(t *testing.T) {
	g, _, _ := newCloud(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	_, err := cloud.NewAWS(t.Context(), "")
	g.Expect(err).To(MatchError(ContainSubstring("set spec.aws.region")))
}

func TestErrorsOfTheCloudSayWhatHelps(t *testing.T) {
	g, _, account := newCloud(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	c, err := cloud.NewAWS(t.Context(), "us-west-2")
	g.Expect(err).NotTo(HaveOccurred())
	reads := map[string]func() error{
		"describing EKS cluster sandbox": func() error {
			_, err := c.Cluster(t.Context(), "sandbox")
			return err
		},
		"listing node groups of EKS cluster sandbox": func() error {
			_, err := c.NodeGroupSubnets(t.Context(), "sandbox")
			return err
		},
		"describing the subnets of VPC vpc-1": func() error {
			_, err := c.VPCSubnets(t.Context(), "vpc-1")
			return err
		},
		"describing subnets " + subnetA: func() error {
			_, err := c.Tags(t.Context(), []string{subnetA})
			return err
		},
		"describing security groups " + groupNodes: func() error {
			_, err := c.Tags(t.Context(), []string{groupNodes})
			return err
		},
		"tagging " + subnetA + " with " + discovery + "=x":       func() error { return c.Tag(t.Context(), []string{subnetA}, discovery, "x") },
		"removing tag " + discovery + "=sandbox from " + subnetA: func() error { return c.Untag(t.Context(), []string{subnetA}, discovery, "sandbox") },
	}
	for code, class := range map[string]fault.Class{"UnauthorizedOperation": fault.Denied, "AccessDeniedException": fault.Denied, "RequestLimitExceeded": fault.Transient} {
		_, err := account.AddFault(t.Context(), control.Fault{Code: code})
		g.Expect(err).NotTo(HaveOccurred())
		for what, read := range reads {
			err := read()
			g.Expect(err).To(MatchError(And(HavePrefix(what), ContainSubstring(code))))
			g.Expect(fault.Classify(err)).To(Equal(class), "%v", err)
		}
		g.Expect(account.ClearFaults(t.Context())).To(Succeed())
	}
	g.Expect(tagsOf(t, account)[subnetA]).To(HaveKeyWithValue(discovery, "sandbox"), "nothing was written")
}

func TestWhatIsNotInTheAccountIsAnError(t *testing.T) {
	g, c, _ := newCloud(t)
	_, err := c.Tags(t.Context(), []string{subnetA, "subnet-00000000000000000"})
	g.Expect(err).To(MatchError(ContainSubstring("subnet-00000000000000000")))
	g.Expect(fault.Classify(err)).To(Equal(fault.Terminal))
	_, err = c.Tags(t.Context(), []string{"sg-00000000000000000"})
	g.Expect(fault.Classify(err)).To(Equal(fault.Terminal), "%v", err)
	g.Expect(c.VPCSubnets(t.Context(), "vpc-00000000000000000")).To(BeEmpty())
	_, err = c.NodeGroupSubnets(t.Context(), "other")
	g.Expect(fault.Classify(err)).To(Equal(fault.Terminal), "%v", err)
}

func TestACallOfTheCloudEndsWithItsContext(t *testing.T) {
	g, c, account := newCloud(t)
	_, err := account.AddFault(t.Context(), control.Fault{Action: "DescribeSubnets", Latency: metav1.Duration{Duration: 10 * patience}})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = c.VPCSubnets(ctx, "vpc-0a1b2c3d4e5f60001")
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	g.Expect(fault.Classify(err)).To(Equal(fault.Transient))
}
