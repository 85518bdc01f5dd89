package check

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
)

func crdChecks() []Check {
	return []Check{
		{Code: "CRDMissing", Severity: v1alpha1.SeverityBlocker, Find: crdMissing},
		{Code: "CRDTerminating", Severity: v1alpha1.SeverityBlocker, Find: eachCRD(crdTerminating)},
		{Code: "CRDNotEstablished", Severity: v1alpha1.SeverityBlocker, Find: eachCRD(crdNotEstablished)},
		{Code: "StoredVersionNotServed", Severity: v1alpha1.SeverityBlocker, Find: eachCRD(storedVersionNotServed)},
		{Code: "StoredVersionsOutdated", Severity: v1alpha1.SeverityBlocker, Find: eachCRD(storedVersionsOutdated)},
		{Code: "CRDSchemaNarrower", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: eachCRD(crdSchemaNarrower)},
		{Code: "CRDForeignOwner", Severity: v1alpha1.SeverityBlocker, Find: eachCRD(crdForeignOwner)},
		{Code: "CRDConversionUnreachable", Severity: v1alpha1.SeverityBlocker, Find: crdConversionUnreachable},
		{Code: "ServedVersionGoes", Severity: v1alpha1.SeverityWarning, Find: servedVersionGoes},
	}
}

// coreCRDs are the CRDs without which Karpenter 1.0 and later does not work.
var coreCRDs = []string{"nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"}

func crdMissing(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	var missing []string
	for _, name := range coreCRDs {
		if in.Snapshot.CRD(name) == nil {
			missing = append(missing, "CustomResourceDefinition/"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return one(missing, "install the chart karpenter-crd at the version that runs", "Karpenter runs without them, so it does nothing")
}

// eachCRD runs a check over the CRDs of Karpenter that are there; target is the same CRD in the target's chart, if it has it.
func eachCRD(find func(in Input, installed, target *apiextensionsv1.CustomResourceDefinition) []Hit) func(Input) []Hit {
	return func(in Input) []Hit {
		out := make([]Hit, 0, len(in.Snapshot.CRDs))
		for i := range in.Snapshot.CRDs {
			installed := &in.Snapshot.CRDs[i]
			var target *apiextensionsv1.CustomResourceDefinition
			if at := slices.IndexFunc(in.Snapshot.Target.CRDs, func(c apiextensionsv1.CustomResourceDefinition) bool { return c.Name == installed.Name }); at >= 0 {
				target = &in.Snapshot.Target.CRDs[at]
			}
			out = append(out, find(in, installed, target)...)
		}
		return out
	}
}

func object(c *apiextensionsv1.CustomResourceDefinition) []string {
	return []string{"CustomResourceDefinition/" + c.Name}
}

func crdTerminating(_ Input, c, _ *apiextensionsv1.CustomResourceDefinition) []Hit {
	return Terminating(c)
}

// Terminating says that a CRD is being deleted.
func Terminating(c *apiextensionsv1.CustomResourceDefinition) []Hit {
	if c.DeletionTimestamp.IsZero() {
		return nil
	}
	return one(object(c), "find out who deleted it before anything else; its objects, and with them nodes, go when its finalizer is done",
		"it is being deleted since %s", c.DeletionTimestamp.UTC().Format("2006-01-02T15:04:05Z"))
}

func crdNotEstablished(_ Input, c, _ *apiextensionsv1.CustomResourceDefinition) []Hit {
	for _, condition := range c.Status.Conditions {
		if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
			return nil
		}
	}
	return one(object(c), "kubectl describe crd "+c.Name, "the API server does not serve it")
}

func storedVersionNotServed(_ Input, c, _ *apiextensionsv1.CustomResourceDefinition) []Hit {
	return StoredNotServed(c)
}

// StoredNotServed says that objects may be stored in versions that a CRD does not serve. Nobody can read them as what they are,
// so whether they can be converted shows only when it is too late.
func StoredNotServed(c *apiextensionsv1.CustomResourceDefinition) []Hit {
	var unserved []string
	for _, stored := range c.Status.StoredVersions {
		served := slices.ContainsFunc(c.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == stored && v.Served
		})
		if !served {
			unserved = append(unserved, stored)
		}
	}
	if len(unserved) == 0 {
		return nil
	}
	return one(object(c), "install the chart karpenter-crd of a version that serves it, the one that runs first of all, and let the objects be rewritten; never patch status.storedVersions before",
		"its status.storedVersions has %s, which it does not serve: objects stored so can be read by nobody", strings.Join(unserved, ", "))
}

func storedVersionsOutdated(in Input, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
	if target == nil || migrates(in.Plan, target) || convertsItself(in, c) {
		return nil
	}
	gone := MissingStored(c, target)
	if len(gone) == 0 {
		return nil
	}
	return one(object(c), "let Karpenter 1.0.6 or later finish its stored version migration (webhook.enabled=true), until `kubectl get crd "+c.Name+" -o jsonpath={.status.storedVersions}` shows only v1; never patch the field before every object was rewritten",
		"objects may still be stored as %s, which the target's CRD does not have: the API server refuses it", strings.Join(gone, ", "))
}

// convertsItself says that the release which runs serves the conversion by which the run rewrites every object before the target's
// CRDs come: it is of 1.0, and stores v1.
func convertsItself(in Input, c *apiextensionsv1.CustomResourceDefinition) bool {
	source := in.source()
	if source == nil || !plan.LeavesBeta(source.Version, in.Spec.Target.Version) {
		return false
	}
	return slices.ContainsFunc(c.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == "v1" && v.Storage })
}

// MissingStored are the versions in which objects may be stored and that a CRD which is to take the place of the present one
// does not have. The API server refuses such a CRD (validation of status.storedVersions).
func MissingStored(c, target *apiextensionsv1.CustomResourceDefinition) []string {
	var gone []string
	for _, v := range c.Status.StoredVersions {
		if !hasVersion(target, v) {
			gone = append(gone, v)
		}
	}
	return gone
}

// migrates says that the run itself rewrites every object in a version that the target has.
func migrates(plan *v1alpha1.Plan, target *apiextensionsv1.CustomResourceDefinition) bool {
	return plan != nil && slices.ContainsFunc(plan.Hops, func(h v1alpha1.Hop) bool {
		return h.StoredVersion != "" && hasVersion(target, h.StoredVersion)
	})
}

func hasVersion(c *apiextensionsv1.CustomResourceDefinition, version string) bool {
	return slices.ContainsFunc(c.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == version })
}

func schemaOf(c *apiextensionsv1.CustomResourceDefinition, version string) *apiextensionsv1.JSONSchemaProps {
	for i := range c.Spec.Versions {
		if v := &c.Spec.Versions[i]; v.Name == version && v.Schema != nil {
			return v.Schema.OpenAPIV3Schema
		}
	}
	return nil
}

// crdSchemaNarrower compares the CRDs that the last hop begins with, which are the last stop's where there is one, with the
// target's: there, the controller that runs shares them with its standby. In place there is none.
func crdSchemaNarrower(in Input, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
	if target == nil || in.Plan == nil || in.Plan.Hops[len(in.Plan.Hops)-1].Strategy == v1alpha1.StrategyInPlace {
		return nil
	}
	if len(in.Plan.Hops) == 1 {
		return NarrowerCRD(c, target)
	}
	for _, stop := range in.Snapshot.Stops {
		if stop.Version != in.Plan.Hops[len(in.Plan.Hops)-2].Version {
			continue
		}
		if at := slices.IndexFunc(stop.CRDs, func(s apiextensionsv1.CustomResourceDefinition) bool { return s.Name == c.Name }); at >= 0 {
			return NarrowerCRD(&stop.CRDs[at], target)
		}
	}
	return nil
}

// NarrowerCRD says that a CRD which is to take the place of the present one refuses what the present one accepts, in a version
// that both serve: then the controller that runs and its standby cannot share it.
func NarrowerCRD(c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
	var narrower []string
	for _, v := range c.Spec.Versions {
		if v.Served {
			narrower = append(narrower, Narrower(schemaOf(c, v.Name), schemaOf(target, v.Name))...)
		}
	}
	if len(narrower) == 0 {
		return nil
	}
	return one(object(c), "remove what these fields hold from the objects, or choose another version on the way",
		"the target's schema refuses what the present one accepts, so the running controller could not share it with the new one: %s", strings.Join(narrower, "; "))
}

func crdForeignOwner(in Input, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
	if in.Plan == nil || target == nil {
		return nil
	}
	return ForeignOwner(in.Plan, in.Spec.Target.Version, c, target)
}

// ForeignOwner says that a CRD would be overwritten by that of a version though it is somebody else's. Helm upgrades no object
// but those that are its release's own. Where no release has the CRDs, they are written one by one, whoever wrote them before:
// of a group that others use as well, only one that stays as it is.
func ForeignOwner(plan *v1alpha1.Plan, version string, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
	owner := c.Annotations["meta.helm.sh/release-namespace"] + "/" + c.Annotations["meta.helm.sh/release-name"]
	switch {
	case owner == plan.CRDRelease, owner == plan.Namespace+"/"+plan.Release:
		return nil
	case owner != "/":
		return one(object(c), fmt.Sprintf("upgrade it with the release %s, or hand it to the release of karpenter-crd: kubectl annotate crd %s --overwrite meta.helm.sh/release-name=… meta.helm.sh/release-namespace=…", owner, c.Name),
			"it belongs to the Helm release %s, which is not a release of karpenter-crd", owner)
	case plan.CRDRelease != "":
		namespace, name, _ := strings.Cut(plan.CRDRelease, "/")
		return one(object(c), fmt.Sprintf("if it is Karpenter's and nobody else's: kubectl label crd %[1]s app.kubernetes.io/managed-by=Helm && kubectl annotate crd %[1]s meta.helm.sh/release-name=%[2]s meta.helm.sh/release-namespace=%[3]s", c.Name, name, namespace),
			"it is not the release %s's, which has a CRD of this name at %s: Helm refuses to take it over", plan.CRDRelease, version)
	case !ownGroup(c) && !equality.Semantic.DeepEqual(c.Spec.Versions, target.Spec.Versions):
		return one(object(c), "if it is Karpenter's and nobody else's, give Karpenter's CRDs a release at the version that runs: helm install karpenter-crd --take-ownership; or else ask its owner for the version of the target",
			"other products use the group %s too, and nothing says that it is Karpenter's: the run would overwrite it with the one of %s", c.Spec.Group, version)
	default:
		return nil
	}
}

// ownGroup says that a CRD is of an API group of Karpenter's own.
func ownGroup(c *apiextensionsv1.CustomResourceDefinition) bool {
	return strings.HasSuffix(c.Name, ".karpenter.sh") || strings.HasSuffix(c.Name, ".karpenter.k8s.aws")
}

func crdConversionUnreachable(in Input) []Hit {
	var out []Hit
	for _, c := range in.Snapshot.Conversions {
		if c.Problem != "" {
			out = append(out, Hit{
				Objects: []string{"CustomResourceDefinition/" + c.CRD, "Service/" + c.Service},
				Why:     fmt.Sprintf("its conversion webhook %s does not answer (%s): objects of other versions cannot be read", c.Service, c.Problem),
				Fix:     "install the chart karpenter-crd with webhook.serviceName and webhook.serviceNamespace of the running release",
			})
		}
	}
	return out
}

// servedVersionGoes warns of API versions that users may still write in Git and that the target's CRDs serve no more.
func servedVersionGoes(in Input) []Hit {
	var objects []string
	versions := map[string]bool{}
	eachCRD(func(_ Input, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
		for _, v := range c.Spec.Versions {
			if target != nil && v.Served && !hasVersion(target, v.Name) {
				objects, versions[v.Name] = append(objects, "CustomResourceDefinition/"+c.Name), true
			}
		}
		return nil
	})(in)
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "write the manifests in Git as v1 before the run",
		"the target's CRDs no longer serve %s: whoever still applies it, GitOps included, gets an error, also after a rollback", strings.Join(sortedKeys(versions), ", "))
}
