package convert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var provisionerV1alpha5 = schema.GroupVersionKind{Group: groupCore, Version: "v1alpha5", Kind: kindProvisioner}

// Settings are those of the ConfigMap karpenter-global-settings that have no equivalent after 0.32 and so go into the objects.
type Settings struct {
	// DefaultInstanceProfile is aws.defaultInstanceProfile: of all that name none.
	DefaultInstanceProfile string
	// Tags are aws.tags, on everything that Karpenter makes.
	Tags map[string]string
	// NoENILimitedPodDensity says that aws.enableENILimitedPodDensity is false: nodes hold 110 pods, whatever their network allows.
	NoENILimitedPodDensity bool
}

// podsWithoutENILimit is how many pods Karpenter gives a node with that setting.
const podsWithoutENILimit = 110

// Annotations of v1alpha5, and what they are called later.
const (
	annotationNoConsolidation = "karpenter.sh/do-not-consolidate"
	annotationNoEviction      = "karpenter.sh/do-not-evict"
	annotationNoDisruption    = "karpenter.sh/do-not-disrupt"
)

// labelInstancePods is a label of instance types that v1beta1 no longer has.
const labelInstancePods = "karpenter.k8s.aws/instance-pods"

// ProvisionerToV1beta1 converts a Provisioner (v1alpha5) into a NodePool (v1beta1) and, where the Provisioner has its provider inline,
// into an EC2NodeClass of the same name; otherwise that is nil. What the admission webhook of the old version would have filled in
// (Linux, amd64, on-demand, newer c, m and r instances) is written out, and so is what it means to have no TTL and no consolidation.
func ProvisionerToV1beta1(provisioner *unstructured.Unstructured, settings Settings) (pool, class *unstructured.Unstructured, losses []Loss, err error) {
	r, in, err := read(provisioner, provisionerV1alpha5)
	if err != nil {
		return nil, nil, nil, err
	}
	pool = successor(r, provisioner, nodePoolV1beta1)
	template, metadata := map[string]any{}, map[string]any{}
	put(metadata, "labels", anyMap(in.texts("labels")))
	put(metadata, "annotations", anyMap(in.renamedAnnotations(in.texts("annotations"))))
	in.moveTaints(template, "taints", "startupTaints")
	template["requirements"] = in.alphaRequirements()
	in.alphaKubelet(template, settings)
	template["nodeClassRef"], class = in.provider(provisioner, settings)

	spec := map[string]any{"disruption": in.alphaDisruption(), "template": map[string]any{"metadata": metadata, "spec": template}}
	in.move(spec, "weight")
	in.section("limits").moveTo(spec, "resources", "limits")
	pool.Object["spec"] = spec
	if losses, err = r.finish(); err != nil {
		return nil, nil, nil, err
	}
	return pool, class, losses, nil
}

// moveTo carries quantities over under another name.
func (s *section) moveTo(to map[string]any, name, newName string) {
	moved := map[string]any{}
	s.moveQuantities(moved, name)
	if v := moved[name]; v != nil {
		to[newName] = v
	}
}

// bookkeeping are annotations that Karpenter, or kubectl, keeps for one object and that say nothing about another.
var bookkeeping = []string{"karpenter.sh/provisioner-hash", "karpenter.k8s.aws/nodetemplate-hash", "kubectl.kubernetes.io/last-applied-configuration"}

// successor is a new object of another kind with the name, labels, annotations, finalizers and owners of an old one.
func successor(r *reader, of *unstructured.Unstructured, kind schema.GroupVersionKind) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{}}
	out.SetGroupVersionKind(kind)
	out.SetName(of.GetName())
	annotations := maps.Clone(of.GetAnnotations())
	for _, name := range bookkeeping {
		delete(annotations, name)
	}
	if len(annotations) > 0 {
		out.SetAnnotations(annotations)
	}
	if labels := of.GetLabels(); len(labels) > 0 {
		out.SetLabels(labels)
	}
	if finalizers := of.GetFinalizers(); len(finalizers) > 0 {
		out.SetFinalizers(finalizers)
	}
	if owners := of.GetOwnerReferences(); len(owners) > 0 {
		out.SetOwnerReferences(owners)
		r.lose(Info, "metadata.ownerReferences", "the new object has the same owners and is deleted with them", "remove them if that is not wanted")
	}
	return out
}

// renamedAnnotations are those for nodes under their new names.
func (s *section) renamedAnnotations(in map[string]string) map[string]string {
	for _, old := range []string{annotationNoConsolidation, annotationNoEviction} {
		value, ok := in[old]
		if !ok {
			continue
		}
		delete(in, old)
		in[annotationNoDisruption] = value
		s.r.lose(Warning, s.at("annotations"), fmt.Sprintf("%s is now %s, which also keeps Karpenter from replacing nodes that have drifted", old, annotationNoDisruption),
			"remove it if it is not meant so, and look for it on Pods, where it has the new name too")
	}
	return in
}

// aliases are old names of labels, which Karpenter reads as the new ones.
var aliases = map[string]string{
	"beta.kubernetes.io/arch":                  "kubernetes.io/arch",
	"beta.kubernetes.io/os":                    "kubernetes.io/os",
	"beta.kubernetes.io/instance-type":         "node.kubernetes.io/instance-type",
	"failure-domain.beta.kubernetes.io/zone":   "topology.kubernetes.io/zone",
	"failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}

// instanceLabels are those of which one in the requirements keeps the webhook from choosing instance types.
var instanceLabels = []string{
	"node.kubernetes.io/instance-type", "karpenter.k8s.aws/instance-family", "karpenter.k8s.aws/instance-category", "karpenter.k8s.aws/instance-generation",
}

// alphaRequirements are the requirements with what the webhook would have put in (aws/karpenter v0.31 pkg/apis/v1alpha5/provisioner.go).
func (s *section) alphaRequirements() []any {
	var out []any
	has := map[string]bool{}
	for _, v := range s.requirements() {
		key, _ := v.(map[string]any)["key"].(string)
		if key == labelInstancePods {
			s.r.lose(Warning, s.at("requirements"), "there is no label "+labelInstancePods+" any more, so the requirement on it is left out and more instance types are allowed",
				"require instance types, families or sizes instead")
			continue
		}
		if name, ok := aliases[key]; ok {
			key = name
		}
		has[key] = true
		out = append(out, v)
	}
	add := func(key, operator string, values ...any) {
		out = append(out, map[string]any{"key": key, "operator": operator, "values": values})
	}
	for _, d := range []struct{ key, value string }{
		{"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"}, {"karpenter.sh/capacity-type", "on-demand"},
	} {
		if !has[d.key] {
			add(d.key, "In", d.value)
		}
	}
	if !slices.ContainsFunc(instanceLabels, func(key string) bool { return has[key] }) {
		add("karpenter.k8s.aws/instance-category", "In", "c", "m", "r")
		add("karpenter.k8s.aws/instance-generation", "Gt", "2")
	}
	return out
}

func (s *section) alphaKubelet(template map[string]any, settings Settings) {
	given := s.rest["kubeletConfiguration"] != nil
	in, out := s.section("kubeletConfiguration"), map[string]any{}
	in.move(out, kubeletFields...)
	if runtime := in.text("containerRuntime"); runtime == "dockerd" {
		s.r.lose(Warning, in.at("containerRuntime"), "there is no dockerd any more; nodes run containerd", "see that nothing needs Docker's socket")
	} else if runtime != "" {
		s.r.lose(Info, in.at("containerRuntime"), "nodes run containerd, and there is no choice", "nothing is to be done")
	}
	if settings.NoENILimitedPodDensity && out["maxPods"] == nil {
		out["maxPods"], given = int64(podsWithoutENILimit), true
		s.r.lose(Info, in.at("maxPods"), "aws.enableENILimitedPodDensity: false is no setting any more, so it is written as maxPods: 110", "nothing is to be done")
	}
	if given {
		template["kubelet"] = out
	}
}

// alphaDisruption is what the TTLs and consolidation are in v1beta1.
func (s *section) alphaDisruption() map[string]any {
	out := map[string]any{"consolidationPolicy": "WhenEmpty", "consolidateAfter": never, "expireAfter": never}
	if ttl, ok := s.whole("ttlSecondsUntilExpired"); ok {
		out["expireAfter"] = strconv.FormatInt(ttl, 10) + "s"
	}
	if ttl, ok := s.whole("ttlSecondsAfterEmpty"); ok {
		out["consolidateAfter"] = strconv.FormatInt(ttl, 10) + "s"
	}
	consolidation := s.section("consolidation")
	if enabled, _ := consolidation.take("enabled").(bool); enabled {
		out["consolidationPolicy"] = betaPolicy
		delete(out, "consolidateAfter")
	}
	return out
}

// provider is the reference to the EC2NodeClass, and that itself where the Provisioner has it inline.
func (s *section) provider(provisioner *unstructured.Unstructured, settings Settings) (ref map[string]any, class *unstructured.Unstructured) {
	ref = map[string]any{"apiVersion": nodeClassV1beta1.GroupVersion().String(), "kind": kindNodeClass, "name": provisioner.GetName()}
	inline := s.rest["provider"] != nil
	in := s.section("provider")
	template := s.section("providerRef")
	kind, name := template.text("kind"), template.text("name")
	template.text("apiVersion")
	switch {
	case name != "":
		if kind != "" && kind != kindNodeTemplate {
			s.r.lose(Blocker, template.path, "it refers to a "+kind+", which no EC2NodeClass is made of", "refer to an AWSNodeTemplate")
		}
		ref["name"] = name
	case inline:
		in.text("apiVersion")
		in.text("kind")
		class = successor(&reader{}, provisioner, nodeClassV1beta1)
		class.SetAnnotations(nil)
		class.Object["spec"] = in.nodeClassSpec(settings)
	default:
		s.r.lose(Blocker, template.path, "it names no AWSNodeTemplate and has no provider, so there is no EC2NodeClass that the NodePool could refer to",
			"write an EC2NodeClass named "+provisioner.GetName())
	}
	return ref, class
}
