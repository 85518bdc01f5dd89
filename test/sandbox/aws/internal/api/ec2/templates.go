package ec2

import (
	"context"
	"encoding/json"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type createLaunchTemplateInput struct {
	request
	Name               string             `q:"LaunchTemplateName,required"`
	VersionDescription string             `q:"VersionDescription"`
	ClientToken        string             `q:"ClientToken"`
	Data               launchData         `q:"LaunchTemplateData,required"`
	TagSpecifications  []tagSpecification `q:"TagSpecification"`
}

// oneLaunchTemplate is the answer of the calls about one template.
type oneLaunchTemplate struct {
	LaunchTemplate launchTemplate `xml:"launchTemplate"`
}

type launchTemplate struct {
	ID             string    `xml:"launchTemplateId"`
	Name           string    `xml:"launchTemplateName"`
	CreateTime     wire.Time `xml:"createTime"`
	CreatedBy      string    `xml:"createdBy"`
	DefaultVersion int       `xml:"defaultVersionNumber"`
	LatestVersion  int       `xml:"latestVersionNumber"`
	Tags           []tag     `xml:"tagSet>item"`
}

func (s service) createLaunchTemplate(_ context.Context, c wire.Call, in *createLaunchTemplateInput) (*oneLaunchTemplate, error) {
	spec, err := in.Data.spec()
	if err != nil {
		return nil, err
	}
	tags, err := tagsByType(in.TagSpecifications, "launch-template")
	if err != nil {
		return nil, err
	}
	t, err := s.w.CreateLaunchTemplate(world.NewTemplate{
		Name: in.Name, Token: in.ClientToken, Principal: c.Principal, Params: fingerprint(*in), Spec: spec,
		Tags: tags["launch-template"], DryRun: in.DryRun,
	})
	return &oneLaunchTemplate{LaunchTemplate: s.launchTemplate(t, 0)}, err
}

type deleteLaunchTemplateInput struct {
	request
	ID   string `q:"LaunchTemplateId"`
	Name string `q:"LaunchTemplateName"`
}

func (s service) deleteLaunchTemplate(_ context.Context, _ wire.Call, in *deleteLaunchTemplateInput) (*oneLaunchTemplate, error) {
	if err := oneOf("LaunchTemplateId", in.ID, "LaunchTemplateName", in.Name); err != nil {
		return nil, err
	}
	t, err := s.w.DeleteLaunchTemplate(in.ID, in.Name, in.DryRun)
	return &oneLaunchTemplate{LaunchTemplate: s.launchTemplate(t, 0)}, err
}

type describeLaunchTemplatesInput struct {
	listing
	IDs   []string `q:"LaunchTemplateId"`
	Names []string `q:"LaunchTemplateName"`
}

type describeLaunchTemplatesOutput struct {
	LaunchTemplates []launchTemplate `xml:"launchTemplates>item"`
	more
}

var templateFields = fields[world.LaunchTemplate]{
	"launch-template-name": one(func(t world.LaunchTemplate) string { return t.Name }),
	"create-time":          one(func(t world.LaunchTemplate) string { return t.Created.UTC().Format("2006-01-02T15:04:05.000Z") }),
}

func (s service) describeLaunchTemplates(in describeLaunchTemplatesInput) (*describeLaunchTemplatesOutput, error) {
	if err := exclusive(in.MaxResults, append(in.IDs, in.Names...), "launchTemplateIds"); err != nil {
		return nil, err
	}
	all, err := s.w.LaunchTemplates(in.IDs, in.Names)
	if err != nil {
		return nil, err
	}
	found, err := apply(in.Filters, all, templateFields, func(t world.LaunchTemplate) map[string]string { return t.Tags })
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(1, 200, 200), found, func(t world.LaunchTemplate) string { return t.ID },
		in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeLaunchTemplatesOutput{LaunchTemplates: lo.Map(page, s.launchTemplate), more: more{next}}, nil
}

func (s service) launchTemplate(t world.LaunchTemplate, _ int) launchTemplate {
	return launchTemplate{
		ID: t.ID, Name: t.Name, CreateTime: wire.Time{Time: t.Created}, CreatedBy: s.w.Identify(t.CreatedBy).ARN,
		DefaultVersion: 1, LatestVersion: 1, Tags: tagList(t.Tags),
	}
}

// fingerprint turns an input into a text that is equal for equal inputs only.
func fingerprint(in any) string {
	raw, err := json.Marshal(in)
	if err != nil { // Inputs are made of strings, numbers and booleans, which always encode.
		return err.Error()
	}
	return string(raw)
}
