package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

// iamChecks are about what AWS lets the controller do. The policy comes by another way than the chart, and lags behind it.
func iamChecks() []Check {
	return []Check{
		{Code: "IAMActionsDenied", Severity: v1alpha1.SeverityWarning, Find: iamActionsDenied},
		{Code: "IAMActionsNeeded", Severity: v1alpha1.SeverityInfo, Find: iamActionsNeeded},
		{Code: "IdentityMissing", Severity: v1alpha1.SeverityWarning, Find: identityMissing},
	}
}

// entered are the minors that the way to the target enters.
func entered(in Input) []*catalog.Row {
	from := in.sourceVersion()
	to, err := semver.NewVersion(in.Spec.Target.Version)
	if from == nil || err != nil {
		return nil
	}
	return in.Catalog.Entered(from, to)
}

// added are the actions that the controller's role needs at the target and did not at the source, each with the minor that brought
// it. What follows the action's name says on what.
func added(in Input) map[string]string {
	out := map[string]string{}
	for _, row := range entered(in) {
		for _, gone := range row.IAM.Remove {
			delete(out, gone)
		}
		for _, a := range row.IAM.Add {
			out[a] = row.Minor
		}
	}
	return out
}

func action(a string) string {
	name, _, _ := strings.Cut(a, " ")
	return name
}

// iamActionsDenied finds what the controller's role may not do and Karpenter needs.
func iamActionsDenied(in Input) []Hit {
	if in.Plan == nil || in.Snapshot.Platform.IAM == nil {
		return nil
	}
	role := in.Snapshot.Platform.IAM
	news := map[string]string{}
	for a, minor := range added(in) {
		news[action(a)] = minor
	}
	var denied []string
	for _, a := range slices.Sorted(maps.Keys(role.Allowed)) {
		if !role.Allowed[a] && neededAt(in, a) {
			if minor := news[a]; minor != "" {
				a += " (from " + minor + " on)"
			}
			denied = append(denied, a)
		}
	}
	if len(denied) == 0 {
		return nil
	}
	return one([]string{role.Role}, fmt.Sprintf("add them to the role's policy before the run; the policy of Karpenter %s is in website/content/en/preview/getting-started/getting-started-with-karpenter/cloudformation.yaml at its tag", in.Spec.Target.Version),
		"iam:SimulatePrincipalPolicy says that the role of Karpenter may not do what the target does: %s", strings.Join(denied, ", "))
}

// neededAt says that Karpenter of the target does an action: it is one of always, or one that a minor up to the target's brought and
// none took away.
func neededAt(in Input, a string) bool {
	to, err := semver.NewVersion(in.Spec.Target.Version)
	if err != nil {
		return false
	}
	known, needed := false, false
	for _, row := range in.Catalog.Rows() {
		brings := slices.ContainsFunc(row.IAM.Add, func(added string) bool { return action(added) == a })
		takes := slices.Contains(row.IAM.Remove, a)
		known = known || brings
		if minor, err := semver.NewVersion(row.Minor); err != nil || minor.GreaterThan(to) {
			continue
		}
		needed = (needed || brings) && !takes
	}
	return needed || !known
}

// iamActionsNeeded lists what the way adds, as far as AWS has not said that the role may do it.
func iamActionsNeeded(in Input) []Hit {
	news := added(in)
	if role := in.Snapshot.Platform.IAM; role != nil {
		maps.DeleteFunc(news, func(a, _ string) bool {
			_, asked := role.Allowed[action(a)]
			return asked // and if it was denied, that is a finding of its own
		})
	}
	if len(news) == 0 {
		return nil
	}
	var actions, notes []string
	for _, a := range slices.Sorted(maps.Keys(news)) {
		actions = append(actions, fmt.Sprintf("%s (%s)", a, news[a]))
	}
	for _, row := range entered(in) {
		for _, n := range row.IAM.Notes {
			notes = append(notes, fmt.Sprintf("%s: %s", row.Minor, n))
		}
	}
	role := "ServiceAccount/" + in.Plan.GreenNamespace() + "/" + in.Plan.ServiceAccount
	if id := in.Snapshot.Platform.Identity; id != nil {
		role = cmp.Or(id.Role, id.PodIdentity, role)
	}
	why := "from the version that runs to the target, Karpenter's role comes to need: " + strings.Join(actions, ", ")
	if len(notes) > 0 {
		why += ". Besides, " + strings.Join(notes, "; ")
	}
	return one([]string{role}, "compare with the role's policies, and add what is missing before the run: aws iam simulate-principal-policy --policy-source-arn ROLE --action-names "+
		strings.Join(simulated(news), " ")+"; with spec.aws this is asked here", "%s", why)
}

func simulated(news map[string]string) []string {
	out := make([]string, 0, len(news))
	for a := range news {
		out = append(out, action(a))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// identityMissing finds that nothing says how the second release would get a role. One that moves is told so by MoveTrustNeeded.
func identityMissing(in Input) []Hit {
	id := in.Snapshot.Platform.Identity
	if in.Plan == nil || in.Plan.Moves() || id == nil || id.Role != "" || id.PodIdentity != "" || len(id.Given) > 0 {
		return nil
	}
	for _, p := range controllers(in) {
		if len(p.Credentials) > 0 && !id.Asked { // EKS gave it a role when it started
			return nil
		}
	}
	why := "nothing in the cluster says how it gets an IAM role: no annotation eks.amazonaws.com/role-arn, no credentials in its environment, and EKS gave its pods none"
	if id.Asked {
		why = "it has no annotation eks.amazonaws.com/role-arn, no credentials in its environment, and no Pod Identity association in EKS"
	}
	return one([]string{fmt.Sprintf("ServiceAccount/%s/%s", id.Namespace, id.ServiceAccount)},
		fmt.Sprintf("aws eks create-pod-identity-association --cluster-name %s --namespace %s --service-account %s --role-arn ROLE, or the annotation with the role's trust policy; leave it where the role of the nodes is meant",
			cmp.Or(in.Plan.ClusterName, "CLUSTER"), id.Namespace, id.ServiceAccount),
		"%s. New pods then take the role of the node that they run on, if IMDS lets them", why)
}
