package phases

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// finding is the only one of a code that Preflight finds now.
func (w *world) finding(code string) v1alpha1.Finding {
	w.t.Helper()
	w.preflight().Run(w.ctx(), w.run)
	var out []v1alpha1.Finding
	for _, f := range w.run.Status.Findings {
		if f.Code == code {
			out = append(out, f)
		}
	}
	w.Expect(out).To(HaveLen(1), "%s among %v", code, codes(w.run.Status.Findings))
	return out[0]
}

// system makes a node that no NodePool owns, with this much to allocate.
func (w *world) system(name, zone, cpu string) {
	w.t.Helper()
	o := w.create(fmt.Sprintf(`{apiVersion: v1, kind: Node, metadata: {name: %s, labels: {topology.kubernetes.io/zone: %s, kubernetes.io/os: linux}}}`, name, zone))
	n := get(w, &corev1.Node{}, "", o.GetName())
	n.Spec.Taints = nil // the API server's: every node begins as not ready
	w.ok(w.api.Update(w.ctx(), n))
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("10"),
	}
	w.ok(w.api.Status().Update(w.ctx(), n))
	w.later(n)
}

// later deletes an object when the test ends.
func (w *world) later(o client.Object) {
	ctx := context.WithoutCancel(w.ctx())
	w.t.Cleanup(func() { w.ok(w.api.Delete(ctx, o, client.GracePeriodSeconds(0))) })
}

// make creates an object that goes with the test.
func (w *world) make(doc string) {
	w.t.Helper()
	w.later(w.create(doc))
}

func TestPreflightLooksForRoomForASecondRelease(t *testing.T) {
	w := preflightWorld(t)
	w.run.Spec.Target.Values = raw(`{"controller": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}}`)
	f := w.finding("NoRoomForSecondRelease")
	w.Expect(f.Severity).To(Equal(v1alpha1.SeverityWarning))
	w.Expect(f.Why).To(And(ContainSubstring("2 pods of 1000m of CPU and 1Gi of memory each"), ContainSubstring("there is no such node")))

	w.system("system-1", "a", "2")
	w.system("system-2", "b", "2")
	w.Expect(w.preflight().Run(w.ctx(), w.run).Kind).To(Equal(engine.KindDone))
	w.Expect(codes(w.run.Status.Findings)).NotTo(ContainElement("NoRoomForSecondRelease"))

	w.make(`
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: heavy}
spec: {nodeName: system-2, containers: [{name: c, image: i, resources: {requests: {cpu: 1500m}}}]}
`)
	f = w.finding("NoRoomForSecondRelease")
	w.Expect(f.Why).To(ContainSubstring("1 of them have a place"))
	w.Expect(f.Why).To(ContainSubstring("system-2 has 500m of CPU free"))
	w.Expect(f.Objects).To(Equal([]string{"HelmRelease/karpenter/karpenter-green", "Node/system-1", "Node/system-2"}))
}

func TestPreflightLooksAtWhatSurroundsKarpenter(t *testing.T) {
	w := preflightWorld(t)
	webhook := func(kind, name, group, resource, selector string) {
		w.make(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: %s
metadata: {name: %s}
webhooks:
- name: hook.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {service: {namespace: gone, name: hook}}
  namespaceSelector: {%s}
  rules: [{apiGroups: [%q], apiVersions: ["*"], resources: [%s], operations: [DELETE]}]
`, kind, name, selector, group, resource))
	}
	webhook("ValidatingWebhookConfiguration", "left-behind", "karpenter.sh", "nodepools", "")
	webhook("MutatingWebhookConfiguration", "mesh", "", "pods", "matchLabels: {mesh: sidecar}")
	webhook("ValidatingWebhookConfiguration", "somebody-elses", "example.com", "widgets", "")
	w.make(`{apiVersion: v1, kind: ConfigMap, metadata: {namespace: karpenter, name: karpenter-global-settings}, data: {aws.clusterName: sandbox}}`)
	w.make(`
apiVersion: apps/v1
kind: DaemonSet
metadata: {namespace: kube-system, name: kube-proxy}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: kube-proxy, image: "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.99.0-minimal-eksbuild.2"}]}}
`)
	w.make(`
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: operator, labels: {app.kubernetes.io/name: karpenter-upgrade-operator}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
`)

	w.permitted()
	f := w.finding("WebhookUnreachable")
	w.Expect(f.Objects).To(Equal([]string{"ValidatingWebhookConfiguration/left-behind", "Service/gone/hook:443"}))
	w.Expect(f.Why).To(ContainSubstring("there is no such Service"))
	w.Expect(w.finding("WorkloadWebhookUnreachable").Objects).To(Equal([]string{"MutatingWebhookConfiguration/mesh", "Service/gone/hook:443"}))
	w.Expect(w.finding("GlobalSettingsIgnored").Objects).To(Equal([]string{"ConfigMap/karpenter/karpenter-global-settings"}))
	w.Expect(w.finding("AddonIncompatible").Why).To(HavePrefix("kube-proxy 1.99 is newer than the API server"))
	w.Expect(w.finding("OperatorOnOwnNodes").Why).To(ContainSubstring("operator on node n1 of NodePool general"))
	w.Expect(w.finding("IAMActionsNeeded").Why).To(ContainSubstring("iam:ListInstanceProfiles (1.7)"))
	w.Expect(w.finding("IdentityMissing").Objects).To(Equal([]string{"ServiceAccount/karpenter/karpenter"}))
	w.Expect(codes(w.run.Status.Findings)).NotTo(ContainElement(BeElementOf("PlatformUnreadable", "NodeClaimsNotTried")), "the chart's permissions are enough")
}

func TestPreflightReadsWhatAlertsName(t *testing.T) {
	w := preflightWorld(t)
	w.make(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: PrometheusRule, listKind: PrometheusRuleList, plural: prometheusrules, singular: prometheusrule}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`)
	rule := &unstructured.Unstructured{}
	w.ok(yaml.Unmarshal([]byte(`
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {namespace: shop, name: karpenter}
spec: {groups: [{rules: [{alert: Ignored, expr: "sum(karpenter_ignored_pod_count) > 3"}, {alert: Up, expr: up}]}]}
`), &rule.Object))
	w.Eventually(func() error { return w.api.Create(w.ctx(), rule) }, patience, glance).Should(Succeed())
	f := w.finding("MetricsRenamed")
	w.Expect(f.Objects).To(Equal([]string{"PrometheusRule/shop/karpenter"}))
	w.Expect(f.Why).To(ContainSubstring("karpenter_ignored_pod_count is karpenter_scheduler_ignored_pod_count"))
}

func TestPreflightTriesWhetherNodeClaimsCanBeWritten(t *testing.T) {
	w := preflightWorld(t)
	claims := w.all(phase.NodeClaimKind)
	w.Expect(claims).NotTo(BeEmpty())
	name, before := claims[0].GetName(), claims[0].GetResourceVersion()
	w.Expect(w.blockers()).To(BeEmpty())
	w.make(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: refuses-a-nodeclaim}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [karpenter.sh], apiVersions: ["*"], resources: [nodeclaims], operations: [UPDATE]}]}
  matchConditions: [{name: it, expression: "object.metadata.name == '%s'"}]
  validations: [{expression: "false", message: "nodeClassRef.group is not set"}]
`, name))
	w.make(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: refuses-a-nodeclaim}
spec: {policyName: refuses-a-nodeclaim, validationActions: [Deny]}
`)
	w.Eventually(w.blockers, patience, glance).Should(Equal([]string{"NodeClaimUnwritable"}))
	f := w.finding("NodeClaimUnwritable")
	w.Expect(f.Objects).To(Equal([]string{"NodeClaim/" + name}))
	w.Expect(f.Why).To(ContainSubstring("nodeClassRef.group is not set"))
	w.Expect(w.all(phase.NodeClaimKind)[0].GetResourceVersion()).To(Equal(before), "it was only tried")
}

func TestPreflightAsksAWSWhatTheRunComesTo(t *testing.T) {
	w, p := preflightWithAWS(t)
	account := startAWS(t)
	w.run.Spec.AWS.DiscoveryTag.Key = "team/cluster" // so that nothing selects by it
	w.run.Spec.Target.Values = raw(`{"settings": {"interruptionQueue": "gone"}}`)
	look := func() []string {
		w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindDone))
		return codes(w.run.Status.Findings)
	}
	w.Expect(look()).To(And(
		ContainElements("IAMActionsDenied", "InterruptionQueueMissing"), Not(ContainElement("IdentityMissing")), Not(ContainElement("SelectorMatchesNothing")),
		Not(ContainElement("SubnetsFull")), Not(ContainElement("NodeRoleMissing")), Not(ContainElement("PlatformUnreadable")), Not(ContainElement("IAMActionsNeeded")),
	))
	w.Expect(w.run.Status.Findings).To(ContainElement(And(
		HaveField("Code", "IAMActionsDenied"), HaveField("Objects", Equal([]string{"arn:aws:iam::123456789012:role/KarpenterControllerRole-sandbox"})),
		HaveField("Why", HaveSuffix("what the target does: iam:ListInstanceProfiles (from 1.7 on)")))), "by Pod Identity")

	w.run.Spec.Target.Values = raw(`{"settings": {"interruptionQueue": "sandbox"}}`)
	w.Expect(look()).NotTo(ContainElement("InterruptionQueueMissing"))

	_, err := account.AddFault(w.ctx(), control.Fault{Service: "iam", Code: "AccessDenied"})
	w.ok(err)
	look()
	w.Expect(w.run.Status.Findings).To(ContainElements(
		And(HaveField("Code", "PlatformUnreadable"), HaveField("Why", ContainSubstring("simulating the policies of arn:aws:iam::123456789012:role/KarpenterControllerRole-sandbox"))),
		And(HaveField("Code", "PlatformUnreadable"), HaveField("Why", ContainSubstring("looking for IAM role KarpenterNodeRole-sandbox"))),
		HaveField("Code", "IAMActionsNeeded"),
	), "what AWS does not say is a finding, and stops nothing")
	before := w.run.Status.Findings
	look()
	w.Expect(w.run.Status.Findings).To(Equal(before), "it says the same as long as nothing changes")
	w.ok(account.ClearFaults(w.ctx()))

	change(w, w.nodeClass("default"), func(c *unstructured.Unstructured) {
		w.ok(unstructured.SetNestedSlice(c.Object, []any{map[string]any{"tags": map[string]any{"team": "*"}}}, "spec", "subnetSelectorTerms"))
	})
	_, err = account.AddFault(w.ctx(), control.Fault{Service: "iam", Action: "GetRole", Code: "NoSuchEntity"})
	w.ok(err)
	w.Expect(p.Run(w.ctx(), w.run).Kind).To(Equal(engine.KindBlocked))
	w.Expect(w.run.Status.Findings).To(ContainElements(
		And(HaveField("Code", "SelectorMatchesNothing"), HaveField("Objects", Equal([]string{"EC2NodeClass/default"})), HaveField("Why", ContainSubstring("match no subnet in AWS"))),
		And(HaveField("Code", "NodeRoleMissing"), HaveField("Objects", ContainElement("role KarpenterNodeRole-sandbox"))),
	))
	w.Expect(calls(t, account, "CreateTags")).To(BeZero())
}

func TestCloudLooksAndOnlyLooks(t *testing.T) {
	g, c, _ := newCloud(t)
	tagged := []cloud.Filter{{Name: "tag:" + discovery, Values: []string{"sandbox"}}}
	g.Expect(c.Subnets(t.Context(), tagged)).To(HaveExactElements(
		And(HaveField("ID", subnetA), HaveField("Zone", "us-west-2a"), HaveField("Free", BeNumerically(">", 8000))), HaveField("ID", subnetB)))
	g.Expect(c.SecurityGroups(t.Context(), tagged)).To(Equal([]string{groupCluster}))
	g.Expect(c.SecurityGroups(t.Context(), []cloud.Filter{{Name: "group-name", Values: []string{"sandbox-nodes"}}})).To(Equal([]string{groupNodes}))
	g.Expect(c.Subnets(t.Context(), []cloud.Filter{{Name: "tag-key", Values: []string{"nobody/has"}}})).To(BeEmpty())

	role, err := c.PodIdentity(t.Context(), "sandbox", "karpenter", "karpenter")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(role).To(Equal("arn:aws:iam::123456789012:role/KarpenterControllerRole-sandbox"))
	g.Expect(c.PodIdentity(t.Context(), "sandbox", "karpenter", "default")).To(BeEmpty())
	g.Expect(c.Allowed(t.Context(), role, []string{"ec2:DescribeSubnets", "iam:ListInstanceProfiles"})).To(Equal(
		map[string]bool{"ec2:DescribeSubnets": true, "iam:ListInstanceProfiles": false}))
	g.Expect(c.HasQueue(t.Context(), "sandbox")).To(BeTrue())
	g.Expect(c.HasQueue(t.Context(), "gone")).To(BeFalse())
	g.Expect(c.HasRole(t.Context(), "sandbox-node")).To(BeTrue())
	g.Expect(c.HasRole(t.Context(), "gone")).To(BeFalse())
	g.Expect(c.HasInstanceProfile(t.Context(), "KarpenterNodeInstanceProfile-sandbox")).To(BeTrue())
	g.Expect(c.HasInstanceProfile(t.Context(), "gone")).To(BeFalse())

	_, err = c.Allowed(t.Context(), "arn:aws:iam::123456789012:role/gone", []string{"ec2:DescribeSubnets"})
	g.Expect(err).To(MatchError(ContainSubstring("simulating the policies of arn:aws:iam::123456789012:role/gone")))
}
