package marks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// page is how many objects are asked for at a time.
const page = 500

// whole are the resources that are read whole, for their taints and templates. Of all others only the metadata are read.
var whole = map[schema.GroupResource]bool{
	{Resource: "nodes"}:                               true,
	{Resource: "podtemplates"}:                        true,
	{Group: "apps", Resource: "deployments"}:          true,
	{Group: "apps", Resource: "statefulsets"}:         true,
	{Group: "apps", Resource: "daemonsets"}:           true,
	{Group: "batch", Resource: "jobs"}:                true,
	{Group: "batch", Resource: "cronjobs"}:            true,
	{Group: "karpenter.sh", Resource: "nodepools"}:    true,
	{Group: "karpenter.sh", Resource: "nodeclaims"}:   true,
	{Group: "karpenter.sh", Resource: "nodeoverlays"}: true,
}

// Result is what a Scan found.
type Result struct {
	Marks []report.Mark
	// Unread are kinds that could not be listed, with the reason.
	Unread []string
}

// Scan looks at all objects of a cluster but KarpenterUpgrades and what is in the excluded namespaces. It fails when the
// API server does not say which kinds there are; a kind that cannot be listed does not keep it from the others.
func Scan(ctx context.Context, config *rest.Config, exclude []string) (Result, error) {
	s, err := newScanner(config, exclude)
	if err != nil {
		return Result{}, err
	}
	resources, err := s.resources(ctx)
	if err != nil {
		return Result{}, err
	}
	for _, gvr := range resources {
		if err := s.scan(ctx, gvr); err != nil {
			s.result.Unread = append(s.result.Unread, fmt.Sprintf("%s: %v", gvr.GroupResource(), err))
		}
	}
	slices.SortFunc(s.result.Marks, func(a, b report.Mark) int {
		return strings.Compare(a.Object+a.Where+a.Key, b.Object+b.Where+b.Key)
	})
	slices.Sort(s.result.Unread)
	return s.result, nil
}

type scanner struct {
	discovery discovery.DiscoveryInterfaceWithContext
	dynamic   dynamic.Interface
	metadata  metadata.Interface
	exclude   []string
	seen      map[types.UID]bool // some objects are served by more than one group
	result    Result
}

func newScanner(config *rest.Config, exclude []string) (*scanner, error) {
	s := &scanner{exclude: exclude, seen: map[types.UID]bool{}}
	var errs [3]error
	s.discovery, errs[0] = discovery.NewDiscoveryClientForConfig(config)
	s.dynamic, errs[1] = dynamic.NewForConfig(config)
	s.metadata, errs[2] = metadata.NewForConfig(config)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("setting up clients to look for marks: %w", err)
	}
	return s, nil
}

// resources are those that can be listed. Groups that do not answer are unread.
func (s *scanner) resources(ctx context.Context) ([]schema.GroupVersionResource, error) {
	lists, err := s.discovery.ServerPreferredResourcesWithContext(ctx)
	if groups, partial := discovery.GroupDiscoveryFailedErrorGroups(err); partial {
		for gv, err := range groups {
			s.result.Unread = append(s.result.Unread, fmt.Sprintf("%s: %v", gv, err))
		}
	} else if err != nil {
		return nil, fmt.Errorf("asking which kinds there are: %w", err)
	}
	var out []schema.GroupVersionResource
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil || gv.Group == v1alpha1.GroupVersion.Group {
			continue
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") {
				out = append(out, gv.WithResource(r.Name))
			}
		}
	}
	return out, nil
}

func (s *scanner) scan(ctx context.Context, gvr schema.GroupVersionResource) error {
	opts := metav1.ListOptions{Limit: page}
	for {
		next, err := s.page(ctx, gvr, opts)
		if err != nil || next == "" {
			return err
		}
		opts.Continue = next
	}
}

// page looks at some objects and says where to go on.
func (s *scanner) page(ctx context.Context, gvr schema.GroupVersionResource, opts metav1.ListOptions) (next string, err error) {
	if whole[gvr.GroupResource()] {
		list, err := s.dynamic.Resource(gvr).List(ctx, opts)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			s.look(&list.Items[i])
		}
		return list.GetContinue(), nil
	}
	list, err := s.metadata.Resource(gvr).List(ctx, opts)
	if err != nil {
		return "", err
	}
	for i := range list.Items {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&list.Items[i])
		if err != nil {
			return "", err
		}
		o := &unstructured.Unstructured{Object: content}
		o.SetKind(gvr.GroupResource().String())
		s.look(o)
	}
	return list.GetContinue(), nil
}

func (s *scanner) look(o *unstructured.Unstructured) {
	if s.seen[o.GetUID()] || slices.Contains(s.exclude, o.GetNamespace()) && o.GetNamespace() != "" {
		return
	}
	s.seen[o.GetUID()] = o.GetUID() != ""
	s.result.Marks = append(s.result.Marks, Find(o)...)
}
