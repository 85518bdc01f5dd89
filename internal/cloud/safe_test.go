package cloud

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// A client without a connection: whatever gets past the guard would panic.
func TestNothingIsTaggedThatCouldAdoptOrKillAnInstance(t *testing.T) {
	for name, tc := range map[string]struct {
		ids []string
		key string
	}{
		"an instance":             {[]string{"subnet-1", "i-0abc"}, "karpenter.sh/discovery"},
		"a launch template":       {[]string{"lt-0abc"}, "karpenter.sh/discovery"},
		"nodepool":                {[]string{"subnet-1"}, "karpenter.sh/nodepool"},
		"nodeclaim":               {[]string{"subnet-1"}, "karpenter.sh/nodeclaim"},
		"provisioner":             {[]string{"sg-1"}, "karpenter.sh/provisioner-name"},
		"nodeclass":               {[]string{"sg-1"}, "karpenter.k8s.aws/ec2nodeclass"},
		"cluster of EKS":          {[]string{"sg-1"}, "eks:eks-cluster-name"},
		"cluster of Kubernetes":   {[]string{"sg-1"}, "kubernetes.io/cluster/demo"},
		"a key that AWS reserves": {[]string{"sg-1"}, "aws:cloudformation:stack-name"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, err := range []error{(&AWS{}).Tag(t.Context(), tc.ids, tc.key, "v"), (&AWS{}).Untag(t.Context(), tc.ids, tc.key, "v")} {
				g.Expect(err).To(HaveOccurred())
				g.Expect(fault.Classify(err)).To(Equal(fault.Terminal))
			}
		})
	}
	NewWithT(t).Expect(onlySafe([]string{"subnet-1", "sg-1"}, "karpenter.sh/discovery")).To(Succeed())
}
