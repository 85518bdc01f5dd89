// Package iam serves the part of IAM that Karpenter and our operator call, in the AWS query protocol.
package iam

import (
	"context"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is IAM acting on a world.
type service struct{ w *world.World }

// New describes IAM, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "iam", Protocol: wire.AWSQuery, Version: "2010-05-08", Global: true,
		Namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
		Operations: map[string]wire.Operation{
			"AddRoleToInstanceProfile":      wire.Op(s.addRole),
			"CreateInstanceProfile":         wire.Op(s.createProfile),
			"DeleteInstanceProfile":         wire.Op(s.deleteProfile),
			"GetInstanceProfile":            wire.Op(s.getProfile),
			"GetRole":                       wire.Op(s.getRole),
			"ListInstanceProfiles":          wire.Op(s.listProfiles),
			"RemoveRoleFromInstanceProfile": wire.Op(s.removeRole),
			"SimulatePrincipalPolicy":       wire.Op(s.simulate),
			"TagInstanceProfile":            wire.Op(s.tagProfile),
		},
	}
}

// nothing is the answer of the calls that have none.
type nothing struct{}

type tag struct {
	Key   string `q:"Key" xml:"Key"`
	Value string `q:"Value" xml:"Value"`
}

// tagMap reads tags; IAM keeps at most fifty.
func tagMap(tags []tag) (map[string]string, error) {
	if len(tags) > 50 {
		return nil, awserr.New("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	out := map[string]string{}
	for _, t := range tags {
		if _, twice := out[t.Key]; twice {
			return nil, awserr.New("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		out[t.Key] = t.Value
	}
	return out, nil
}

// paging is how IAM splits answers.
var paging = wire.Paging{Parameter: "maxItems", Min: 1, Max: 1000, Default: 100, BadToken: "ValidationError"}

type profileInput struct {
	Name string `q:"InstanceProfileName,required"`
}

type profileAndRole struct {
	Name string `q:"InstanceProfileName,required"`
	Role string `q:"RoleName,required"`
}

type createProfileInput struct {
	Name string `q:"InstanceProfileName,required"`
	Path string `q:"Path"`
	Tags []tag  `q:"Tags"`
}

type profileOutput struct {
	Profile profile `xml:"InstanceProfile"`
}

type profile struct {
	Path       string    `xml:"Path"`
	Name       string    `xml:"InstanceProfileName"`
	ID         string    `xml:"InstanceProfileId"`
	ARN        string    `xml:"Arn"`
	CreateDate wire.Time `xml:"CreateDate"`
	Roles      []role    `xml:"Roles>member"`
	Tags       []tag     `xml:"Tags>member"`
}

type role struct {
	Path       string    `xml:"Path"`
	Name       string    `xml:"RoleName"`
	ID         string    `xml:"RoleId"`
	ARN        string    `xml:"Arn"`
	CreateDate wire.Time `xml:"CreateDate"`
}

func (s service) profile(p world.Profile) profile {
	d := profile{
		Path: p.Path, Name: p.Name, ID: p.ID, ARN: s.w.ProfileARN(p), CreateDate: wire.Time{Time: p.Created},
		Tags: lo.Map(sortedKeys(p.Tags), func(k string, _ int) tag { return tag{Key: k, Value: p.Tags[k]} }),
	}
	if p.Role != "" {
		if r, err := s.w.Role(p.Role); err == nil {
			d.Roles = []role{describeRole(r)}
		}
	}
	return d
}

func describeRole(r world.RoleView) role {
	return role{Path: r.Path, Name: r.Name, ID: r.ID, ARN: r.ARN, CreateDate: wire.Time{Time: r.Created}}
}

func (s service) createProfile(_ context.Context, _ wire.Call, in *createProfileInput) (*profileOutput, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := s.w.CreateProfile(in.Name, in.Path, tags)
	return &profileOutput{Profile: s.profile(p)}, err
}

func (s service) getProfile(_ context.Context, _ wire.Call, in *profileInput) (*profileOutput, error) {
	p, err := s.w.Profile(in.Name)
	return &profileOutput{Profile: s.profile(p)}, err
}

func (s service) deleteProfile(_ context.Context, _ wire.Call, in *profileInput) (*nothing, error) {
	return &nothing{}, s.w.DeleteProfile(in.Name)
}

func (s service) addRole(_ context.Context, _ wire.Call, in *profileAndRole) (*nothing, error) {
	return &nothing{}, s.w.AddRole(in.Name, in.Role)
}

func (s service) removeRole(_ context.Context, _ wire.Call, in *profileAndRole) (*nothing, error) {
	return &nothing{}, s.w.RemoveRole(in.Name, in.Role)
}

type tagProfileInput struct {
	Name string `q:"InstanceProfileName,required"`
	Tags []tag  `q:"Tags,required"`
}

func (s service) tagProfile(_ context.Context, _ wire.Call, in *tagProfileInput) (*nothing, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return &nothing{}, s.w.TagProfile(in.Name, tags)
}

type listProfilesInput struct {
	PathPrefix string `q:"PathPrefix"`
	MaxItems   int    `q:"MaxItems"`
	Marker     string `q:"Marker"`
}

type listProfilesOutput struct {
	Profiles    []profile `xml:"InstanceProfiles>member"`
	IsTruncated bool      `xml:"IsTruncated"`
	Marker      string    `xml:"Marker,omitempty"`
}

func (s service) listProfiles(_ context.Context, _ wire.Call, in *listProfilesInput) (*listProfilesOutput, error) {
	page, next, err := wire.Page(paging, s.w.Profiles(in.PathPrefix), func(p world.Profile) string { return p.Name },
		in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &listProfilesOutput{
		Profiles: lo.Map(page, func(p world.Profile, _ int) profile {
			d := s.profile(p)
			d.Tags = nil // As in AWS, tags are told by GetInstanceProfile only.
			return d
		}),
		IsTruncated: next != "", Marker: next,
	}, nil
}

type getRoleInput struct {
	Name string `q:"RoleName,required"`
}

type getRoleOutput struct {
	Role role `xml:"Role"`
}

func (s service) getRole(_ context.Context, _ wire.Call, in *getRoleInput) (*getRoleOutput, error) {
	r, err := s.w.Role(in.Name)
	return &getRoleOutput{Role: describeRole(r)}, err
}
