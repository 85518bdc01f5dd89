package phases

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/preflight"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// preflightWithAWS is Preflight of a run that has access to AWS.
func preflightWithAWS(t *testing.T) (*world, *preflight.Phase) {
	t.Helper()
	w := preflightWorld(t)
	w.run.Spec.AWS = &v1alpha1.AWS{DiscoveryTag: v1alpha1.DiscoveryTag{Key: discovery, Subnets: v1alpha1.SubnetsOfVPC}}
	p := w.preflight()
	reader, ok := p.Snapshots.(*live.Reader)
	w.Expect(ok).To(BeTrue())
	reader.Cloud = cloud.NewAWS
	return w, p
}

func TestPreflightSaysWhatTheTagWouldDoToBlueNodes(t *testing.T) {
	w, p := preflightWithAWS(t)
	account := startAWS(t)
	w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindDone))
	w.Expect(w.run.Status.Findings).To(ContainElements(
		And(HaveField("Code", "TagChangesSelection"), HaveField("Objects", Equal([]string{"EC2NodeClass/default", subnetC, subnetPublic}))),
		And(HaveField("Code", "TagChangesSelection"), HaveField("Objects", Equal([]string{"EC2NodeClass/default", groupNodes}))),
	))
	w.Expect(calls(t, account, "CreateTags")).To(BeZero())

	w.run.Spec.AWS.DiscoveryTag.Key = "team/cluster"
	p.Run(w.ctx(), w.run)
	w.Expect(w.run.Status.Findings).NotTo(ContainElement(HaveField("Code", "TagChangesSelection")), "nothing selects by it")
}

func TestARunThatCannotReachAWSStopsInPreflight(t *testing.T) {
	w, p := preflightWithAWS(t)
	startAWS(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindBlocked))
	w.Expect(w.run.Status.Findings[0]).To(And(HaveField("Code", "AWSUnreadable"), HaveField("Why", ContainSubstring("set spec.aws.region"))))

	w.run.Spec.AWS.Region, w.run.Spec.AWS.ClusterName = "us-west-2", "another"
	p.Run(w.ctx(), w.run)
	w.Expect(w.run.Status.Findings[0]).To(And(HaveField("Code", "AWSUnreadable"), HaveField("Why", ContainSubstring("describing EKS cluster another"))))

	w.run.Spec.AWS.ClusterName = "sandbox"
	w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindDone))
}

func TestTagWaitsForARegionInsteadOfTryingForEver(t *testing.T) {
	w, p, _ := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	w.Expect(w.step(p.Run)).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonTagBlocked), HaveField("Message", ContainSubstring("set spec.aws.region"))))
	w.run.Spec.AWS.Region = "us-west-2"
	w.run.Status.Plan.ClusterName = ""
	w.Expect(p.Run(w.ctx(), w.run)).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Message", ContainSubstring("set spec.aws.clusterName"))))
}
