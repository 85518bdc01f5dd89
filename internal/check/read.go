package check

import (
	"fmt"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func readChecks() []Check {
	return []Check{
		{Code: "Unreadable", Severity: v1alpha1.SeverityBlocker, Find: unreadable},
		{Code: "UnreadableOptional", Severity: v1alpha1.SeverityWarning, Find: unreadableOptional},
		{Code: "PermissionsMissing", Severity: v1alpha1.SeverityBlocker, Find: permissionsMissing},
	}
}

func unreadable(in Input) []Hit {
	out := make([]Hit, 0, len(in.Snapshot.Problems))
	for _, p := range in.Snapshot.Problems {
		if p.Optional {
			continue
		}
		out = append(out, Hit{
			Objects: []string{p.What},
			Why:     fmt.Sprintf("%s cannot be read, so nothing can be said about what is there: %s", p.What, p.Error),
			Fix:     fmt.Sprintf("make `kubectl get %s` work first", p.What),
		})
	}
	return out
}

// unreadableOptional is about what only checks look at: the run goes without.
func unreadableOptional(in Input) []Hit {
	var objects, said []string
	for _, p := range in.Snapshot.Problems {
		if p.Optional {
			objects = append(objects, p.What)
			said = append(said, p.What+": "+p.Error)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "allow whoever makes the plan to list them (the operator's chart does), and make it again",
		"they cannot be read, so the checks that look at them find nothing, which does not mean that there is nothing: %s", strings.Join(said, "; "))
}

func permissionsMissing(in Input) []Hit {
	var out []Hit
	if missing := in.Snapshot.Missing; len(missing) > 0 {
		out = append(out, Hit{
			Objects: missing,
			Why: "the target's chart grants Karpenter permissions that this operator does not hold itself, and Kubernetes lets nobody grant what he does not hold: " +
				strings.Join(missing, "; "),
			Fix: "upgrade this operator's chart, or add the rules to its value rbac.additionalKarpenterRules",
		})
	}
	if missing := in.Snapshot.MissingForHelm; len(missing) > 0 {
		out = append(out, Hit{
			Objects: missing,
			Why: "the run installs, upgrades and removes these objects of Karpenter's releases, and this operator, whose permissions are bound to their names, may not: " +
				strings.Join(missing, "; "),
			Fix: "upgrade this operator's chart with " + ownValues(in),
		})
	}
	return out
}

// ownValues are the values of the operator's chart from which the names are made that its permissions are bound to.
func ownValues(in Input) string {
	source := in.source()
	if source == nil {
		return "karpenter.namespace and karpenter.release as Karpenter's release has them"
	}
	out := fmt.Sprintf("--set karpenter.namespace=%s,karpenter.release=%s", source.Namespace, source.Release.Name)
	if in.Plan.Moves() {
		out += ",karpenter.targetNamespace=" + in.Plan.TargetNamespace
	}
	for _, values := range []map[string]any{in.Snapshot.Target.Values, source.Release.Values} {
		if name, ok := values["fullnameOverride"].(string); ok && name != "" {
			return out + ",karpenter.fullnameOverride=" + name
		}
	}
	return out
}
