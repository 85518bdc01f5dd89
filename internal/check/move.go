package check

import (
	"cmp"
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// moveChecks are about the namespace that the release moves to.
func moveChecks() []Check {
	return []Check{
		{Code: "TargetNamespaceMissing", Severity: v1alpha1.SeverityBlocker, Find: moving(targetNamespaceMissing)},
		{Code: "MoveNeedsConversion", Severity: v1alpha1.SeverityBlocker, Find: moving(moveNeedsConversion)},
		{Code: "MoveReleaseExists", Severity: v1alpha1.SeverityBlocker, Find: moving(moveReleaseExists)},
		{Code: "MoveServiceAccount", Severity: v1alpha1.SeverityBlocker, Find: moving(moveServiceAccount)},
		{Code: "MoveWouldDelete", Severity: v1alpha1.SeverityBlocker, Find: moving(moveWouldDelete)},
		{Code: "MoveTrustNeeded", Severity: v1alpha1.SeverityWarning, Find: moving(moveTrustNeeded)},
	}
}

const namespaceField = "spec.target.namespace"

// moving runs a check for a plan that moves the release.
func moving(find func(in Input, to *snapshot.Destination) []Hit) func(Input) []Hit {
	return func(in Input) []Hit {
		if in.Plan == nil || !in.Plan.Moves() || in.Snapshot.Destination == nil {
			return nil
		}
		return find(in, in.Snapshot.Destination)
	}
}

func targetNamespaceMissing(_ Input, to *snapshot.Destination) []Hit {
	if to.Exists {
		return nil
	}
	return one([]string{"Namespace/" + to.Namespace, namespaceField}, "kubectl create namespace "+to.Namespace, "there is no such namespace, and the run makes none")
}

// moveNeedsConversion finds targets whose CRDs convert: their webhook is named by its Service, and that stays behind.
func moveNeedsConversion(in Input, _ *snapshot.Destination) []Hit {
	version, err := semver.NewVersion(in.Spec.Target.Version)
	if err != nil || version.Major() != 1 || version.Minor() >= 1 {
		return nil
	}
	return one([]string{namespaceField, targetField}, "move with an upgrade to 1.1 or later, which does not convert, or leave spec.target.namespace out",
		"the CRDs of Karpenter %s convert by a webhook, and name the Service of the release in namespace %s, which goes in the move", in.Spec.Target.Version, in.Plan.Namespace)
}

func moveReleaseExists(_ Input, to *snapshot.Destination) []Hit {
	if to.Release == nil {
		return nil
	}
	return one([]string{fmt.Sprintf("HelmRelease/%s/%s", to.Release.Namespace, to.Release.Name)},
		fmt.Sprintf("helm uninstall -n %s %s, if nobody needs it", to.Release.Namespace, to.Release.Name),
		"the release would end there under this name, and there is one already (%s)", to.Release.Status)
}

// moveServiceAccount finds a ServiceAccount that the release could not have, or that both releases would not share.
func moveServiceAccount(in Input, to *snapshot.Destination) []Hit {
	name := in.Plan.ServiceAccount
	objects := []string{fmt.Sprintf("ServiceAccount/%s/%s", to.Namespace, name)}
	switch {
	case !to.Exists || to.RunsAs == "":
		return nil
	case to.RunsAs != name:
		return one(append(objects, "spec.target.values"), "leave serviceAccount out of spec.target.values for the move",
			"the release would run as ServiceAccount %s after the run, and as %s until then: IAM would have to trust both", to.RunsAs, name)
	case !to.MakesAccount && to.Account == nil:
		return one(objects, fmt.Sprintf("create it, with the annotations that ServiceAccount %s/%s has", in.Plan.Namespace, name),
			"it does not exist, and the release does not make it (serviceAccount.create is false)")
	case to.MakesAccount && to.Account != nil && !adoptable(to.Account.Labels, to.Account.Annotations, to.Namespace, in.Plan.Release):
		return one(objects, fmt.Sprintf("if it is Karpenter's and nobody else's: kubectl label sa -n %[1]s %[2]s app.kubernetes.io/managed-by=Helm && kubectl annotate sa -n %[1]s %[2]s meta.helm.sh/release-name=%[3]s meta.helm.sh/release-namespace=%[1]s",
			to.Namespace, name, in.Plan.Release),
			"it exists and is not the release's: Helm refuses to take it over")
	default:
		return nil
	}
}

// adoptable says that Helm takes an object with these labels and annotations for one of a release's own.
func adoptable(labels, annotations map[string]string, namespace, release string) bool {
	return labels["app.kubernetes.io/managed-by"] == "Helm" && annotations["meta.helm.sh/release-name"] == release &&
		annotations["meta.helm.sh/release-namespace"] == namespace
}

func moveWouldDelete(in Input, to *snapshot.Destination) []Hit {
	if to.Holds == "" {
		return nil
	}
	return one([]string{fmt.Sprintf("HelmRelease/%s/%s", in.Plan.Namespace, in.Plan.Release)},
		"annotate it helm.sh/resource-policy=keep, take it out of the release, and upgrade the release at its present version",
		"the release is uninstalled in this namespace before it is installed in the other one, and it holds a %s, which would go with it", to.Holds)
}

// moveTrustNeeded says what IAM has to know. It cannot be seen from within the cluster whether it does.
func moveTrustNeeded(in Input, to *snapshot.Destination) []Hit {
	name := in.Plan.ServiceAccount
	objects := []string{fmt.Sprintf("ServiceAccount/%s/%s", to.Namespace, name)}
	const why = "IAM binds Karpenter's role to namespace and ServiceAccount: without it the new pods get no credentials and do not become Ready, " +
		"and the run goes back in the phase Install, while the present release leads"
	if to.Role != "" {
		return one(objects, fmt.Sprintf("allow system:serviceaccount:%s:%s in the trust policy of %s, beside system:serviceaccount:%s:%s (aws iam update-assume-role-policy); take the old one out after the run",
			to.Namespace, name, to.Role, in.Plan.Namespace, name), why)
	}
	return one(objects, fmt.Sprintf("aws eks create-pod-identity-association --cluster-name %s --namespace %s --service-account %s --role-arn ROLE, with the role of `aws eks list-pod-identity-associations --cluster-name %[1]s --namespace %[4]s`; delete the old one after the run",
		cmp.Or(in.Plan.ClusterName, "CLUSTER"), to.Namespace, name, in.Plan.Namespace), why)
}
