package convert

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Groups and kinds of Karpenter.
const (
	groupCore        = "karpenter.sh"
	groupAWS         = "karpenter.k8s.aws"
	kindNodePool     = "NodePool"
	kindNodeClass    = "EC2NodeClass"
	kindProvisioner  = "Provisioner"
	kindNodeTemplate = "AWSNodeTemplate"
)

// AnnotationNodeClassRef is where Karpenter 1.0 keeps the nodeClassRef of an object that was written as v1beta1 (JSON), for the way
// back. No later version reads it.
const AnnotationNodeClassRef = "compatibility.karpenter.sh/v1beta1-nodeclass-reference"

// What v1beta1's schema fills in (pkg/apis/crds/karpenter.sh_nodepools.yaml at v0.36.2).
const (
	betaPolicy      = "WhenUnderutilized"
	betaExpireAfter = "720h"
)

// policyV1 is what v1 calls WhenUnderutilized.
const policyV1 = "WhenEmptyOrUnderutilized"

var (
	nodePoolV1beta1 = schema.GroupVersionKind{Group: groupCore, Version: "v1beta1", Kind: kindNodePool}
	nodePoolV1      = schema.GroupVersionKind{Group: groupCore, Version: "v1", Kind: kindNodePool}
)

// NodePoolToV1 converts a NodePool from v1beta1 to v1 as Karpenter 1.0 does. The kubelet settings go into AnnotationKubelet, and
// MoveKubelet says where they have to go before 1.1.
func NodePoolToV1(beta *unstructured.Unstructured) (*unstructured.Unstructured, []Loss, error) {
	r, spec, err := read(beta, nodePoolV1beta1)
	if err != nil {
		return nil, nil, err
	}
	out := converted(beta, nodePoolV1)
	annotations := out.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	v1 := map[string]any{}
	spec.move(v1, "weight")
	spec.moveQuantities(v1, "limits")
	disruption := spec.section("disruption")
	expireAfter := disruption.expireAfterV1()
	v1["disruption"] = disruption.toV1()
	v1["template"] = spec.section("template").templateToV1(expireAfter, annotations)
	out.Object["spec"] = v1
	out.SetAnnotations(annotations)
	losses, err := r.finish()
	if err != nil {
		return nil, nil, err
	}
	return out, losses, nil
}

// converted is an object of another version with the same metadata and status, and no spec yet.
func converted(in *unstructured.Unstructured, to schema.GroupVersionKind) *unstructured.Unstructured {
	out := in.DeepCopy()
	delete(out.Object, "spec")
	if status, ok := out.Object["status"].(map[string]any); ok && len(status) == 0 {
		delete(out.Object, "status")
	}
	out.SetGroupVersionKind(to)
	return out
}

// expireAfterV1 takes spec.disruption.expireAfter, which v1 has in the template.
func (s *section) expireAfterV1() string {
	if _, there := s.rest["expireAfter"]; !there {
		s.rest["expireAfter"] = betaExpireAfter
	}
	out := s.until("expireAfter")
	if out != never {
		s.r.lose(Warning, s.at("expireAfter"),
			"from 1.0 on, nodes older than "+out+" are drained at once when Karpenter starts, whatever the budgets allow",
			"set it to Never before the upgrade, and back afterwards, or replace the old nodes first")
	}
	return out
}

// toV1 is spec.disruption without expireAfter.
func (s *section) toV1() map[string]any {
	out := map[string]any{}
	policy, after := s.text("consolidationPolicy"), s.until("consolidateAfter")
	if policy == "" {
		policy = betaPolicy
	}
	if policy == betaPolicy {
		policy, after = policyV1, "0s" // v1beta1 forbids any other consolidateAfter than Never, which says nothing there
	}
	out["consolidationPolicy"], out["consolidateAfter"] = policy, after
	s.checkBudgets()
	given := s.sections("budgets")
	budgets := make([]map[string]any, 0, len(given))
	for _, b := range given {
		budget := map[string]any{}
		b.move(budget, "nodes", "schedule")
		b.moveDuration(budget, "duration")
		budgets = append(budgets, budget)
	}
	put(out, "budgets", maplist(budgets))
	return out
}

// checkBudgets finds a list without budgets, which allows all nodes to be disrupted at once; Karpenter's types leave it out, and v1
// fills in its default for one that is not there.
func (s *section) checkBudgets() {
	if budgets, ok := s.rest["budgets"].([]any); ok && len(budgets) == 0 {
		s.r.lose(Warning, s.at("budgets"), "an empty list, which allows any number of disruptions, becomes v1's default of 10% of the nodes",
			`write [{nodes: "100%"}] if that is meant`)
	}
}

// templateToV1 is spec.template. What v1 has no field for goes into the annotations.
func (s *section) templateToV1(expireAfter string, annotations map[string]string) map[string]any {
	metadata, spec := map[string]any{}, map[string]any{"expireAfter": expireAfter}
	s.section("metadata").moveFull(metadata, "labels", "annotations")
	in := s.section("spec")
	in.moveTaints(spec, "taints", "startupTaints")
	spec["requirements"] = in.requirements()
	if resources := in.section("resources"); len(resources.rest) > 0 {
		s.r.lose(Warning, resources.path, "v1 has no such field, and Karpenter stopped reading it in 0.34", "remove it")
		clear(resources.rest)
	}
	spec["nodeClassRef"] = in.nodeClassRefToV1(annotations)
	in.kubeletToV1(annotations)
	return map[string]any{"metadata": metadata, "spec": spec}
}

func (s *section) moveTaints(to map[string]any, names ...string) {
	for _, name := range names {
		var taints []map[string]any
		for _, t := range s.sections(name) {
			taint := map[string]any{}
			t.move(taint, "key", "effect")
			t.moveFull(taint, "value", "timeAdded")
			taints = append(taints, taint)
		}
		put(to, name, maplist(taints))
	}
}

// requirements are those of a template; they are the same in v1beta1 and v1, which wants a list in any case.
func (s *section) requirements() []any {
	given := s.sections("requirements")
	out := make([]map[string]any, 0, len(given))
	for _, in := range given {
		requirement := map[string]any{}
		in.move(requirement, "key", "operator", "minValues")
		in.moveFull(requirement, "values")
		out = append(out, requirement)
	}
	return maplist(out)
}

// betaRef is a nodeClassRef of v1beta1 in the order in which Karpenter writes it into the annotation.
type betaRef struct {
	Kind       string `json:"kind,omitempty"`
	Name       string `json:"name"`
	APIVersion string `json:"apiVersion,omitempty"`
}

func (s *section) nodeClassRefToV1(annotations map[string]string) map[string]any {
	in := s.section("nodeClassRef")
	ref := betaRef{Kind: in.text("kind"), Name: in.text("name"), APIVersion: in.text("apiVersion")}
	if ref.Name == "" {
		s.r.failf(in.path, "it names no EC2NodeClass")
	}
	text, err := json.Marshal(ref)
	if err != nil {
		s.r.failf(in.path, "%v", err)
	}
	annotations[AnnotationNodeClassRef] = string(text)
	out := map[string]any{"group": groupAWS, "kind": kindNodeClass, "name": ref.Name}
	if ref.Kind != "" {
		out["kind"] = ref.Kind
	}
	if ref.APIVersion != "" {
		out["group"], _, _ = strings.Cut(ref.APIVersion, "/")
	}
	return out
}

func (s *section) kubeletToV1(annotations map[string]string) {
	delete(annotations, AnnotationKubelet) // one of an earlier conversion
	if s.rest["kubelet"] == nil {
		return
	}
	in := s.section("kubelet")
	text, unknown, err := kubeletJSON(in.rest)
	if err != nil {
		s.r.failf(in.path, "%v", err)
		return
	}
	annotations[AnnotationKubelet] = text
	clear(in.rest)
	for _, name := range unknown {
		s.r.lose(Warning, in.at(name), "Karpenter has no such kubelet setting, and it is not carried over", "set it in userData of the EC2NodeClass")
	}
	s.r.lose(Warning, in.path,
		fmt.Sprintf("v1 has it in the EC2NodeClass; until it is moved there it stands in the annotation %s, which only 1.0 reads", AnnotationKubelet),
		"move it to spec.kubelet of the EC2NodeClass, and remove the annotation, before Karpenter 1.1")
}
