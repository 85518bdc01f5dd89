package check

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/owner"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func gitOpsChecks() []Check {
	return []Check{
		{Code: "CRDManagedByGitOps", Severity: v1alpha1.SeverityWarning, Find: crdManagedByGitOps},
		{Code: "ManagedByGitOps", Severity: v1alpha1.SeverityWarning, Find: managedByGitOps},
	}
}

func described(u *unstructured.Unstructured) owner.Object {
	return owner.Object{
		Group: u.GroupVersionKind().Group, Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(),
		Labels: u.GetLabels(), Annotations: u.GetAnnotations(), ManagedFields: u.GetManagedFields(),
	}
}

func describedMeta(group, kind string, m *metav1.ObjectMeta) owner.Object {
	return owner.Object{
		Group: group, Kind: kind, Namespace: m.Namespace, Name: m.Name,
		Labels: m.Labels, Annotations: m.Annotations, ManagedFields: m.ManagedFields,
	}
}

func describedInstallation(i *snapshot.Installation) owner.Object {
	return owner.Object{
		Group: "apps", Kind: "Deployment", Namespace: i.Namespace, Name: i.Name,
		Labels: i.Labels, Annotations: i.Annotations, ManagedFields: i.ManagedFields,
	}
}

// owned are the objects that one owner would put back as they were.
type owned struct {
	owner   owner.Owner
	objects []string
	// also are the names of others whose marks the objects bear.
	also []string
}

// byOwner collects objects by the owner that would put them back, in the order in which they are first seen.
type byOwner []owned

// add leaves out what nobody puts back.
func (b *byOwner) add(name string, o owner.Object) {
	all := slices.DeleteFunc(owner.All(o), func(o owner.Owner) bool { return !o.PutsBack() })
	if len(all) == 0 {
		return
	}
	at := slices.IndexFunc(*b, func(seen owned) bool { return seen.owner.Kind == all[0].Kind && seen.owner.String() == all[0].String() })
	if at < 0 {
		at, *b = len(*b), append(*b, owned{owner: all[0]})
	}
	found := &(*b)[at]
	found.objects = append(found.objects, name)
	for _, other := range all[1:] {
		if !slices.Contains(found.also, other.String()) {
			found.also = append(found.also, other.String())
		}
	}
}

// told is the evidence, and who else has left marks.
func (o *owned) told() string {
	out := "told by " + strings.Join(o.owner.Evidence, ", ")
	if len(o.also) > 0 {
		out += "; there are marks of " + strings.Join(o.also, " and ") + " too"
	}
	return out
}

// until is the fix: the owner is held until its source is such, and then let go.
func (o *owned) until(such string) string {
	out := o.owner.Hold() + " until " + such
	if letGo := o.owner.LetGo(); letGo != "" {
		out += "; then " + letGo
	}
	return out
}

func crdManagedByGitOps(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	var found byOwner
	eachCRD(func(_ Input, c, target *apiextensionsv1.CustomResourceDefinition) []Hit {
		if target != nil {
			found.add("CustomResourceDefinition/"+c.Name, describedMeta(apiextensionsv1.GroupName, "CustomResourceDefinition", &c.ObjectMeta))
		}
		return nil
	})(in)
	out := make([]Hit, 0, len(found))
	for i := range found {
		o := &found[i]
		out = append(out, one(o.objects, o.until("it has the CRDs of "+in.Spec.Target.Version)+"; or let it bring them before the run",
			"%s keeps them as they are (%s), and the run brings them to %s: when it puts the old ones back meanwhile, fields of objects that the new Karpenter has written are lost",
			o.owner, o.told(), in.Spec.Target.Version)...)
	}
	return out
}

func managedByGitOps(in Input) []Hit {
	source := in.source()
	if source == nil {
		return nil
	}
	var found byOwner
	found.add(fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name), describedInstallation(source))
	for _, p := range toReplace(in) {
		found.add(p.GetKind()+"/"+p.GetName(), described(p))
	}
	out := make([]Hit, 0, len(found))
	for i := range found {
		o := &found[i]
		out = append(out, one(o.objects, o.until(has(in, o)),
			"%s keeps them as they are (%s), and puts back what the run changes: %s", o.owner, o.told(), undone(o))...)
	}
	return out
}

// toReplace are the NodePools and EC2NodeClasses that the run replaces.
func toReplace(in Input) []*unstructured.Unstructured {
	out := slices.Clone(planned(in))
	for i := range in.Snapshot.NodeClasses {
		c := &in.Snapshot.NodeClasses[i]
		if slices.ContainsFunc(in.Plan.NodeClasses, func(n v1alpha1.NodeClassPlan) bool { return n.Blue == c.GetName() }) {
			out = append(out, c)
		}
	}
	return out
}

// split counts the Deployments among an owner's objects; the rest are NodePools and EC2NodeClasses.
func (o *owned) split() (deployments, rest int) {
	for _, name := range o.objects {
		if strings.HasPrefix(name, "Deployment/") {
			deployments++
		}
	}
	return deployments, len(o.objects) - deployments
}

// undone is what happens when an owner puts its objects back.
func undone(o *owned) string {
	deployments, rest := o.split()
	switch {
	case rest == 0:
		return "it starts blue again after the handover, and brings the old version back"
	case deployments == 0:
		return "it brings back NodePools and EC2NodeClasses that were replaced"
	default:
		return "it starts blue again after the handover, and brings back NodePools that were replaced"
	}
}

// has is what an owner's source has to say before it may go on.
func has(in Input, o *owned) string {
	version := in.Spec.Target.Version
	deployments, rest := o.split()
	out := "it says what the run has made of them"
	if deployments > 0 {
		out = "it says " + o.owner.Version(version)
	}
	if rest > 0 && (in.Spec.NodePools == nil || !in.Spec.NodePools.KeepBlue) {
		out += ", and set spec.nodePools.keepBlue: true, or take the blue NodePools and EC2NodeClasses out of it before Cleanup deletes them"
	}
	return out
}
