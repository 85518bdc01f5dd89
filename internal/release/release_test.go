package release

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestHoldsNodes(t *testing.T) {
	for manifest, kind := range map[string]string{
		"kind: Deployment\nspec: {text: \"kind: NodePool\"}\n":               "",
		"---\napiVersion: karpenter.sh/v1\nkind: NodePool\n":                 "NodePool",
		"---\nkind: \"EC2NodeClass\"  \nmetadata: {}\n":                      "EC2NodeClass",
		"kind: Service\n---\nkind: CustomResourceDefinition\nmetadata: {}\n": "CustomResourceDefinition",
		"kind: NodePoolOfSomebodyElse\n  kind: Namespace\n":                  "",
	} {
		NewWithT(t).Expect(HoldsNodes(manifest)).To(Equal(kind), manifest)
	}
}
