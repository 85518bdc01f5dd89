package world

import (
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// maxTags is the number of tags that a resource may have.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions.
const maxTags = 50

// resource is an EC2 resource that can bear tags.
type resource struct {
	kind string
	tags map[string]string
}

// TagDescription is one tag of one resource.
type TagDescription struct{ ResourceID, ResourceType, Key, Value string }

// register makes a resource known to the tag calls.
func (w *World) register(id, kind string, tags map[string]string) {
	if tags == nil {
		tags = map[string]string{}
	}
	w.resources[id] = &resource{kind: kind, tags: maps.Clone(tags)}
}

// tagsOf returns a copy of a resource's tags.
func (w *World) tagsOf(id string) map[string]string {
	if r, ok := w.resources[id]; ok {
		return maps.Clone(r.tags)
	}
	return nil
}

// notFoundCodes are the codes for absent resources by the prefix of their IDs.
var notFoundCodes = map[string]string{
	"i": "InvalidInstanceID.NotFound", "subnet": "InvalidSubnetID.NotFound", "sg": "InvalidGroup.NotFound",
	"lt": "InvalidLaunchTemplateId.NotFound", "vol": "InvalidVolume.NotFound", "ami": "InvalidAMIID.NotFound",
	"eni": "InvalidNetworkInterfaceID.NotFound", "vpc": "InvalidVpcID.NotFound", "fleet": "InvalidFleetId.NotFound",
	"sir": "InvalidSpotInstanceRequestID.NotFound", "pg": "InvalidPlacementGroup.Unknown",
	"cr": "InvalidCapacityReservationId.NotFound",
}

// notFound refuses an ID that names nothing.
func notFound(id string) error {
	prefix, _, _ := strings.Cut(id, "-")
	if code, ok := notFoundCodes[prefix]; ok {
		return awserr.New(code, "The ID '%s' does not exist", id)
	}
	return awserr.New("InvalidID", "The ID '%s' is not valid", id)
}

// CreateTags adds tags to resources, or overwrites their values. Nothing is changed if anything is wrong.
func (w *World) CreateTags(ids []string, tags map[string]string, dryRun bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := checkTags(tags); err != nil {
		return err
	}
	for _, id := range ids {
		r, ok := w.resources[id]
		if !ok {
			return notFound(id)
		}
		merged := maps.Clone(r.tags)
		maps.Copy(merged, tags)
		if n := countUserTags(merged); n > maxTags {
			return awserr.New("TagLimitExceeded", "The resource %s would have %d tags; the limit is %d", id, n, maxTags)
		}
	}
	if dryRun {
		return awserr.DryRun()
	}
	for _, id := range ids {
		maps.Copy(w.resources[id].tags, tags)
	}
	return nil
}

// DeletedTag names a tag to delete: by key, and by value unless that is nil.
type DeletedTag struct {
	Key   string
	Value *string
}

// DeleteTags removes tags from resources: those named, or all user tags when none are. Tags that are not there are
// no error. Nothing is changed if anything is wrong.
func (w *World) DeleteTags(ids []string, tags []DeletedTag, dryRun bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range tags {
		if reserved(t.Key) {
			return reservedTag()
		}
	}
	for _, id := range ids {
		if _, ok := w.resources[id]; !ok {
			return notFound(id)
		}
	}
	if dryRun {
		return awserr.DryRun()
	}
	for _, id := range ids {
		maps.DeleteFunc(w.resources[id].tags, func(k, v string) bool {
			if len(tags) == 0 {
				return !reserved(k)
			}
			return slices.ContainsFunc(tags, func(t DeletedTag) bool {
				return t.Key == k && (t.Value == nil || *t.Value == v)
			})
		})
	}
	return nil
}

// Tags returns every tag of every EC2 resource.
func (w *World) Tags() []TagDescription {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []TagDescription
	for id, r := range w.resources {
		for k, v := range r.tags {
			out = append(out, TagDescription{ResourceID: id, ResourceType: r.kind, Key: k, Value: v})
		}
	}
	return out
}

// checkTags refuses tags that EC2 refuses.
func checkTags(tags map[string]string) error {
	for k, v := range tags {
		switch {
		case reserved(k):
			return reservedTag()
		case k == "" || len([]rune(k)) > 128:
			return awserr.New("InvalidParameterValue", "Tag key '%s' exceeds the maximum length of 128 or is empty", k)
		case len([]rune(v)) > 256:
			return awserr.New("InvalidParameterValue", "Tag value '%s' exceeds the maximum length of 256", v)
		}
	}
	if len(tags) > maxTags {
		return awserr.New("TagLimitExceeded", "%d tags were given; the limit is %d", len(tags), maxTags)
	}
	return nil
}

// checkAllTags is checkTags for tags by resource type.
func checkAllTags(byType map[string]map[string]string) error {
	for _, tags := range byType {
		if err := checkTags(tags); err != nil {
			return err
		}
	}
	return nil
}

// reserved tells whether only AWS may set a tag.
func reserved(key string) bool { return strings.HasPrefix(key, "aws:") }

func reservedTag() error {
	return awserr.New("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
}

// countUserTags counts the tags that the limit is on.
func countUserTags(tags map[string]string) int {
	n := 0
	for k := range tags {
		if !reserved(k) {
			n++
		}
	}
	return n
}
