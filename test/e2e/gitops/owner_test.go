//go:build e2e

package gitops_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/owner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/flux"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

var _ = Describe("Karpenter 1.0.8 that Flux has installed", Ordered, func() {
	var s *scenario.Stage
	BeforeAll(func(ctx SpecContext) { s = stage(ctx) }, NodeTimeout(buildTimeout+stageTimeout))

	deployment := func(ctx context.Context) *appsv1.Deployment {
		GinkgoHelper()
		d := &appsv1.Deployment{}
		Expect(s.Client.Get(ctx, client.ObjectKey{Namespace: workloads.Namespace, Name: workloads.Release}, d)).To(Succeed())
		return d
	}

	It("is put back by Flux when somebody changes it", func(ctx SpecContext) {
		d := deployment(ctx)
		Expect(d.Spec.Replicas).To(HaveValue(BeEquivalentTo(2)))
		d.Spec.Replicas = ptr.To[int32](1)
		Expect(s.Client.Update(ctx, d, client.FieldOwner("somebody"))).To(Succeed())
		Expect(fieldOwners(deployment(ctx), "spec", "replicas")).To(ConsistOf("somebody"))

		now := time.Now() //nolint:forbidigo // any value that was not asked with before will do
		Expect(flux.Reconcile(ctx, s.Client, workloads.Release, now)).To(Succeed())
		Expect(deployment(ctx).Spec.Replicas).To(HaveValue(BeEquivalentTo(2)), "the drift was corrected")
		Expect(fieldOwners(deployment(ctx), "spec", "replicas")).To(ContainElement("helm-controller"))
		Eventually(func() int32 { return deployment(ctx).Status.ReadyReplicas }).WithContext(ctx).WithPolling(poll).Should(BeEquivalentTo(2))
	}, SpecTimeout(specTimeout))

	It("tells who owns it by its metadata", func(ctx SpecContext) {
		d := deployment(ctx)
		told := owner.Of(owner.Object{
			Group: "apps", Kind: "Deployment", Namespace: d.Namespace, Name: d.Name, Labels: d.Labels, Annotations: d.Annotations, ManagedFields: d.ManagedFields,
		})
		Expect(told).To(And(HaveField("Kind", owner.FluxHelmRelease), HaveField("Release", "karpenter/karpenter")))
		Expect(told.String()).To(Equal("HelmRelease flux-system/karpenter"))
		Expect(told.Evidence).To(Equal([]string{"label helm.toolkit.fluxcd.io/name=karpenter", "manager helm-controller"}))

		crd := &apiextensionsv1.CustomResourceDefinition{}
		Expect(s.Client.Get(ctx, client.ObjectKey{Name: "nodepools.karpenter.sh"}, crd)).To(Succeed())
		told = owner.Of(owner.Object{Name: crd.Name, Labels: crd.Labels, Annotations: crd.Annotations, ManagedFields: crd.ManagedFields})
		Expect(told.String()).To(Equal("HelmRelease flux-system/karpenter-crd"))
	}, SpecTimeout(specTimeout))

	It("is reported by a plan with its owner, and with the commands that hold and release it", func(ctx SpecContext) {
		findings := plan(ctx, s)
		Expect(findings).To(ContainElements(
			And(
				HaveField("Code", "ManagedByGitOps"), HaveField("Severity", v1alpha1.SeverityWarning),
				HaveField("Objects", ConsistOf("Deployment/karpenter/karpenter")),
				HaveField("Why", HavePrefix("HelmRelease flux-system/karpenter keeps them")),
				HaveField("Fix", And(HavePrefix("`flux suspend helmrelease karpenter -n flux-system`"), HaveSuffix("`flux resume helmrelease karpenter -n flux-system`"))),
			),
			And(
				HaveField("Code", "CRDManagedByGitOps"), HaveField("Objects", ContainElement("CustomResourceDefinition/nodepools.karpenter.sh")),
				HaveField("Why", HavePrefix("HelmRelease flux-system/karpenter-crd keeps them")),
			),
		))
		Expect(findings).NotTo(ContainElement(HaveField("Severity", v1alpha1.SeverityBlocker)), "the user decides")
	}, SpecTimeout(specTimeout))

	It("is not upgraded while Git has v1beta1", func(ctx SpecContext) {
		Eventually(func() error { return applyClass(ctx, s, "v1beta1") }).WithContext(ctx).WithPolling(poll).Should(Succeed(), "once its webhooks answer")
		Expect(plan(ctx, s)).To(ContainElement(And(
			HaveField("Code", "BetaManifestsInGit"), HaveField("Severity", v1alpha1.SeverityBlocker),
			HaveField("Objects", ConsistOf("EC2NodeClass/from-git")),
			HaveField("Why", HavePrefix("Kustomization flux-system/nodes writes them as v1beta1 (manager kustomize-controller")),
		)))
		Expect(applyClass(ctx, s, "v1")).To(Succeed())
		Expect(plan(ctx, s)).To(And(ContainElement(HaveField("Code", "ManagedByGitOps")), Not(ContainElement(HaveField("Code", "BetaManifestsInGit")))), "what it writes now is v1")
	}, SpecTimeout(specTimeout))
})

// plan has the operator plan the upgrade of the sample, and returns what it finds.
func plan(ctx context.Context, s *scenario.Stage) []v1alpha1.Finding {
	GinkgoHelper()
	run, err := s.Sample()
	Expect(err).NotTo(HaveOccurred())
	run.Spec.Mode = v1alpha1.ModePlan
	Expect(s.Begin(ctx, run)).To(Succeed())
	Eventually(func() (*v1alpha1.Plan, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(run), run)
		return run.Status.Plan, err
	}).WithContext(ctx).WithPolling(poll).ShouldNot(BeNil())
	findings := run.Status.Findings
	AddReportEntry("findings", ReportEntryVisibilityFailureOrVerbose, findings)
	Expect(s.Client.Delete(ctx, run)).To(Succeed())
	Eventually(func() error { return s.Client.Get(ctx, client.ObjectKeyFromObject(run), run) }).WithContext(ctx).WithPolling(poll).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
	return findings
}

// applyClass applies an EC2NodeClass in a version, as Flux's kustomize-controller does.
func applyClass(ctx context.Context, s *scenario.Stage, version string) error {
	spec := map[string]any{
		"amiFamily": "AL2023", "role": sandbox.NodeRole,
		"subnetSelectorTerms":        []any{map[string]any{"tags": map[string]any{"karpenter.sh/discovery": sandbox.ClusterName}}},
		"securityGroupSelectorTerms": []any{map[string]any{"tags": map[string]any{"karpenter.sh/discovery": sandbox.ClusterName}}},
	}
	if version == "v1" {
		spec["amiSelectorTerms"] = []any{map[string]any{"alias": "al2023@latest"}}
		delete(spec, "amiFamily")
	}
	class := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "karpenter.k8s.aws/" + version, "kind": "EC2NodeClass",
		"metadata": map[string]any{"name": "from-git", "labels": map[string]any{
			"kustomize.toolkit.fluxcd.io/name": "nodes", "kustomize.toolkit.fluxcd.io/namespace": flux.Namespace,
		}},
		"spec": spec,
	}}
	return s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(class), client.FieldOwner("kustomize-controller"), client.ForceOwnership)
}

// fieldOwners are the names by which a field of a Deployment is owned.
func fieldOwners(d *appsv1.Deployment, path ...string) []string {
	GinkgoHelper()
	managers, err := owner.FieldOwners(d.ManagedFields, path...)
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, m := range managers {
		out = append(out, m.Name)
	}
	return out
}
