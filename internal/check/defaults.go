package check

import (
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nodeDefaultsChange finds EC2NodeClasses from which a version on the way makes other nodes than before. The hop limit of the
// instance metadata is no such thing: 1.0 changed its default, and what is stored keeps the old one. What holds for every EC2NodeClass
// alike stands in the plan (hops.changes).
func nodeDefaultsChange(in Input) []Hit {
	if !in.enters(semver.New(1, 0, 0, "", "")) {
		return nil
	}
	var taint, config []string
	for i := range in.Snapshot.NodeClasses {
		c := &in.Snapshot.NodeClasses[i]
		userData, _, _ := unstructured.NestedString(c.Object, "spec", "userData")
		switch family(c) {
		case "Custom":
			if !strings.Contains(userData, "karpenter.sh/unregistered") {
				taint = append(taint, "EC2NodeClass/"+c.GetName())
			}
		case "AL2023":
			if strings.Contains(userData, "NodeConfig") {
				config = append(config, "EC2NodeClass/"+c.GetName())
			}
		}
	}
	var out []Hit
	if len(taint) > 0 {
		out = append(out, one(taint, "let the kubelet register with it (--register-with-taints=karpenter.sh/unregistered:NoExecute), which older versions do not mind",
			"their AMI family is Custom and their user data does not name the taint karpenter.sh/unregistered:NoExecute: 1.0 takes no node that joins without it for its own")...)
	}
	if len(config) > 0 {
		out = append(out, one(config, "compare spec.kubelet and the user data, and look at a node that 1.0 launched",
			"their user data has a NodeConfig for AL2023, and from 1.0 on what Karpenter itself writes into NodeConfig wins over it")...)
	}
	return out
}

// enters says that the way goes from before a version to it, or past it.
func (in Input) enters(version *semver.Version) bool {
	source := in.source()
	if source == nil {
		return false
	}
	from, err := semver.NewVersion(source.Version)
	if err != nil || !from.LessThan(version) {
		return false
	}
	to, err := semver.NewVersion(in.Spec.Target.Version)
	return err == nil && !to.LessThan(version)
}

// family is the AMI family of an EC2NodeClass: spec.amiFamily, or else that of its alias.
func family(class *unstructured.Unstructured) string {
	if name, _, _ := unstructured.NestedString(class.Object, "spec", "amiFamily"); name != "" {
		return name
	}
	terms, _, _ := unstructured.NestedSlice(class.Object, "spec", "amiSelectorTerms")
	for _, t := range terms {
		if m, ok := t.(map[string]any); ok {
			if alias, _, _ := unstructured.NestedString(m, "alias"); strings.HasPrefix(alias, "al2023@") {
				return "AL2023"
			}
		}
	}
	return ""
}
