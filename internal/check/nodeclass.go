package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// nodeClassChecks are about the EC2NodeClasses that the run copies: what is wrong with one is wrong with its copy.
func nodeClassChecks() []Check {
	return []Check{
		{Code: "NodeClassNotReady", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: eachNodeClass(nodeClassNotReady)},
		{Code: "AL2Gone", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: eachNodeClass(al2Gone)},
		{Code: "AL2Ends", Severity: v1alpha1.SeverityWarning, Find: eachNodeClass(al2Ends)},
		{Code: "AMILatest", Severity: v1alpha1.SeverityInfo, Find: amiLatest},
	}
}

// eachNodeClass runs a check over the EC2NodeClasses of the NodePools that the plan replaces.
func eachNodeClass(find func(in Input, class *unstructured.Unstructured) []Hit) func(Input) []Hit {
	return func(in Input) []Hit {
		classes := nodeClasses(in)
		out := make([]Hit, 0, len(classes))
		for _, class := range classes {
			out = append(out, find(in, class)...)
		}
		return out
	}
}

// nodeClasses are the EC2NodeClasses that NodePools which the plan replaces refer to, as their green copies will be: with what
// spec.nodePools.nodeClassOverrides changes. Of one that it changes the status is left out, for it speaks of the blue one.
func nodeClasses(in Input) []*unstructured.Unstructured {
	used := map[string]bool{}
	for _, p := range planned(in) {
		used[snapshot.NodeClassName(p)] = true
	}
	var out []*unstructured.Unstructured
	for i := range in.Snapshot.NodeClasses {
		if c := &in.Snapshot.NodeClasses[i]; used[c.GetName()] {
			out = append(out, overridden(in, c))
		}
	}
	return out
}

func overridden(in Input, c *unstructured.Unstructured) *unstructured.Unstructured {
	patch := classPatch(in, c.GetName())
	if patch == nil {
		return c
	}
	spec, _, _ := unstructured.NestedMap(c.Object, "spec")
	merged, err := values.Merge(spec, patch)
	if err != nil {
		return c
	}
	c = c.DeepCopy()
	c.Object["spec"] = merged
	delete(c.Object, "status")
	return c
}

// classPatch is what the run changes in the green copy of an EC2NodeClass; nil for nothing.
func classPatch(in Input, name string) []byte {
	if in.Spec.NodePools == nil || in.Spec.Strategy == v1alpha1.StrategyInPlace {
		return nil
	}
	for _, o := range in.Spec.NodePools.NodeClassOverrides {
		if o.Name == name && o.Patch != nil {
			return o.Patch.Raw
		}
	}
	return nil
}

// helps says what helps when a condition of an EC2NodeClass is False (pkg/apis/v1/ec2nodeclass_status.go of the provider, 1.0 to
// 1.14; ValidationSucceeded is there from 1.3 on).
var helps = map[string]string{
	"SubnetsReady":              "correct spec.subnetSelectorTerms, or tag the subnets that they name",
	"SecurityGroupsReady":       "correct spec.securityGroupSelectorTerms, or tag the security groups that they name",
	"AMIsReady":                 "correct spec.amiSelectorTerms: an alias is gone with its Kubernetes version, and an AMI with its owner",
	"InstanceProfileReady":      "let the controller's role create instance profiles for spec.role, or name one in spec.instanceProfile",
	"ValidationSucceeded":       "give the controller's role what the message names; where a policy of the organisation denies the trial only, set settings.disableDryRun from 1.6.2 on",
	"PlacementGroupReady":       "correct spec.placementGroupSelector",
	"CapacityReservationsReady": "correct spec.capacityReservationSelectorTerms",
}

func nodeClassNotReady(_ Input, c *unstructured.Unstructured) []Hit {
	var why, fix []string
	for _, kind := range slices.Sorted(maps.Keys(helps)) {
		if status, message := snapshot.ConditionStatus(c, kind); status == "False" {
			why, fix = append(why, kind+": "+message), append(fix, helps[kind])
		}
	}
	if status, message := snapshot.ConditionStatus(c, "Ready"); status == "False" && len(why) == 0 {
		why, fix = append(why, message), append(fix, "kubectl describe ec2nodeclass "+c.GetName())
	}
	if lost := resolvesNothing(c); len(why) == 0 && lost != "" {
		why, fix = append(why, "its status has no "+lost), append(fix, "kubectl describe ec2nodeclass "+c.GetName()+" says what it looks for")
	}
	if len(why) == 0 {
		return nil
	}
	return one([]string{"EC2NodeClass/" + c.GetName()}, strings.Join(fix, "; ")+"; or name its NodePools in spec.nodePools.exclude",
		"it is not Ready, so no node can be launched from it, nor from its green copy: %s", strings.Join(why, "; "))
}

// resolvesNothing is what an EC2NodeClass has found none of while it has found the rest.
func resolvesNothing(c *unstructured.Unstructured) string {
	var lost []string
	for _, field := range []string{"subnets", "securityGroups", "amis"} {
		if len(snapshot.Selected(c, field)) == 0 {
			lost = append(lost, field)
		}
	}
	if len(lost) != 1 {
		return "" // it has all, or Karpenter has not looked at it
	}
	return lost[0]
}

// alias is the family and the version of the AMI that an EC2NodeClass selects by alias, in lower case; empty when it does not.
func alias(c *unstructured.Unstructured) (family, version string) {
	terms, _, _ := unstructured.NestedSlice(c.Object, "spec", "amiSelectorTerms")
	for _, t := range terms {
		term, _ := t.(map[string]any)
		if a, _, _ := unstructured.NestedString(term, "alias"); a != "" {
			family, version, _ = strings.Cut(strings.ToLower(a), "@")
		}
	}
	return family, version
}

// isAL2 says that nodes of an EC2NodeClass are of Amazon Linux 2.
func isAL2(c *unstructured.Unstructured) bool {
	by, _ := alias(c)
	family, _, _ := unstructured.NestedString(c.Object, "spec", "amiFamily")
	return by == "al2" || (by == "" && family == "AL2")
}

// lastOfAL2 is the last Kubernetes for which there are AMIs of Amazon Linux 2 (AL2DeprecationError in
// pkg/providers/amifamily/ami.go of the provider 1.14.1).
var lastOfAL2 = semver.New(1, 32, 0, "", "")

func beyondAL2(in Input) bool {
	cluster, err := semver.NewVersion(in.Snapshot.Kubernetes)
	return err == nil && (cluster.Major() > lastOfAL2.Major() || cluster.Minor() > lastOfAL2.Minor())
}

const toAL2023 = "make an EC2NodeClass with `alias: al2023@…` (nodeadm instead of bootstrap.sh in its userData, cgroup v2, VPC CNI 1.16.2 or later) and move the NodePools to it"

func al2Gone(in Input, c *unstructured.Unstructured) []Hit {
	family, version := alias(c)
	if family != "al2" || !beyondAL2(in) {
		return nil
	}
	return one([]string{"EC2NodeClass/" + c.GetName()}, toAL2023+" before the run; or name them in spec.nodePools.exclude",
		"it selects al2@%s, and AWS has no AMI of Amazon Linux 2 for Kubernetes after %d.%d: no node can be launched from it on %s", version, lastOfAL2.Major(), lastOfAL2.Minor(), in.Snapshot.Kubernetes)
}

func al2Ends(in Input, c *unstructured.Unstructured) []Hit {
	if family, _ := alias(c); !isAL2(c) || (family == "al2" && beyondAL2(in)) {
		return nil
	}
	return one([]string{"EC2NodeClass/" + c.GetName()}, toAL2023+", while the cluster is on 1.32 or older",
		"its nodes are of Amazon Linux 2, which AWS makes no AMIs of since November 2025, and none at all for Kubernetes after %d.%d", lastOfAL2.Major(), lastOfAL2.Minor())
}

func amiLatest(in Input) []Hit {
	var objects []string
	for _, c := range nodeClasses(in) {
		if _, version := alias(c); version == "latest" {
			objects = append(objects, "EC2NodeClass/"+c.GetName())
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "pin the version that their nodes run now (kubectl get ec2nodeclass -o jsonpath='{.items[*].status.amis[*].name}') for the run, such as al2023@v20260810",
		"they select their AMI by @latest: green nodes may get a newer one than blue nodes have, so the run would change two things at once, and nodes drift whenever AWS publishes one")
}

// hasAL2023 says that some EC2NodeClass has nodes of Amazon Linux 2023.
func hasAL2023(in Input) bool {
	return slices.ContainsFunc(in.Snapshot.NodeClasses, func(c unstructured.Unstructured) bool {
		by, _ := alias(&c)
		family, _, _ := unstructured.NestedString(c.Object, "spec", "amiFamily")
		return by == "al2023" || family == "AL2023"
	})
}

// objectsOf names objects of one kind.
func objectsOf(kind string, names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, fmt.Sprintf("%s/%s", kind, n))
	}
	return out
}
