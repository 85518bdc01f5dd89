package phases

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestACRDOfSomebodyElseStopsTheRun(t *testing.T) {
	w := preflightWorld(t)
	target := shared.crds[greenVersion].CRDs
	at := slices.IndexFunc(target, func(c apiextensionsv1.CustomResourceDefinition) bool { return c.Name == capacityBufferCRD })
	w.setCRD(&target[at])
	w.established(capacityBufferCRD)
	w.Expect(w.findings(v1alpha1.SeverityBlocker)).To(ConsistOf(And(
		HaveField("Code", "CRDForeignOwner"), HaveField("Objects", ConsistOf("CustomResourceDefinition/"+capacityBufferCRD)), HaveField("Why", ContainSubstring("Helm refuses")),
	)))
}

func TestWhatGitOpsWouldUndoIsSaidBefore(t *testing.T) {
	w := preflightWorld(t)
	change(w, w.crd(nodePoolCRD), func(c *apiextensionsv1.CustomResourceDefinition) {
		c.Labels = labels.Merge(c.Labels, labels.Set{"kustomize.toolkit.fluxcd.io/name": "crds"})
	})
	w.Expect(w.blockers()).To(BeEmpty(), "the user decides")
	w.Expect(w.findings(v1alpha1.SeverityWarning)).To(ContainElements(
		And(HaveField("Code", "CRDManagedByGitOps"), HaveField("Objects", ConsistOf("CustomResourceDefinition/"+nodePoolCRD))),
		And(HaveField("Code", "ManagedByGitOps"), HaveField("Objects", ConsistOf("NodePool/general", "EC2NodeClass/default"))), // of which Git has its own marks
	))
}
