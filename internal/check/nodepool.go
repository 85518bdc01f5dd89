package check

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func nodePoolChecks() []Check {
	return []Check{
		{Code: "NodeClassMissing", Severity: v1alpha1.SeverityBlocker, Find: nodeClassMissing},
		{Code: "WeightExhausted", Severity: v1alpha1.SeverityBlocker, Find: weightExhausted},
		{Code: "GreenNameTaken", Severity: v1alpha1.SeverityBlocker, Find: greenNameTaken},
		{Code: "GreenNameTooLong", Severity: v1alpha1.SeverityBlocker, Find: greenNameTooLong},
		{Code: "NodePoolNotReady", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: nodePoolNotReady},
		{Code: "StaticNodePool", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: staticNodePool},
		{Code: "WorkloadPinned", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: workloadPinned},
		{Code: "OverrideUnknown", Severity: v1alpha1.SeverityBlocker, Find: overrideUnknown},
	}
}

// planned are the NodePools that the plan replaces.
func planned(in Input) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	if in.Plan == nil {
		return nil
	}
	for i := range in.Snapshot.NodePools {
		p := &in.Snapshot.NodePools[i]
		if slices.ContainsFunc(in.Plan.Pools, func(plan v1alpha1.PoolPlan) bool { return plan.Blue == p.GetName() }) {
			out = append(out, p)
		}
	}
	return out
}

func nodeClassMissing(in Input) []Hit {
	var out []Hit
	for _, p := range planned(in) {
		class := snapshot.NodeClassName(p)
		if !slices.ContainsFunc(in.Snapshot.NodeClasses, func(c unstructured.Unstructured) bool { return c.GetName() == class }) {
			out = append(out, Hit{Objects: []string{"NodePool/" + p.GetName(), "EC2NodeClass/" + class},
				Why: fmt.Sprintf("it refers to the EC2NodeClass %q, which does not exist", class), Fix: "create it, or name the NodePool in spec.nodePools.exclude"})
		}
	}
	return out
}

func weightExhausted(in Input) []Hit {
	if in.Spec.Strategy == v1alpha1.StrategyInPlace {
		return nil // nothing has to weigh more
	}
	if in.Plan == nil || len(in.Plan.Pools) == 0 {
		return nil
	}
	lowest := int32(101)
	for _, p := range in.Plan.Pools {
		if p.Weight > 0 {
			lowest = min(lowest, p.Weight)
		}
	}
	var objects []string
	for _, p := range planned(in) {
		if snapshot.Weight(p) >= int64(lowest) {
			objects = append(objects, "NodePool/"+p.GetName())
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, fmt.Sprintf("lower their spec.weight below %d (this causes no drift)", lowest),
		"green NodePools need a higher weight than all blue ones, and 100 is the highest there is")
}

func greenNameTaken(in Input) []Hit {
	if in.Plan == nil || in.Spec.Strategy == v1alpha1.StrategyInPlace { // then green objects are the blue ones
		return nil
	}
	var objects []string
	for _, p := range in.Plan.Pools {
		if exists(in.Snapshot.NodePools, p.Green) {
			objects = append(objects, "NodePool/"+p.Green)
		}
	}
	for _, c := range in.Plan.NodeClasses {
		if exists(in.Snapshot.NodeClasses, c.Green) {
			objects = append(objects, "EC2NodeClass/"+c.Green)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "set spec.nodePools.suffix, or greenName in spec.nodePools.overrides and nodeClassOverrides, to other names",
		"green objects would get these names, which exist already")
}

// exists says that an object of the name is there which no run made.
func exists(objects []unstructured.Unstructured, name string) bool {
	return slices.ContainsFunc(objects, func(o unstructured.Unstructured) bool {
		return o.GetName() == name && o.GetLabels()[v1alpha1.LabelRun] == ""
	})
}

// maxLabel is the longest value of a label: the name of a NodePool is one, on each of its nodes.
const maxLabel = 63

func greenNameTooLong(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	var objects []string
	for _, p := range in.Plan.Pools {
		if len(p.Green) > maxLabel {
			objects = append(objects, "NodePool/"+p.Blue)
		}
	}
	for _, c := range in.Plan.NodeClasses {
		if len(c.Green) > maxLabel {
			objects = append(objects, "EC2NodeClass/"+c.Blue)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "set a shorter spec.nodePools.suffix, or greenName in spec.nodePools.overrides and nodeClassOverrides",
		"the names of their green copies would be longer than the %d characters that a label holds", maxLabel)
}

func nodePoolNotReady(in Input) []Hit {
	var out []Hit
	for _, p := range planned(in) {
		if status, message := snapshot.ConditionStatus(p, "Ready"); status == "False" {
			out = append(out, Hit{Objects: []string{"NodePool/" + p.GetName()},
				Why: "it is not Ready now, so its green copy would not be either: " + message,
				Fix: "kubectl describe nodepool " + p.GetName() + "; or name it in spec.nodePools.exclude"})
		}
	}
	return out
}

func overrideUnknown(in Input) []Hit {
	if in.Plan == nil || in.Spec.NodePools == nil {
		return nil
	}
	var objects []string
	for _, o := range in.Spec.NodePools.Overrides {
		if !slices.ContainsFunc(in.Plan.Pools, func(p v1alpha1.PoolPlan) bool { return p.Blue == o.Name }) {
			objects = append(objects, "spec.nodePools.overrides: "+o.Name)
		}
	}
	for _, o := range in.Spec.NodePools.NodeClassOverrides {
		if !slices.ContainsFunc(in.Plan.NodeClasses, func(c v1alpha1.NodeClassPlan) bool { return c.Blue == o.Name }) {
			objects = append(objects, "spec.nodePools.nodeClassOverrides: "+o.Name)
		}
	}
	for _, name := range in.Spec.NodePools.Exclude {
		if !slices.ContainsFunc(in.Snapshot.NodePools, func(p unstructured.Unstructured) bool { return p.GetName() == name }) {
			objects = append(objects, "spec.nodePools.exclude: "+name)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "correct the names; the plan replaces "+poolNames(in.Plan.Pools), "there is nothing of these names to change")
}

func poolNames(pools []v1alpha1.PoolPlan) string {
	names := make([]string, 0, len(pools))
	for _, p := range pools {
		names = append(names, p.Blue)
	}
	return strings.Join(names, ", ")
}
