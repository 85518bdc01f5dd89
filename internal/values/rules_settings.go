package values

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// flattened are the settings that lost their prefix settings.aws.
var flattened = []string{
	"assumeRoleARN", "assumeRoleDuration", "clusterCABundle", "clusterName", "clusterEndpoint", "isolatedVPC",
	"vmMemoryOverheadPercent", "reservedENIs",
}

func settingsMoved(t *translation) {
	for _, key := range flattened {
		t.move("settings.aws."+key, "settings."+key)
	}
	t.move("settings.aws.interruptionQueueName", "settings.interruptionQueue")
	t.move("settings.featureGates.driftEnabled", "settings.featureGates.drift")
}

func nodeNameConvention(t *translation) { remove(t.values, "settings.aws.nodeNameConvention") }

// settingsDropped takes out what 0.32 still read for all nodes and nothing reads any more.
func settingsDropped(t *translation) {
	settingsMoved(t) // 0.32 took both forms
	if v, _ := remove(t.values, "settings.aws.defaultInstanceProfile"); !empty(v) {
		t.warn("settings.aws.defaultInstanceProfile", "Karpenter from 0.33 on has no instance profile that all nodes get",
			"see that each EC2NodeClass has spec.role or spec.instanceProfile")
	}
	if v, _ := remove(t.values, "settings.aws.tags"); !empty(v) {
		t.warn("settings.aws.tags", "Karpenter from 0.33 on has no tags that all instances get", "add them to spec.tags of each EC2NodeClass")
	}
	if v, ok := remove(t.values, "settings.aws.enableENILimitedPodDensity"); ok && empty(v) {
		t.warn("settings.aws.enableENILimitedPodDensity", "Karpenter from 0.33 on always counts pods by network interfaces, where nothing else is said",
			"set maxPods in the kubelet settings: spec.template.spec.kubelet of each NodePool before 1.0, spec.kubelet of each EC2NodeClass from 1.0 on")
	}
	remove(t.values, "settings.aws.enablePodENI") // from 0.32 on nodes have pod-eni where the instance type does
	if v, ok := get(t.values, "settings.aws"); ok && empty(v) {
		remove(t.values, "settings.aws")
	}
}

// What to do about a role that is not assumed any more.
const (
	roleFix    = "give Karpenter's ServiceAccount, by IRSA or EKS Pod Identity, a role that may do the work itself, then "
	roleKeyFix = roleFix + "set the key to null in spec.target.values"
	roleEnvFix = roleFix + "set controller.env in spec.target.values to the variables that the target is to have"
)

// assumeRole takes the role out. Without it Karpenter asks AWS as its ServiceAccount's own role, in that role's account: that
// may see other instances than those it launched, so nothing goes on before somebody decided.
func assumeRole(t *translation) {
	v, _ := remove(t.values, "settings.assumeRoleARN")
	remove(t.values, "settings.assumeRoleDuration")
	if !empty(v) {
		t.note(v1alpha1.SeverityBlocker, "settings.assumeRoleARN", "Karpenter from 1.0 on does not assume another role, and would work as its own, maybe in another account", roleKeyFix)
	}
	t.env("ASSUME_ROLE_ARN", func(entry map[string]any) bool {
		if literal(entry) && empty(entry["value"]) {
			return false
		}
		t.note(v1alpha1.SeverityBlocker, envKey, "Karpenter from 1.0 on does not read ASSUME_ROLE_ARN, and would work as its own role, maybe in another account", roleEnvFix)
		return !literal(entry)
	})
	t.env("ASSUME_ROLE_DURATION", func(entry map[string]any) bool { return !literal(entry) })
}

func drift(t *translation) {
	v, ok := remove(t.values, "settings.featureGates.drift")
	if on, set := truth(v); ok && set && !on {
		t.warn("settings.featureGates.drift", "Karpenter from 1.0 on always replaces nodes that have drifted",
			"bound it by spec.disruption.budgets of each NodePool before the upgrade")
	}
}
