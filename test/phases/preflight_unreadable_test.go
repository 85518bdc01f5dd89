package phases

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestWhatCannotBeReadIsNamedAndTheRestIsFound(t *testing.T) {
	w := preflightWorld(t)
	w.permitted()
	w.Expect(w.blockers()).To(BeEmpty())
	for _, role := range []string{operatorName, operatorName + "-karpenter"} {
		rules := get(w, &rbacv1.ClusterRole{}, "", role).Rules
		w.setRules(role, slices.DeleteFunc(rules, func(r rbacv1.PolicyRule) bool {
			return slices.Contains(r.APIGroups, "karpenter.k8s.aws") || slices.Contains(r.Resources, "endpointslices")
		}))
	}
	change(w, w.crd(nodeClaimCRD), func(c *apiextensionsv1.CustomResourceDefinition) {
		c.Annotations["meta.helm.sh/release-name"] = "platform"
	})

	var found []v1alpha1.Finding
	w.Eventually(func() []v1alpha1.Finding {
		found = w.findings(v1alpha1.SeverityBlocker)
		return found
	}).WithTimeout(patience).WithPolling(glance).Should(ContainElements(
		HaveField("Objects", []string{"ec2nodeclasses.karpenter.k8s.aws"}), HaveField("Objects", []string{"services"}),
		HaveField("Code", "CRDForeignOwner"), HaveField("Code", "PermissionsMissing"),
	))
	w.Expect(found[0].Code).To(Equal("Unreadable"))
	w.Expect(found[0].Why).To(And(
		HavePrefix("ec2nodeclasses.karpenter.k8s.aws cannot be read, so nothing can be said about what is there: "),
		ContainSubstring("is forbidden")))
	w.Expect(w.run.Status.Plan.Pools).To(HaveLen(1), "NodePools can be read")
	w.Expect(w.run.Status.Plan.Nodes).To(Equal(int32(2)))
}
