package phases

import (
	"context"
	"fmt"
	"maps"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/tag"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// tagWorld has an AWS account, and an EC2NodeClass that has found two of its subnets.
func tagWorld(t *testing.T, discoveryTag v1alpha1.DiscoveryTag) (*world, *tag.Phase, *control.Client) {
	t.Helper()
	w := newWorld(t, greenVersion)
	account := startAWS(t)
	class := w.create(blueNodeClass)
	w.ok(unstructured.SetNestedSlice(class.Object, []any{
		map[string]any{"id": subnetB, "zone": "us-west-2b"}, map[string]any{"id": subnetC, "zone": "us-west-2c"},
	}, "status", "subnets"))
	w.ok(w.api.Status().Update(w.ctx(), class))
	if discoveryTag.Key == "" {
		discoveryTag.Key = discovery
	}
	w.begin(plan(), func(s *v1alpha1.KarpenterUpgradeSpec) { s.AWS = &v1alpha1.AWS{DiscoveryTag: discoveryTag} })
	return w, &tag.Phase{Kit: w.kit, Cloud: cloud.NewAWS}, account
}

func TestTagTagsWhatLacksTheTagAndUndoRemovesJustThat(t *testing.T) {
	for source, tagged := range map[v1alpha1.SubnetSource][]string{
		v1alpha1.SubnetsOfNodeClasses: {groupNodes, subnetC},
		v1alpha1.SubnetsOfNodeGroups:  {groupNodes, subnetC},
		v1alpha1.SubnetsOfVPC:         {groupNodes, subnetC, subnetPublic},
	} {
		t.Run(string(source), func(t *testing.T) {
			w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: source})
			before := tagsOf(t, account)
			w.drive(p.Run)
			want := map[string]map[string]string{}
			for id, tags := range before {
				want[id] = maps.Clone(tags)
			}
			for _, id := range tagged {
				want[id][discovery] = "sandbox"
			}
			w.Expect(tagsOf(t, account)).To(Equal(want))
			var recorded []string
			for _, tag := range w.run.Status.Tags {
				recorded = append(recorded, tag.Resource)
			}
			w.Expect(recorded).To(Equal(tagged))

			w.drive(p.Undo)
			w.Expect(tagsOf(t, account)).To(Equal(before))
			w.Expect(w.run.Status.Tags).To(BeEmpty())
			w.Expect(w.step(p.Undo).Message).To(Equal("no tag was added"))
		})
	}
}

func TestATagWithAValueOfItsOwn(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Key: "team/cluster", Value: "blue", Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.drive(p.Run)
	tags := tagsOf(t, account)
	for _, id := range []string{subnetB, subnetC, groupCluster, groupNodes} {
		w.Expect(tags[id]).To(HaveKeyWithValue("team/cluster", "blue"), id)
	}
	w.Expect(tags[subnetA]).NotTo(HaveKey("team/cluster"))
}

func TestWhatIsTaggedIsWrittenDownFirst(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.Expect(w.step(p.Run).Reason).To(Equal("Tagging"))
	w.Expect(calls(t, account, "CreateTags")).To(BeZero())
	w.Expect(w.run.Status.Tags).To(HaveLen(2))
}

// tagBy tags a resource as somebody else.
func (w *world) tagBy(id, key, value string) {
	w.t.Helper()
	c, err := cloud.NewAWS(w.ctx(), "us-west-2")
	w.ok(err)
	w.ok(c.Tag(w.ctx(), []string{id}, key, value))
}

func TestATagThatSomebodyAddsMeanwhileIsHis(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.step(p.Run) // and then the operator is away for a while
	w.tagBy(subnetC, discovery, "another-cluster")
	w.drive(p.Run)
	w.Expect(tagsOf(t, account)[subnetC]).To(HaveKeyWithValue(discovery, "another-cluster"))
	w.Expect(tagsOf(t, account)[groupNodes]).To(HaveKeyWithValue(discovery, "sandbox"))
	w.drive(p.Undo)
	w.Expect(tagsOf(t, account)[subnetC]).To(HaveKeyWithValue(discovery, "another-cluster"))
	w.Expect(tagsOf(t, account)[groupNodes]).NotTo(HaveKey(discovery))
}

func TestATagWhoseValueSomebodyChangedStays(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.drive(p.Run)
	w.tagBy(subnetC, discovery, "another-cluster")
	w.drive(p.Undo)
	w.Expect(tagsOf(t, account)[subnetC]).To(HaveKeyWithValue(discovery, "another-cluster"))
}

func TestNothingIsTaggedTwice(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.drive(p.Run)
	w.run.Status.Tags = nil // as another run would find it
	written := calls(t, account, "CreateTags")
	w.Expect(w.step(p.Run).Message).To(Equal("4 of 4 subnets and security groups have the tag karpenter.sh/discovery"))
	w.Expect(calls(t, account, "CreateTags")).To(Equal(written))
	w.step(p.Undo)
	w.Expect(tagsOf(t, account)[subnetC]).To(HaveKey(discovery), "that run added nothing and removes nothing")
}

func TestTagsAreRemovedAlsoWhenTheSpecHasForgottenAWS(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	before := tagsOf(t, account)
	w.drive(p.Run)
	w.run.Spec.AWS = nil // it may be changed while the run goes on
	w.drive(p.Undo)
	w.Expect(tagsOf(t, account)).To(Equal(before))
}

func TestTagsThatAreWrittenDownAreNotForgottenWithAWS(t *testing.T) {
	w, p, _ := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.step(p.Run)
	run := w.run.DeepCopy()
	run.Spec.AWS = nil
	w.Expect(p.Run(w.ctx(), run).Kind).To(Equal(engine.KindDone), "a phase that was skipped would not be taken back")
}

func TestWithoutAWSThereIsNothingToTag(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.run.Spec.AWS = nil
	w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindSkip))
	w.Expect(calls(t, account, "*")).To(BeZero())
}

func TestErrorsOfAWS(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  control.Fault
		kind   engine.Kind
		reason string
	}{
		"throttled":         {control.Fault{Service: "ec2", Action: "CreateTags", Code: "RequestLimitExceeded"}, engine.KindRetry, "Error"},
		"away":              {control.Fault{Service: "ec2", Action: "CreateTags", Code: "InternalError", Status: 500}, engine.KindRetry, "Error"},
		"not allowed":       {control.Fault{Service: "ec2", Action: "CreateTags", Code: "UnauthorizedOperation"}, engine.KindBlocked, v1alpha1.ReasonPermissionDenied},
		"not allowed (EKS)": {control.Fault{Service: "eks", Code: "AccessDeniedException"}, engine.KindBlocked, v1alpha1.ReasonPermissionDenied},
		"no such cluster":   {control.Fault{Service: "eks", Code: "ResourceNotFoundException", Status: 404}, engine.KindFail, "Error"},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			_, err := account.AddFault(t.Context(), tc.fault)
			w.ok(err)
			var out engine.Outcome
			for range 2 {
				out = w.step(p.Run)
			}
			w.Expect(out).To(And(HaveField("Kind", tc.kind), HaveField("Reason", tc.reason)), out.Message)
			w.ok(account.ClearFaults(t.Context()))
			w.drive(p.Run)
			w.Expect(tagsOf(t, account)[subnetC]).To(HaveKey(discovery))
		})
	}
}

func TestTheSDKItselfTriesAgainWhenItIsThrottled(t *testing.T) {
	w, p, account := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.step(p.Run)
	_, err := account.AddFault(t.Context(), control.Fault{Service: "ec2", Action: "CreateTags", Code: "RequestLimitExceeded", Count: 1})
	w.ok(err)
	w.Expect(w.step(p.Run).Kind).To(Equal(engine.KindDone))
}

func TestAClusterWithoutANameWaitsForItsUser(t *testing.T) {
	w, p, _ := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfNodeClasses})
	w.run.Status.Plan.ClusterName = ""
	out := w.step(p.Run)
	w.Expect(out.Kind).NotTo(Equal(engine.KindDone))
	w.Expect(out.Message).To(ContainSubstring("set spec.aws.clusterName"))
	change(w, w.run, func(r *v1alpha1.KarpenterUpgrade) { r.Spec.AWS.ClusterName = "sandbox" })
	w.run.Status.Plan.ClusterName = ""
	w.drive(p.Run)
}

func TestTooManyToTag(t *testing.T) {
	w, _, _ := tagWorld(t, v1alpha1.DiscoveryTag{Subnets: v1alpha1.SubnetsOfVPC})
	p := &tag.Phase{Kit: w.kit, Cloud: func(ctx context.Context, region string) (cloud.Client, error) {
		c, err := cloud.NewAWS(ctx, region)
		return manySubnets{c}, err
	}}
	out := w.step(p.Run)
	w.Expect(out).To(And(HaveField("Kind", engine.KindFail), HaveField("Reason", "TooManyTags")))
	w.Expect(w.run.Status.Tags).To(BeEmpty())
}

// manySubnets is an account whose VPC has more subnets than a run tags.
type manySubnets struct{ cloud.Client }

// VPCSubnets implements cloud.Client.
func (manySubnets) VPCSubnets(context.Context, string) ([]string, error) {
	out := make([]string, 600)
	for i := range out {
		out[i] = fmt.Sprintf("subnet-%d", i)
	}
	return out, nil
}

// Tags implements cloud.Client: none has any.
func (manySubnets) Tags(context.Context, []string) (map[string]map[string]string, error) {
	return map[string]map[string]string{}, nil
}
