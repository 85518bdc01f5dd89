package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func gitOpsChecks() []Check {
	return []Check{
		{Code: "CRDManagedByGitOps", Severity: v1alpha1.SeverityWarning, Find: crdManagedByGitOps},
		{Code: "ManagedByGitOps", Severity: v1alpha1.SeverityWarning, Find: managedByGitOps},
	}
}

// Tools that bring back what Git says, and how each is held still.
const (
	argoCD = "Argo CD"
	flux   = "Flux"
)

// trackers are the labels and annotations by which tools know what they manage. Argo CD may also track by the label
// app.kubernetes.io/instance, which Helm's charts set too and which so tells nothing.
var trackers = map[string]string{
	"argocd.argoproj.io/tracking-id":   argoCD,
	"argocd.argoproj.io/instance":      argoCD,
	"kustomize.toolkit.fluxcd.io/name": flux,
	"helm.toolkit.fluxcd.io/name":      flux,
}

// trackedBy is the tool that manages an object with these labels and annotations; empty when there is none.
func trackedBy(metadata ...map[string]string) string {
	found := ""
	for _, m := range metadata {
		for key := range m {
			found = cmp.Or(trackers[key], found)
		}
	}
	return found
}

// tracked collects the objects that tools manage.
type tracked struct {
	objects []string
	tools   map[string]bool
}

func (t *tracked) add(object string, metadata ...map[string]string) {
	tool := trackedBy(metadata...)
	if tool == "" {
		return
	}
	if t.tools == nil {
		t.tools = map[string]bool{}
	}
	t.tools[tool] = true
	t.objects = append(t.objects, object)
}

func (t *tracked) names() string { return strings.Join(sortedKeys(t.tools), " and ") }

// hold says how the tools are held still.
func (t *tracked) hold() string {
	var out []string
	if t.tools[argoCD] {
		out = append(out, "turn off the automated sync of its Argo CD Application")
	}
	if t.tools[flux] {
		out = append(out, "`flux suspend` its HelmRelease or Kustomization")
	}
	return strings.Join(out, " and ")
}

func crdManagedByGitOps(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	var found tracked
	eachCRD(func(_ Input, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
		if target != nil {
			found.add("CustomResourceDefinition/"+c.Name, c.Labels, c.Annotations)
		}
		return nil
	})(in)
	if len(found.objects) == 0 {
		return nil
	}
	return one(found.objects, found.hold()+" for the run, or let Git bring the CRDs of "+in.Spec.Target.Version+" first; let it go on once Git has them",
		"%s keeps them as Git has them, and the run brings them to %s: a sync from Git meanwhile puts the old ones back, and fields of objects that the new Karpenter has written are lost",
		found.names(), in.Spec.Target.Version)
}

func managedByGitOps(in Input) []Hit {
	source := in.source()
	if source == nil {
		return nil
	}
	var found tracked
	found.add(fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name), source.Labels, source.Annotations)
	for _, p := range planned(in) {
		found.add("NodePool/"+p.GetName(), p.GetLabels(), p.GetAnnotations())
	}
	for i := range in.Snapshot.NodeClasses {
		c := &in.Snapshot.NodeClasses[i]
		if slices.ContainsFunc(in.Plan.NodeClasses, func(n v1alpha1.NodeClassPlan) bool { return n.Blue == c.GetName() }) {
			found.add("EC2NodeClass/"+c.GetName(), c.GetLabels(), c.GetAnnotations())
		}
	}
	if len(found.objects) == 0 {
		return nil
	}
	keep := ""
	if in.Spec.NodePools == nil || !in.Spec.NodePools.KeepBlue {
		keep = "; set spec.nodePools.keepBlue: true, or take the blue NodePools and EC2NodeClasses out of Git before Cleanup deletes them"
	}
	return one(found.objects, found.hold()+" until Git says what the run has made: Karpenter "+in.Spec.Target.Version+keep,
		"%s keeps them as Git has them, and puts back what the run changes: it starts blue again after the handover, and brings back NodePools that were replaced", found.names())
}
