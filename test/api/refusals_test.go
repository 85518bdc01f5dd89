package api

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// object is a KarpenterUpgrade with this spec.
func object(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	doc := fmt.Sprintf("apiVersion: %s\nkind: KarpenterUpgrade\nmetadata: {name: %s}\nspec: %s\n", v1alpha1.GroupVersion, name, spec)
	NewWithT(t).Expect(yaml.Unmarshal([]byte(doc), &u.Object)).To(Succeed())
	return u
}

// Each wrong spec is refused with a message that names the field and says what is right. What only the cluster can tell (a
// version that does not exist, a downgrade) is refused by Preflight: see the tests of internal/plan and internal/check.
func TestWrongSpecsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ spec, field, says string }{
		"no target":                      {`{mode: Run}`, "spec.target", "Required value"},
		"empty version":                  {`{target: {version: ""}}`, "spec.target.version", "three numbers"},
		"version with a v":               {`{target: {version: v1.14.1}}`, "spec.target.version", "without a leading v"},
		"version without a patch":        {`{target: {version: "1.14"}}`, "spec.target.version", "such as 1.14.1"},
		"version latest":                 {`{target: {version: latest}}`, "spec.target.version", "such as 1.14.1"},
		"unknown mode":                   {`{target: {version: 1.14.1}, mode: Go}`, "spec.mode", `"Plan", "Run", "Pause", "Abort", "Rollback"`},
		"unknown strategy":               {`{target: {version: 1.14.1}, strategy: Canary}`, "spec.strategy", `"BlueGreen", "InPlace"`},
		"nodes kept by new nodes":        {`{target: {version: 1.14.1}, nodes: Keep}`, "spec", "spec.nodes: Keep needs spec.strategy: InPlace"},
		"in place and elsewhere":         {`{target: {version: 1.14.1, namespace: kube-system}, strategy: InPlace}`, "spec", "spec.target.namespace needs spec.strategy: BlueGreen"},
		"in place and new NodePools":     {`{target: {version: 1.14.1}, strategy: InPlace, nodePools: {}}`, "spec", "spec.nodePools needs spec.strategy: BlueGreen"},
		"no namespace":                   {`{target: {version: 1.14.1, namespace: "Kube_System"}}`, "spec.target.namespace", "such as kube-system"},
		"a window of no length":          {`{target: {version: 1.14.1}, windows: [{schedule: "@daily", duration: 0s}]}`, "spec.windows[0].duration", "more than nothing"},
		"a gate before Preflight":        {`{target: {version: 1.14.1}, approval: {gates: [Preflight]}}`, "spec.approval.gates", "policy: Manual instead"},
		"a waiver without a reason":      {`{target: {version: 1.14.1}, waivers: [{code: WorkloadPinned, reason: ""}]}`, "spec.waivers[0].reason", "at least 1"},
		"a waiver of no code":            {`{target: {version: 1.14.1}, waivers: [{code: "all of them", reason: because}]}`, "spec.waivers[0].code", "such as WorkloadPinned"},
		"a stop twice":                   {`{target: {version: 1.14.1, stops: ["1.0.8", "1.0.8"]}}`, "spec.target.stops[1]", "Duplicate value"},
		"charts over https":              {`{target: {version: 1.14.1, chart: {repository: "https://charts.karpenter.sh"}}}`, "spec.target.chart.repository", "oci://public.ecr.aws/karpenter"},
		"empty repository":               {`{target: {version: 1.14.1, chart: {repository: ""}}}`, "spec.target.chart.repository", "must be an OCI repository"},
		"short digest":                   {`{target: {version: 1.14.1, chart: {digest: "sha256:abc"}}}`, "spec.target.chart.digest", "64 hexadecimal digits"},
		"values that are a list":         {`{target: {version: 1.14.1, values: [1]}}`, "spec.target.values", "must be of type object"},
		"source without a release":       {`{target: {version: 1.14.1}, source: {namespace: karpenter}}`, "spec.source.release", "Required value"},
		"source with an empty namespace": {`{target: {version: 1.14.1}, source: {namespace: "", release: karpenter}}`, "spec.source.namespace", "at least 1 chars"},
		"bad quantity":                   {`{target: {version: 1.14.1}, canary: {requests: {cpu: lots}}}`, "spec.canary.requests.cpu", "should match"},
		"canary that never ends":         {`{target: {version: 1.14.1}, canary: {timeout: 48h}}`, "spec.canary.timeout", "between 10s and 24h"},
		"duration in days":               {`{target: {version: 1.14.1}, verify: {soak: 2 days}}`, "spec.verify.soak", "such as 5m"},
		"negative duration":              {`{target: {version: 1.14.1}, migration: {doNotDisruptTimeout: -5m}}`, "spec.migration.doNotDisruptTimeout", "such as 30m"},
		"both orders":                    {`{target: {version: 1.14.1}, migration: {order: {nodes: {}, namespaces: [a]}}}`, "spec.migration.order", "exactly one of nodes and namespaces"},
		"neither order":                  {`{target: {version: 1.14.1}, migration: {order: {}}}`, "spec.migration.order", "exactly one of nodes and namespaces"},
		"no namespaces":                  {`{target: {version: 1.14.1}, migration: {order: {namespaces: []}}}`, "spec.migration.order.namespaces", "at least 1 items"},
		"a namespace twice":              {`{target: {version: 1.14.1}, migration: {order: {namespaces: [a, a]}}}`, "spec.migration.order.namespaces[1]", "Duplicate value"},
		"no node at a time":              {`{target: {version: 1.14.1}, migration: {maxUnavailable: 0}}`, "spec.migration.maxUnavailable", "at least 1"},
		"more than all nodes":            {`{target: {version: 1.14.1}, migration: {maxUnavailable: "120%"}}`, "spec.migration.maxUnavailable", "between 1% and 100%"},
		"suffix without a dash":          {`{target: {version: 1.14.1}, nodePools: {suffix: Green}}`, "spec.nodePools.suffix", "begin with a dash"},
		"override that changes nothing":  {`{target: {version: 1.14.1}, nodePools: {overrides: [{name: a}]}}`, "spec.nodePools.overrides[0]", "a patch or a greenName"},
		"override twice":                 {`{target: {version: 1.14.1}, nodePools: {overrides: [{name: a, greenName: b}, {name: a, greenName: c}]}}`, "spec.nodePools.overrides[1]", "Duplicate value"},
		"tag that adopts instances":      {`{target: {version: 1.14.1}, aws: {discoveryTag: {key: karpenter.sh/nodepool}}}`, "spec.aws.discoveryTag.key", "use karpenter.sh/discovery"},
		"tag that belongs to EKS":        {`{target: {version: 1.14.1}, aws: {discoveryTag: {key: kubernetes.io/cluster/demo}}}`, "spec.aws.discoveryTag.key", "use karpenter.sh/discovery"},
		"unknown subnets":                {`{target: {version: 1.14.1}, aws: {discoveryTag: {subnets: All}}}`, "spec.aws.discoveryTag.subnets", `"NodeClass", "NodeGroups", "VPC"`},
		"unknown field":                  {`{target: {version: 1.14.1}, force: true}`, "spec.force", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := api.Create(t.Context(), object(t, "wrong", tc.spec), client.FieldValidation("Strict"), client.DryRunAll)
			g.Expect(err).To(HaveOccurred())
			g.Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).To(ContainSubstring(tc.field))
			g.Expect(err.Error()).To(ContainSubstring(tc.says))
		})
	}
}

func TestALongNameIsRefused(t *testing.T) {
	g := NewWithT(t)
	err := api.Create(t.Context(), object(t, "a-name-that-is-longer-than-the-operator-can-append-to", `{target: {version: 1.14.1}}`))
	g.Expect(err).To(MatchError(ContainSubstring("at most 52 characters")))
}

func TestDefaults(t *testing.T) {
	g := NewWithT(t)
	u := object(t, "defaults", `{target: {version: 1.14.1}, aws: {}}`)
	g.Expect(api.Create(t.Context(), u)).To(Succeed())
	t.Cleanup(func() { g.Expect(api.Delete(cleanup(t), u)).To(Succeed()) })

	got := &v1alpha1.KarpenterUpgrade{}
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(u), got)).To(Succeed())
	g.Expect(got.Spec.Mode).To(Equal(v1alpha1.ModePlan), "nothing is changed in a cluster unless somebody says so")
	g.Expect(got.Spec.Strategy).To(Equal(v1alpha1.StrategyBlueGreen))
	g.Expect(got.Spec.OnFailure).To(Equal(v1alpha1.FailurePolicyRollback))
	g.Expect(got.Spec.Target.Chart.Repository).To(Equal("oci://public.ecr.aws/karpenter"))
	g.Expect(got.Spec.Canary.Timeout.Duration.String()).To(Equal("10m0s"))
	g.Expect(got.Spec.Canary.Requests.Cpu().String()).To(Equal("100m"))
	g.Expect(got.Spec.Migration.MaxUnavailable.String()).To(Equal("10%"))
	g.Expect(got.Spec.Migration.Singletons).To(Equal(v1alpha1.SingletonSurgeRestart))
	g.Expect(got.Spec.Migration.BarePods).To(Equal(v1alpha1.BarePodWait))
	g.Expect(got.Spec.Verify.Soak.Duration.String()).To(Equal("5m0s"))
	g.Expect(got.Spec.AWS.DiscoveryTag.Key).To(Equal("karpenter.sh/discovery"))
	g.Expect(got.Spec.AWS.DiscoveryTag.Subnets).To(Equal(v1alpha1.SubnetsOfNodeClasses))
}
