package check

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

func parse(tb testing.TB, doc string) unstructured.Unstructured {
	tb.Helper()
	u := unstructured.Unstructured{}
	NewWithT(tb).Expect(yaml.Unmarshal([]byte(doc), &u.Object)).To(Succeed())
	return u
}

func nodePool(tb testing.TB, name, rest string) unstructured.Unstructured {
	tb.Helper()
	return parse(tb, fmt.Sprintf(`{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: %s%s, template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}}}}`, name, rest))
}

// crd is an established CRD that stores v1 and serves these versions.
func crd(name string, versions ...string) apiextensionsv1.CustomResourceDefinition {
	out := apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"meta.helm.sh/release-name": "karpenter-crd", "meta.helm.sh/release-namespace": "karpenter"}},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{
			StoredVersions: []string{"v1"},
			Conditions:     []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}},
		},
	}
	for _, v := range versions {
		out.Spec.Versions = append(out.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: v, Served: true, Storage: v == "v1",
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
		})
	}
	return out
}

// healthy is a cluster in which nothing speaks against 1.0.14 to 1.14.1.
func healthy(tb testing.TB) (*snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec) {
	tb.Helper()
	s := &snapshot.Snapshot{
		TakenAt: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Kubernetes: "v1.33.4-eks-1",
		Installations: []snapshot.Installation{{
			Namespace: "karpenter", Name: "karpenter", Version: "1.0.14", Replicas: 2, ReadyReplicas: 2, ServiceAccount: "karpenter",
			Release: &snapshot.Release{Namespace: "karpenter", Name: "karpenter", Status: "deployed"},
		}},
		CRDReleases: []snapshot.Release{{Namespace: "karpenter", Name: "karpenter-crd", Chart: "karpenter-crd"}},
		NodePools:   []unstructured.Unstructured{nodePool(tb, "general", "}, spec: {weight: 10")},
		NodeClasses: []unstructured.Unstructured{parse(tb, `{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: default}}`)},
		Leaders:     []snapshot.Leader{{Namespace: "karpenter", Lease: "karpenter-leader-election", Identity: "karpenter-1_x", Release: "karpenter"}},
	}
	for _, name := range coreCRDs {
		s.CRDs = append(s.CRDs, crd(name, "v1"))
		s.Target.CRDs = append(s.Target.CRDs, crd(name, "v1"))
	}
	s.Platform.IAM = everythingAllowed(tb)
	s.Target.Chart = snapshot.TargetChart{Ref: "oci://registry/karpenter:1.14.1", Digest: "sha256:aa"}
	s.Target.CRDChart = snapshot.TargetChart{Ref: "oci://registry/karpenter-crd:1.14.1", Digest: "sha256:bb"}
	return s, &v1alpha1.KarpenterUpgradeSpec{Target: v1alpha1.Target{Version: "1.14.1"}}
}

// loaded is the catalogue that is built in; nobody changes it.
var loaded = sync.OnceValues(catalog.Load)

func run(t *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) []v1alpha1.Finding {
	t.Helper()
	c, err := loaded()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	p, refusal := plan.Make(s, spec, c)
	return Run(Input{Snapshot: s, Spec: spec, Plan: p, Refusal: refusal, Catalog: c})
}

func codes(findings []v1alpha1.Finding) []string {
	out := make([]string, 0, len(findings))
	for _, f := range findings {
		out = append(out, f.Code)
	}
	return out
}

func TestNothingIsFoundInAHealthyCluster(t *testing.T) {
	s, spec := healthy(t)
	NewWithT(t).Expect(run(t, s, spec)).To(BeEmpty())
}

type change func(*testing.T, *snapshot.Snapshot, *v1alpha1.KarpenterUpgradeSpec)

// Each entry makes one thing wrong in a healthy cluster; exactly that must be found. The key is the code.
var wrongs = map[string]change{
	"Unreadable": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Problems = []snapshot.Problem{{What: "nodeclaims.karpenter.sh", Error: "conversion webhook failed"}}
	},
	"PermissionsMissing": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Missing = []string{"delete nodes"}
	},
	"ReleaseNotFound": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Installations = nil },
	"ReleaseAmbiguous": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations = append(s.Installations, s.Installations[0])
	},
	"ReleaseNotHelm": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Release = nil
	},
	"TargetVersionInvalid": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Target.Version = "one"
	},
	"TargetVersionUnknown": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Target.Version = "2.0.0"
	},
	"TargetVersionBad": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Target.Version = "1.8.4"
	},
	"StopInvalid": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Target.Stops = []string{"1.3.0"}
	},
	"Downgrade": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "1.14.2"
	},
	"AlreadyAtTarget": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "1.14.1"
	},
	"SourceVersionUnknown": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = ""
	},
	"SourceTooOld": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "0.24.1"
	},
	"ReleasePending": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Release.Status = "pending-upgrade"
	},
	"ReleaseUnhealthy": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].ReadyReplicas = 1
	},
	"GreenReleaseExists": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.GreenRelease = &snapshot.Release{Namespace: "karpenter", Name: "karpenter-green"}
	},
	"CRDReleaseAmbiguous": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDReleases = append(s.CRDReleases, snapshot.Release{Namespace: "other", Name: "karpenter-crd"})
	},
	"LeaderElsewhere": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Leaders = append(s.Leaders, snapshot.Leader{Namespace: "kube-system", Lease: "karpenter-leader-election", Identity: "x_y"})
	},
	"LeaderMissing": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Leaders = nil },
	"LeaderElectionChanged": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.ElectionSettings = []string{"DISABLE_LEADER_ELECTION=true"}
	},
	"KubernetesTooOld": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Kubernetes = "v1.25.9" },
	"KubernetesTooNew": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Kubernetes = "v1.37.0" },
	"TargetVersionNotInCatalog": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Target.Version = "1.15.0"
	},
	"CatalogConfigMapInvalid": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CatalogProblems = []catalog.Problem{{Object: "ConfigMap/operator/rows", Why: `row "1.15": the minors between are missing`, Fix: "add them"}}
	},
	"ChartNotFound": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.Chart.NotFound, s.Target.Chart.Error = true, "not found"
	},
	"ChartUnreachable": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.CRDChart.Error = "403 Forbidden"
	},
	"ChartDigestMismatch": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.Chart.Mismatch, s.Target.Chart.Error = true, "is sha256:cc"
	},
	"ValuesNotRendering": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.RenderError = "settings.clusterName is required"
	},
	"ValuesNeedDecision": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.ValueNotes = []values.Note{{Key: "settings.assumeRoleARN", Why: "why", Fix: "fix", Severity: v1alpha1.SeverityBlocker}}
	},
	"ValuesDropped": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.ValueNotes = []values.Note{{Key: "settings.aws.tags", Why: "why", Fix: "fix", Severity: v1alpha1.SeverityWarning}}
	},
	"ValuesUnknown": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.UnknownValues = []string{"webhook"}
	},
	"CRDMissing": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.CRDs = s.CRDs[1:] },
	"CRDTerminating": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0].DeletionTimestamp = ptr.To(metav1.NewTime(s.TakenAt))
	},
	"CRDNotEstablished": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0].Status.Conditions = nil
	},
	"StoredVersionNotServed": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0] = crd(s.CRDs[0].Name, "v1", "v1beta1")
		s.CRDs[0].Spec.Versions[1].Served = false
		s.CRDs[0].Status.StoredVersions = []string{"v1beta1", "v1"}
		s.Target.CRDs[0] = crd(s.CRDs[0].Name, "v1", "v1beta1")
	},
	"StoredVersionsOutdated": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "1.5.0"
		s.CRDs[0] = crd(s.CRDs[0].Name, "v1", "v1beta1")
		s.CRDs[0].Status.StoredVersions = []string{"v1beta1", "v1"}
	},
	"CRDSchemaNarrower": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0].Spec.Versions[0].Schema.OpenAPIV3Schema.Properties = map[string]apiextensionsv1.JSONSchemaProps{"gone": {Type: "string"}}
	},
	"CRDForeignOwner": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0].Annotations["meta.helm.sh/release-name"] = "platform-crds"
	},
	"CRDConversionUnreachable": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Conversions = []snapshot.Conversion{{CRD: "nodepools.karpenter.sh", Service: "gone/karpenter:8443", Problem: "there is no such Service"}}
	},
	"ServedVersionGoes": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0] = crd(s.CRDs[0].Name, "v1beta1", "v1")
	},
	"NodeClassMissing": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.NodeClasses = nil },
	"AlphaSource": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "0.31.5"
	},
	"ConversionImpossible": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Losses = []convert.Loss{{Object: "EC2NodeClass/default", Field: "spec.amiFamily", Why: "it is Ubuntu", Fix: "name images", Severity: convert.Blocker}}
	},
	"ConversionChanges": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Losses = []convert.Loss{{Object: "NodePool/general", Field: "spec.template.spec.resources", Why: "v1 has none", Fix: "nothing", Severity: convert.Warning}}
	},
	"ConversionNote": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Losses = []convert.Loss{{Object: "NodePool/general", Field: "spec.disruption", Why: "it moves", Fix: "nothing", Severity: convert.Info}}
	},
	"KubeletUndecided": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodePools[0] = nodePool(t, "general", `, annotations: {compatibility.karpenter.sh/v1beta1-kubelet-conversion: "{"}}, spec: {weight: 10`)
	},
	"KeepWouldDrift": func(t *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		spec.Strategy, spec.Nodes = v1alpha1.StrategyInPlace, v1alpha1.NodesKeep
		s.NodePools[0] = nodePool(t, "general", `, annotations: {compatibility.karpenter.sh/v1beta1-kubelet-conversion: "{\"maxPods\": 58}"}}, spec: {weight: 10`)
	},
	"PointOfNoReturn": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version, s.Kubernetes = "0.37.8", "v1.30.0"
	},
	"KubeletMoves": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodePools[0] = nodePool(t, "general", `, annotations: {compatibility.karpenter.sh/v1beta1-kubelet-conversion: "{\"maxPods\": 58}"}}, spec: {weight: 10`)
	},
	"WeightExhausted": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodePools[0] = nodePool(t, "general", "}, spec: {weight: 100")
	},
	"GreenNameTaken": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodeClasses = append(s.NodeClasses, parse(t, `{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: default-v1-14-1}}`))
	},
	"GreenNameTooLong": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodePools[0] = nodePool(t, "a-node-pool-whose-name-is-so-long-that-no-suffix-fits-behind-it", "}, spec: {weight: 10")
	},
	"NodePoolNotReady": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodePools[0] = nodePool(t, "general", `}, status: {conditions: [{type: Ready, status: "False", message: NodeClass not ready}]}, spec: {weight: 10`)
	},
	"StaticNodePool": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodePools = append(s.NodePools, nodePool(t, "reserved", "}, spec: {replicas: 3"))
	},
	"WorkloadPinned": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Workloads = []snapshot.Workload{{Kind: "Deployment", Namespace: "shop", Name: "web", NodePools: []string{"general"}}}
	},
	"OverrideUnknown": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.NodePools = &v1alpha1.NodePools{Exclude: []string{"gpu"}}
	},
	"CRDManagedByGitOps": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs[0].Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "karpenter-crd"}
	},
	"ManagedByGitOps": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.NodeClasses[0].SetAnnotations(map[string]string{"argocd.argoproj.io/tracking-id": "karpenter:karpenter.k8s.aws/EC2NodeClass:/default"})
	},
	"BetaManifestsInGit": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "1.0.14"
		s.NodePools[0].SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "Terraform", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "karpenter.sh/v1beta1"}})
	},
	"BetaFieldsLeft": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.NodePools[0].SetManagedFields([]metav1.ManagedFieldsEntry{
			{Manager: "Terraform", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "karpenter.sh/v1"},
			{Manager: "karpenter", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "karpenter.sh/v1beta1", Subresource: "status"},
		})
	},
	"TargetNamespaceMissing": moved(func(s *snapshot.Snapshot) { s.Destination.Exists = false }),
	"MoveReleaseExists": moved(func(s *snapshot.Snapshot) {
		s.Destination.Release = &snapshot.Release{Namespace: "kube-system", Name: "karpenter", Status: "failed"}
	}),
	"MoveServiceAccount": moved(func(s *snapshot.Snapshot) { s.Destination.MakesAccount = false }),
	"MoveWouldDelete":    moved(func(s *snapshot.Snapshot) { s.Destination.Holds = "NodePool" }),
	"MoveNeedsConversion": func(t *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		moved(nil)(t, s, spec)
		s.Installations[0].Version, spec.Target.Version, s.Kubernetes = "1.0.8", "1.0.14", "v1.30.4"
	},
	"MoveTrustNeeded": moved(nil),
	"AWSUnreadable": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.AWS = &snapshot.AWS{Error: "no AWS region"}
	},
	"TagChangesSelection": func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.AWS = &snapshot.AWS{Key: "k", Value: "v", Untagged: map[string]map[string]string{"sg-1": {}}}
		s.NodeClasses[0] = parse(t, `{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: default}, spec: {securityGroupSelectorTerms: [{tags: {k: v}}]}}`)
	},
	"WindowInvalid": func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Windows = []v1alpha1.Window{{Schedule: "at night"}}
	},
	CodeAnotherRunActive: func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.ActiveRuns = []string{"other"}
	},
}

// comesWith are findings that a wrong cannot be without.
var comesWith = map[string][]string{
	"StoredVersionsOutdated": {"ServedVersionGoes"},
	"BetaManifestsInGit":     {"ManagedByGitOps"},
	"BetaFieldsLeft":         {"ManagedByGitOps"},
	"AlphaSource":            {"KubernetesTooNew", "KubernetesTooNew", "KubernetesTooNew", "PointOfNoReturn"},
}

func TestEachWrongIsFound(t *testing.T) {
	for code, wrong := range wrongs {
		t.Run(code, func(t *testing.T) {
			g := NewWithT(t)
			s, spec := healthy(t)
			wrong(t, s, spec)
			findings := slices.DeleteFunc(run(t, s, spec), func(f v1alpha1.Finding) bool {
				return f.Code == "MoveTrustNeeded" && f.Code != code // every move comes with it
			})
			g.Expect(codes(findings)).To(Equal(append([]string{code}, comesWith[code]...)))
			g.Expect(findings[0].Objects).NotTo(BeEmpty(), "it names an object")
			g.Expect(findings[0].Why).NotTo(BeEmpty())
			g.Expect(findings[0].Fix).NotTo(BeEmpty())
		})
	}
}

func TestEveryCheckHasACase(t *testing.T) {
	g, seen := NewWithT(t), map[string]bool{}
	for _, c := range All() {
		g.Expect(wrongs).To(HaveKey(c.Code))
		g.Expect(seen).NotTo(HaveKey(c.Code), "codes are told apart")
		seen[c.Code] = true
	}
}

func TestAllChecksRunAndTheWorstComesFirst(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	for _, code := range []string{"ValuesUnknown", "KubernetesTooNew", "WeightExhausted", "CRDTerminating", "Unreadable"} {
		wrongs[code](t, s, spec)
	}
	findings := run(t, s, spec)
	g.Expect(codes(findings)).To(ConsistOf("ValuesUnknown", "KubernetesTooNew", "WeightExhausted", "CRDTerminating", "Unreadable"))
	for i := range 3 {
		g.Expect(findings[i].Severity).To(Equal(v1alpha1.SeverityBlocker))
	}
	g.Expect(Blocked(findings)).To(BeTrue())
	g.Expect(Blocked(findings[3:])).To(BeFalse())
}

func TestFindingsNameABoundedNumberOfObjects(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	s.NodePools = nil
	for i := range 70 {
		s.NodePools = append(s.NodePools, nodePool(t, fmt.Sprintf("p%02d", i), "}, spec: {weight: 100"))
	}
	findings := run(t, s, spec)
	g.Expect(findings[0].Objects).To(HaveLen(20))
	g.Expect(findings[0].Objects[19]).To(Equal("and 51 more"))
}

func TestNarrower(t *testing.T) {
	type schema = apiextensionsv1.JSONSchemaProps
	enum := func(values ...string) []apiextensionsv1.JSON {
		var out []apiextensionsv1.JSON
		for _, v := range values {
			out = append(out, apiextensionsv1.JSON{Raw: []byte(`"` + v + `"`)})
		}
		return out
	}
	under := func(s schema) *schema {
		return &schema{Type: "object", Properties: map[string]schema{"spec": {Type: "object", Properties: map[string]schema{"f": s}}}}
	}
	for name, tc := range map[string]struct {
		older, newer schema
		want         []string
	}{
		"same":                   {schema{Type: "string"}, schema{Type: "string"}, nil},
		"other type":             {schema{Type: "string"}, schema{Type: "integer"}, []string{"spec.f was string and is integer"}},
		"lost value":             {schema{Type: "string", Enum: enum("a", "b")}, schema{Type: "string", Enum: enum("a")}, []string{`spec.f loses the value "b"`}},
		"new value":              {schema{Type: "string", Enum: enum("a")}, schema{Type: "string", Enum: enum("a", "b")}, nil},
		"shorter":                {schema{Type: "string", MaxLength: ptr.To[int64](9)}, schema{Type: "string", MaxLength: ptr.To[int64](8)}, []string{"spec.f has a tighter maxLength"}},
		"longer":                 {schema{Type: "string", MaxLength: ptr.To[int64](8)}, schema{Type: "string", MaxLength: ptr.To[int64](9)}, nil},
		"lower maximum":          {schema{Type: "integer"}, schema{Type: "integer", Maximum: ptr.To(5.0)}, []string{"spec.f has a tighter maximum"}},
		"required":               {schema{Type: "object"}, schema{Type: "object", Required: []string{"a"}, Properties: map[string]schema{"a": {}}}, []string{"spec.f requires a"}},
		"required, default":      {schema{Type: "object"}, schema{Type: "object", Required: []string{"a"}, Properties: map[string]schema{"a": {Default: &apiextensionsv1.JSON{Raw: []byte("1")}}}}, nil},
		"fields lost":            {schema{Type: "object", Properties: map[string]schema{"a": {Type: "string"}}}, schema{Type: "object"}, []string{"spec.f loses the field a"}},
		"fields kept as unknown": {schema{Type: "object", Properties: map[string]schema{"a": {Type: "string"}}}, schema{Type: "object", XPreserveUnknownFields: ptr.To(true)}, nil},
		"room for each value once": {
			schema{Type: "array", MaxItems: ptr.To[int64](50), Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &schema{Type: "string", Enum: enum("a", "b")}}},
			schema{Type: "array", MaxItems: ptr.To[int64](2), Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &schema{Type: "string", Enum: enum("a", "b")}}}, nil},
		"items": {
			schema{Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &schema{Type: "string"}}},
			schema{Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &schema{Type: "integer"}}}, []string{"spec.f[] was string and is integer"}},
		"values of a map": {
			schema{Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &schema{Type: "string"}}},
			schema{Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &schema{Type: "integer"}}}, []string{"spec.f{} was string and is integer"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Narrower(under(tc.older), under(tc.newer))).To(BeComparableTo(tc.want))
		})
	}
}

func TestTheLeaderMustBeOfTheRelease(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	s.Leaders[0].Release, s.Leaders[0].Identity = "karpenter-old", "karpenter-old-1_x"
	findings := run(t, s, spec)
	g.Expect(codes(findings)).To(Equal([]string{"LeaderMissing"}))
	g.Expect(findings[0].Why).To(ContainSubstring("karpenter-old-1_x holds it"))
}

func TestAReleaseThatElectsNoLeaderIsFoundInBothReleases(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	s.Installations[0].ElectionSettings = []string{"DISABLE_LEADER_ELECTION=true"}
	s.Target.ElectionSettings = []string{"DISABLE_LEADER_ELECTION=true"}
	findings := run(t, s, spec)
	g.Expect(codes(findings)).To(Equal([]string{"LeaderElectionChanged", "LeaderElectionChanged"}))
	g.Expect(findings[0].Objects).To(ConsistOf("Deployment/karpenter/karpenter"))
	g.Expect(findings[1].Objects).To(ContainElement("HelmRelease/karpenter/karpenter-green"))
}

func TestStoredVersionsAreNoMatterWhereARunRewritesTheObjects(t *testing.T) {
	g := NewWithT(t)
	s, _ := healthy(t)
	g.Expect(migrates(&v1alpha1.Plan{Hops: []v1alpha1.Hop{{Version: "1.0.14", StoredVersion: "v1"}, {Version: "1.14.1"}}}, &s.Target.CRDs[0])).To(BeTrue())
	g.Expect(migrates(&v1alpha1.Plan{Hops: []v1alpha1.Hop{{Version: "1.14.1"}}}, &s.Target.CRDs[0])).To(BeFalse())
}

func TestEveryVersionThatAStandbyWouldShareIsCompared(t *testing.T) {
	g := NewWithT(t)
	installed, target := crd("nodepools.karpenter.sh", "v1beta1", "v1"), crd("nodepools.karpenter.sh", "v1beta1", "v1")
	g.Expect(NarrowerCRD(&installed, &target)).To(BeEmpty())
	installed.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties = map[string]apiextensionsv1.JSONSchemaProps{"gone": {Type: "string"}}
	g.Expect(NarrowerCRD(&installed, &target)).To(ConsistOf(HaveField("Why", ContainSubstring("loses the field gone"))))
	installed.Spec.Versions[0].Served = false
	g.Expect(NarrowerCRD(&installed, &target)).To(BeEmpty(), "nobody uses it")
}
