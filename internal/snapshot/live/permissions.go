package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// What Helm does with the objects of a release: it reads, creates and patches those of the new manifest, and deletes those that
// are only in the old one, or all of them when the release goes (pkg/kube/client.go of Helm 3; it never replaces without --force).
var (
	verbsOfUpgrade = []string{"get", "create", "patch"}
	verbsOfRemoval = []string{"get", "delete"}
	verbsOfRelease = []string{"get", "create", "patch", "delete"} // one that comes and goes
)

// permission is one that the operator needs for one object.
type permission struct {
	verb, group, resource, namespace, name string
}

func (p permission) String() string {
	what := p.resource
	if p.group != "" {
		what += "." + p.group
	}
	if p.namespace == "" {
		return fmt.Sprintf("%s %s %s", p.verb, what, p.name)
	}
	return fmt.Sprintf("%s %s %s/%s", p.verb, what, p.namespace, p.name)
}

// rule that grants it. A name does not limit what may be created: the API server does not know it yet.
func (p permission) rule() rbacv1.PolicyRule {
	r := rbacv1.PolicyRule{Verbs: []string{p.verb}, APIGroups: []string{p.group}, Resources: []string{p.resource}}
	if p.verb != "create" {
		r.ResourceNames = []string{p.name}
	}
	return r
}

// needed are the permissions for these verbs on these objects of a release in this namespace. Kinds that the API server does
// not know are left out: nobody may do anything with them.
func needed(mapper meta.RESTMapper, all []unstructured.Unstructured, namespace string, verbs []string) ([]permission, error) {
	var out []permission
	for i := range all {
		kind := all[i].GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking up the kind of %s %s: %w", kind.Kind, all[i].GetName(), err)
		}
		p := permission{group: kind.Group, resource: mapping.Resource.Resource, name: all[i].GetName()}
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			p.namespace = namespace
			if own := all[i].GetNamespace(); own != "" {
				p.namespace = own
			}
		}
		for _, p.verb = range verbs {
			out = append(out, p)
		}
	}
	return out, nil
}

// lacking are the permissions that rules, held in a namespace, do not grant. What concerns other namespaces is left out.
func lacking(held []rbacv1.PolicyRule, namespace string, want []permission) []string {
	var out []string
	for _, p := range want {
		if p.namespace != "" && p.namespace != namespace {
			continue
		}
		if ok, _ := validation.Covers(held, []rbacv1.PolicyRule{p.rule()}); !ok {
			out = append(out, p.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// permissions compares what the operator holds with what the target's chart grants, since the API server lets nobody create a
// role that grants more than he holds himself, and with what Helm has to do with each object of both releases.
func (r *Reader) permissions(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if r.Bystander || refusal != nil || len(s.Target.Rules) == 0 {
		return nil
	}
	want, err := r.neededByHelm(s, source, plan.GreenNamespace(source.Namespace, &run.Spec))
	if err != nil {
		return err
	}
	own, granted := namespaces(source.Namespace, &run.Spec), granted(s)
	for _, namespace := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(own, slices.Collect(maps.Keys(granted)))))) {
		if namespace == "" {
			continue // what is granted in the whole cluster is asked for in the releases' namespaces
		}
		held, err := r.held(ctx, namespace)
		if err != nil {
			return err
		}
		grants := granted[namespace]
		if slices.Contains(own, namespace) {
			grants = slices.Concat(grants, granted[""])
			s.MissingForHelm = append(s.MissingForHelm, lacking(held, namespace, want)...)
		}
		_, missing := validation.Covers(held, grants)
		for _, rule := range missing {
			s.Missing = append(s.Missing, describe(rule))
		}
	}
	slices.Sort(s.Missing)
	s.Missing = slices.Compact(s.Missing)
	slices.Sort(s.MissingForHelm)
	s.MissingForHelm = slices.Compact(s.MissingForHelm)
	return nil
}

// granted are the rules that the charts of all versions on the way grant, by namespace.
func granted(s *snapshot.Snapshot) map[string][]rbacv1.PolicyRule {
	out := maps.Clone(s.Target.Rules)
	for _, stop := range s.Stops {
		for namespace, rules := range stop.Rules {
			out[namespace] = slices.Concat(out[namespace], rules)
		}
	}
	return out
}

// namespaces are those in which the run works with Karpenter's releases.
func namespaces(source string, spec *v1alpha1.KarpenterUpgradeSpec) []string {
	if to := plan.TargetNamespace(source, spec); to != "" {
		return []string{source, to}
	}
	return []string{source}
}

// held are the rules that the operator holds in a namespace.
func (r *Reader) held(ctx context.Context, namespace string) ([]rbacv1.PolicyRule, error) {
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	if err := r.Client.Create(ctx, review); err != nil {
		return nil, err
	}
	held := make([]rbacv1.PolicyRule, 0, len(review.Status.ResourceRules))
	for _, rule := range review.Status.ResourceRules {
		held = append(held, rbacv1.PolicyRule{Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames})
	}
	return held, nil
}

// neededByHelm are the permissions for all that the run does with Helm: the second release comes and goes, and the original one
// is upgraded in the end, or removed and installed in another namespace. There the run writes a Lease and a ServiceAccount too.
func (r *Reader) neededByHelm(s *snapshot.Snapshot, source *snapshot.Installation, to string) ([]permission, error) {
	present, err := objects(source.Release.Manifest)
	if err != nil {
		return nil, err
	}
	var out []permission
	type part struct {
		objects   []unstructured.Unstructured
		namespace string
		verbs     []string
	}
	parts := []part{{s.Target.Green, to, verbsOfRelease}, {s.Target.Original, to, verbsOfUpgrade}, {present, source.Namespace, verbsOfRemoval}}
	for _, stop := range s.Stops { // what a stop has and the versions around it have not comes and goes
		parts = append(parts, part{stop.Objects, source.Namespace, verbsOfRelease}, part{present, source.Namespace, verbsOfUpgrade})
	}
	for _, part := range parts {
		want, err := needed(r.Client.RESTMapper(), part.objects, part.namespace, part.verbs)
		if err != nil {
			return nil, err
		}
		out = append(out, want...)
	}
	if to != source.Namespace {
		out = append(out, neededByMove(source, to)...)
	}
	return out, nil
}

// neededByMove are the permissions for what a move writes itself.
func neededByMove(source *snapshot.Installation, to string) []permission {
	both, verbs := []string{source.Namespace, to}, []string{"get", "create", "update", "delete"}
	out := make([]permission, 0, len(both)*len(verbs)+len(verbsOfRelease))
	for _, namespace := range both {
		for _, verb := range verbs {
			out = append(out, permission{verb: verb, group: "coordination.k8s.io", resource: "leases", namespace: namespace, name: lease.Name})
		}
	}
	for _, verb := range verbsOfRelease {
		out = append(out, permission{verb: verb, resource: "serviceaccounts", namespace: to, name: source.ServiceAccount})
	}
	return out
}

func describe(r rbacv1.PolicyRule) string {
	what := strings.Join(r.Resources, ",")
	if group := strings.Join(r.APIGroups, ","); group != "" {
		what += "." + group
	}
	if len(r.ResourceNames) > 0 {
		what += " " + strings.Join(r.ResourceNames, ",")
	}
	return strings.Join(r.Verbs, ",") + " " + what
}
