package check

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/owner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
)

func betaChecks() []Check {
	return []Check{
		{Code: "BetaManifestsInGit", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: betaManifestsInGit},
		{Code: "BetaFieldsLeft", Severity: v1alpha1.SeverityWarning, Find: betaFieldsLeft},
	}
}

// betaVersions are the versions that Karpenter's CRDs have up to 1.0 and not from 1.1 on.
var betaVersions = []string{"karpenter.sh/v1beta1", "karpenter.k8s.aws/v1beta1"}

// betaManifestsInGit finds the objects that their owner still writes as v1beta1, on a way to where the CRDs have v1 only. The
// field managers tell: Karpenter's conversion makes objects look like v1 whatever Git has.
func betaManifestsInGit(in Input) []Hit {
	if !leavesBeta(in) {
		return nil
	}
	var found byOwner
	managers := map[string]string{}
	for _, u := range karpenterObjects(in) {
		o := described(u)
		if m, beta := writesBeta(o); beta {
			found.add(u.GetKind()+"/"+u.GetName(), o)
			managers[owner.Of(o).String()] = m.Name
		}
	}
	out := make([]Hit, 0, len(found))
	for i := range found {
		o := &found[i]
		out = append(out, one(o.objects, writeV1(in, o.owner),
			"%s writes them as v1beta1 (manager %s in their managedFields), which the CRDs of %s do not have: from then on it cannot write them, nor anything that it writes along with them",
			o.owner, managers[o.owner.String()], in.Spec.Target.Version)...)
	}
	return out
}

// writeV1 says how to get v1 into the source of an owner: while a Karpenter runs whose CRDs serve both.
func writeV1(in Input, o owner.Owner) string {
	write := fmt.Sprintf("write them as v1 in what %s applies, and let it apply them", o)
	if source := in.source(); source != nil && !servesV1(in) {
		for _, hop := range slices.Backward(in.Plan.Hops) {
			if plan.ServesBeta(hop.Version) {
				return fmt.Sprintf("Karpenter %s serves no v1: go to %s first (spec.target.version: %s), %s; then go on to %s",
					source.Version, hop.Version, hop.Version, write, in.Spec.Target.Version)
			}
		}
	}
	return write + "; `kubectl get nodepools,ec2nodeclasses -o yaml` shows them as v1"
}

// servesV1 says that the CRDs that are there serve v1.
func servesV1(in Input) bool {
	c := in.Snapshot.CRD(coreCRDs[0])
	return c != nil && hasVersion(c, "v1")
}

// betaFieldsLeft finds objects in which somebody's entry in managedFields is of v1beta1, though the owner writes v1 by now. Once
// the CRD has no v1beta1, the API server refuses every server-side apply of such an object, whoever applies it, with "request to
// convert CR to an invalid group/version". Karpenter before 1.0 and conversions leave such entries behind.
func betaFieldsLeft(in Input) []Hit {
	if !leavesBeta(in) {
		return nil
	}
	var objects, arguments []string
	for _, u := range karpenterObjects(in) {
		o := described(u)
		if _, beta := writesBeta(o); beta || !owner.Of(o).PutsBack() {
			continue
		}
		if slices.ContainsFunc(o.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return slices.Contains(betaVersions, e.APIVersion) }) {
			objects = append(objects, u.GetKind()+"/"+u.GetName())
			arguments = append(arguments, strings.ToLower(u.GetKind())+"/"+u.GetName())
		}
	}
	if len(objects) == 0 {
		return nil
	}
	rest := ""
	if n := len(arguments); n > maxObjects {
		arguments, rest = arguments[:maxObjects], fmt.Sprintf(" (and the same for %d more)", n-maxObjects)
	}
	return one(objects, "`kubectl patch "+strings.Join(arguments, " ")+` --type=merge -p '{"metadata":{"managedFields":[{}]}}'`+"`"+rest+": it forgets who wrote which field, until each writes again",
		"their managedFields have entries of v1beta1, which the CRDs of %s do not have: the API server then refuses every server-side apply of them, as Flux and Argo CD do (request to convert CR to an invalid group/version)",
		in.Spec.Target.Version)
}

// leavesBeta says that the way ends where the CRDs have no v1beta1, and begins where they have.
func leavesBeta(in Input) bool {
	source := in.source()
	return source != nil && plan.LeavesBeta(source.Version, in.Spec.Target.Version)
}

// karpenterObjects are all NodePools and EC2NodeClasses, also those that the run leaves as they are.
func karpenterObjects(in Input) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, list := range [][]unstructured.Unstructured{in.Snapshot.NodePools, in.Snapshot.NodeClasses} {
		for i := range list {
			out = append(out, &list[i])
		}
	}
	return out
}

// writesBeta is the manager by which the owner of an object that puts it back writes it as v1beta1.
func writesBeta(o owner.Object) (owner.Manager, bool) {
	who := owner.Of(o)
	if !who.PutsBack() {
		return owner.Manager{}, false
	}
	return owner.Writes(o.ManagedFields, who.Kind, betaVersions...)
}
