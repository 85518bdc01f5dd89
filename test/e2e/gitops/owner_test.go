//go:build e2e

package gitops_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/owner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/flux"
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
		run, err := s.Sample()
		Expect(err).NotTo(HaveOccurred())
		run.Spec.Mode = v1alpha1.ModePlan
		Expect(s.Begin(ctx, run)).To(Succeed())
		found := func(g Gomega, ctx context.Context) []v1alpha1.Finding {
			g.Expect(s.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
			return run.Status.Findings
		}
		Eventually(found).WithContext(ctx).WithPolling(poll).Should(ContainElements(
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
		AddReportEntry("findings", ReportEntryVisibilityFailureOrVerbose, run.Status.Findings)
		Expect(run.Status.Findings).NotTo(ContainElement(HaveField("Code", "BetaManifestsInGit")))
	}, SpecTimeout(specTimeout))
})

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
