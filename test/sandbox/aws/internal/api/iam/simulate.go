package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type simulateInput struct {
	PolicySourceARN string   `q:"PolicySourceArn,required"`
	Actions         []string `q:"ActionNames,required"`
	Resources       []string `q:"ResourceArns"`
	// ContextEntries change nothing: the statements of a seed have no conditions.
	ContextEntries []contextEntry `q:"ContextEntries"`
	MaxItems       int            `q:"MaxItems"`
	Marker         string         `q:"Marker"`
}

type contextEntry struct {
	Name   string   `q:"ContextKeyName"`
	Type   string   `q:"ContextKeyType"`
	Values []string `q:"ContextKeyValues"`
}

type simulateOutput struct {
	Results     []evaluation `xml:"EvaluationResults>member"`
	IsTruncated bool         `xml:"IsTruncated"`
	Marker      string       `xml:"Marker,omitempty"`
}

type evaluation struct {
	Action   string         `xml:"EvalActionName"`
	Resource string         `xml:"EvalResourceName"`
	Decision world.Decision `xml:"EvalDecision"`
}

func (s service) simulate(_ context.Context, _ wire.Call, in *simulateInput) (*simulateOutput, error) {
	role, err := s.roleByARN(in.PolicySourceARN)
	if err != nil {
		return nil, err
	}
	resources := in.Resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var all []evaluation
	for _, action := range in.Actions {
		if !strings.Contains(action, ":") {
			return nil, awserr.New("InvalidInput", "Invalid action name '%s': it must have the form service:Action", action)
		}
		for _, resource := range resources {
			all = append(all, evaluation{Action: action, Resource: resource, Decision: world.Simulate(role, action, resource)})
		}
	}
	key := func(e evaluation) string { return e.Action + " " + e.Resource }
	page, next, err := wire.Page(paging, all, key, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &simulateOutput{Results: page, IsTruncated: next != "", Marker: next}, nil
}

// roleByARN finds the role whose policies are weighed. Users and groups have none here.
func (s service) roleByARN(arn string) (world.Role, error) {
	_, path, ok := strings.Cut(arn, ":role/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	view, err := s.w.Role(name)
	if !ok || err != nil || view.ARN != arn {
		return world.Role{}, awserr.New("NoSuchEntity", "The entity with ARN %s cannot be found.", arn)
	}
	return view.Role, nil
}

// sortedKeys returns the keys of tags in order.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
