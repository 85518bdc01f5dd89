package phases

import (
	"testing"

	. "github.com/onsi/gomega"

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
