package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func awsChecks() []Check {
	return []Check{
		{Code: "AWSUnreadable", Severity: v1alpha1.SeverityBlocker, Find: awsUnreadable},
		{Code: "TagChangesSelection", Severity: v1alpha1.SeverityWarning, Find: tagChangesSelection},
	}
}

func awsUnreadable(in Input) []Hit {
	if in.Snapshot.AWS == nil || in.Snapshot.AWS.Error == "" {
		return nil
	}
	return one([]string{"spec.aws"}, "set clusterName and region of spec.aws, and let the operator's role do what docs/security.md lists; or leave spec.aws out, and nothing is tagged",
		"what to tag cannot be read from AWS: %s", in.Snapshot.AWS.Error)
}

// selections are the fields by which an EC2NodeClass selects, where its status says what it found, and what it comes to when
// it finds more: a node drifts when its subnet is none of those found, or when its security groups are not all of them
// (pkg/cloudprovider/drift.go of the provider).
var selections = []struct{ terms, status, prefix, effect string }{
	{"subnetSelectorTerms", "subnets", "subnet-", "nodes may then start there too"},
	{"securityGroupSelectorTerms", "securityGroups", "sg-", "new nodes then get them too, and the nodes that it has, blue ones too, drift"},
}

// tagChangesSelection finds EC2NodeClasses that select by the tag that the run adds: they would find more than before, at once.
func tagChangesSelection(in Input) []Hit {
	if in.Plan == nil || in.Snapshot.AWS == nil {
		return nil
	}
	var out []Hit
	for i := range in.Snapshot.NodeClasses {
		c := &in.Snapshot.NodeClasses[i]
		for _, s := range selections {
			found := newlySelected(c, in.Snapshot.AWS, s.terms, s.status, s.prefix)
			if len(found) == 0 {
				continue
			}
			out = append(out, Hit{
				Objects: append([]string{"EC2NodeClass/" + c.GetName()}, found...),
				Why: fmt.Sprintf("the phase Tag puts %s=%s on them, by which EC2NodeClass %s selects: %s (%s)",
					in.Snapshot.AWS.Key, in.Snapshot.AWS.Value, c.GetName(), s.effect, strings.Join(found, ", ")),
				Fix: fmt.Sprintf("set spec.aws.discoveryTag.key to one that no EC2NodeClass selects by, leave spec.aws out, or narrow spec.%s of the EC2NodeClass, for example to ids", s.terms),
			})
		}
	}
	return out
}

// newlySelected are the resources that an EC2NodeClass does not select now and would once they have the tag. Within a term all
// tags have to match, and "*" matches any value (pkg/apis/v1/ec2nodeclass.go of the provider); one of the terms has to.
func newlySelected(class *unstructured.Unstructured, aws *snapshot.AWS, terms, status, prefix string) []string {
	all, _, _ := unstructured.NestedSlice(class.Object, "spec", terms)
	now := snapshot.Selected(class, status)
	var out []string
	for _, id := range slices.Sorted(maps.Keys(aws.Untagged)) {
		tags := maps.Clone(aws.Untagged[id])
		if tags == nil {
			tags = map[string]string{}
		}
		tags[aws.Key] = aws.Value
		selects := func(term any) bool { return matches(term, aws.Key, tags) }
		if strings.HasPrefix(id, prefix) && !slices.Contains(now, id) && slices.ContainsFunc(all, selects) {
			out = append(out, id)
		}
	}
	return out
}

// matches says that a term selects by this key and that it matches these tags. Terms with an id or a name do not select by tags.
func matches(term any, key string, tags map[string]string) bool {
	t, _ := term.(map[string]any)
	wanted, _, _ := unstructured.NestedStringMap(t, "tags")
	if _, byKey := wanted[key]; !byKey {
		return false
	}
	for k, v := range wanted {
		has, there := tags[k]
		if !there || (v != "*" && v != has) {
			return false
		}
	}
	return true
}
