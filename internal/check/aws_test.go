package check

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func TestWhichEC2NodeClassesTheTagChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		class string
		want  []string
	}{
		"selects security groups by it":  {`spec: {securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: prod}}]}`, []string{"EC2NodeClass/default", "sg-1", "sg-2"}},
		"selects subnets by it":          {`spec: {subnetSelectorTerms: [{id: subnet-9}, {tags: {karpenter.sh/discovery: prod}}]}`, []string{"EC2NodeClass/default", "subnet-1"}},
		"whatever the value":             {`spec: {subnetSelectorTerms: [{tags: {karpenter.sh/discovery: "*"}}]}`, []string{"EC2NodeClass/default", "subnet-1"}},
		"by another value":               {`spec: {subnetSelectorTerms: [{tags: {karpenter.sh/discovery: dev}}]}`, nil},
		"by another tag":                 {`spec: {securityGroupSelectorTerms: [{tags: {tier: nodes}}]}`, nil},
		"and by another, which some has": {`spec: {securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: prod, tier: nodes}}]}`, []string{"EC2NodeClass/default", "sg-2"}},
		"by id":                          {`spec: {securityGroupSelectorTerms: [{id: sg-1}]}`, nil},
		"has them already": {`status: {securityGroups: [{id: sg-1, name: a}, {id: sg-2, name: b}]}, spec: {securityGroupSelectorTerms: [{id: sg-1}, {id: sg-2}, {tags: {karpenter.sh/discovery: prod}}]}`,
			nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, spec := healthy(t)
			s.NodeClasses[0] = parse(t, `{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: default}, `+tc.class+`}`)
			s.AWS = &snapshot.AWS{Key: "karpenter.sh/discovery", Value: "prod", Untagged: map[string]map[string]string{
				"sg-1": nil, "sg-2": {"tier": "nodes"}, "subnet-1": {},
			}}
			findings := run(t, s, spec)
			if tc.want == nil {
				g.Expect(findings).To(BeEmpty())
				return
			}
			g.Expect(findings).To(ConsistOf(And(
				HaveField("Code", "TagChangesSelection"), HaveField("Severity", v1alpha1.SeverityWarning), HaveField("Objects", Equal(tc.want)),
			)))
		})
	}
}
