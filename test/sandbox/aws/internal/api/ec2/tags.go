package ec2

import (
	"context"
	"maps"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// tag is a tag in a request and in an answer.
type tag struct {
	Key   string `q:"Key" xml:"key"`
	Value string `q:"Value" xml:"value"`
}

// tagSpecification is tags for the resources of a type that a call makes.
type tagSpecification struct {
	ResourceType string `q:"ResourceType"`
	Tags         []tag  `q:"Tag"`
}

// tagList returns tags in the order of their keys.
func tagList(tags map[string]string) []tag {
	return lo.Map(slices.Sorted(maps.Keys(tags)), func(k string, _ int) tag { return tag{Key: k, Value: tags[k]} })
}

// tagMap is the other way round; a key that comes twice is refused.
func tagMap(tags []tag) (map[string]string, error) {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		if _, twice := out[t.Key]; twice {
			return nil, awserr.New("InvalidParameterValue", "Duplicate tag key '%s' specified.", t.Key)
		}
		out[t.Key] = t.Value
	}
	return out, nil
}

// tagsByType reads tag specifications, of which those for other types than the call makes are refused.
func tagsByType(specs []tagSpecification, allowed ...string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	for _, s := range specs {
		if !slices.Contains(allowed, s.ResourceType) {
			return nil, awserr.New("InvalidParameterValue",
				"'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
		}
		if _, twice := out[s.ResourceType]; twice {
			return nil, awserr.New("InvalidParameterValue", "Duplicate resource type '%s' in tag specifications.", s.ResourceType)
		}
		tags, err := tagMap(s.Tags)
		if err != nil {
			return nil, err
		}
		out[s.ResourceType] = tags
	}
	return out, nil
}

type createTagsInput struct {
	request
	Resources []string `q:"ResourceId,required"`
	Tags      []tag    `q:"Tag,required"`
}

// returned is the answer of the calls that only say that they were done.
type returned struct {
	Return bool `xml:"return"`
}

func (s service) createTags(_ context.Context, _ wire.Call, in *createTagsInput) (*returned, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return &returned{Return: true}, s.w.CreateTags(in.Resources, tags, in.DryRun)
}

type deleteTagsInput struct {
	request
	Resources []string     `q:"ResourceId,required"`
	Tags      []deletedTag `q:"Tag"`
}

// deletedTag has no value where the request has none, which deletes the key whatever its value.
type deletedTag struct {
	Key   string  `q:"Key"`
	Value *string `q:"Value"`
}

func (s service) deleteTags(_ context.Context, _ wire.Call, in *deleteTagsInput) (*returned, error) {
	tags := lo.Map(in.Tags, func(t deletedTag, _ int) world.DeletedTag { return world.DeletedTag(t) })
	return &returned{Return: true}, s.w.DeleteTags(in.Resources, tags, in.DryRun)
}

type describeTagsOutput struct {
	Tags []tagDescription `xml:"tagSet>item"`
	more
}

type tagDescription struct {
	ResourceID   string `xml:"resourceId"`
	ResourceType string `xml:"resourceType"`
	Key          string `xml:"key"`
	Value        string `xml:"value"`
}

var tagFields = fields[world.TagDescription]{
	"key":           one(func(t world.TagDescription) string { return t.Key }),
	"value":         one(func(t world.TagDescription) string { return t.Value }),
	"resource-id":   one(func(t world.TagDescription) string { return t.ResourceID }),
	"resource-type": one(func(t world.TagDescription) string { return t.ResourceType }),
}

func (s service) describeTags(in listing) (*describeTagsOutput, error) {
	itself := func(t world.TagDescription) map[string]string { return map[string]string{t.Key: t.Value} }
	found, err := apply(in.Filters, s.w.Tags(), tagFields, itself)
	if err != nil {
		return nil, err
	}
	key := func(t world.TagDescription) string { return t.ResourceID + " " + t.Key }
	page, next, err := wire.Page(paging(5, 1000, 1000), found, key, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeTagsOutput{
		Tags: lo.Map(page, func(t world.TagDescription, _ int) tagDescription { return tagDescription(t) }),
		more: more{next},
	}, nil
}
