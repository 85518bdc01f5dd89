package cloud

import (
	"fmt"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// owningKeys are the keys by which Karpenter, of any version, finds the instances that it owns and may terminate, and prefixes
// that belong to EKS and AWS (pkg/providers/instance of the provider; restricted tags of pkg/apis/v1/labels.go).
var owningKeys = []string{
	"karpenter.sh/nodepool", "karpenter.sh/nodeclaim", "karpenter.sh/provisioner-name", "karpenter.sh/managed-by",
	"karpenter.k8s.aws/ec2nodeclass", "eks:eks-cluster-name",
}

// onlySafe refuses tags that could adopt or kill an instance, whatever the spec says.
func onlySafe(ids []string, key string) error {
	if slices.Contains(owningKeys, key) || strings.HasPrefix(key, "kubernetes.io/cluster") || strings.HasPrefix(key, "aws:") {
		return fault.NewTerminal(fmt.Errorf("tag key %s is one by which instances are owned: it is never written", key))
	}
	for _, id := range ids {
		if !isSubnet(id) && !isSecurityGroup(id) {
			return fault.NewTerminal(fmt.Errorf("%s is neither a subnet nor a security group: it is never tagged", id))
		}
	}
	return nil
}

func isSubnet(id string) bool        { return strings.HasPrefix(id, "subnet-") }
func isSecurityGroup(id string) bool { return strings.HasPrefix(id, "sg-") }

func split(ids []string) (subnets, groups []string) {
	for _, id := range ids {
		switch {
		case isSubnet(id):
			subnets = append(subnets, id)
		case isSecurityGroup(id):
			groups = append(groups, id)
		}
	}
	return subnets, groups
}
