package live

import (
	"context"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// aws looks which subnets and security groups the phase Tag would tag. It only reads.
func (r *Reader) aws(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if run.Spec.AWS == nil || r.Cloud == nil || refusal != nil {
		return nil
	}
	spec := run.Spec.AWS
	name := spec.ClusterName
	if name == "" {
		name = source.ClusterName
	}
	s.AWS = &snapshot.AWS{Key: spec.DiscoveryTag.Key, Value: spec.DiscoveryTag.Value}
	if s.AWS.Value == "" {
		s.AWS.Value = name
	}
	if name == "" {
		s.AWS.Error = "the cluster's name is not known: set spec.aws.clusterName"
		return nil
	}
	var err error
	s.AWS.Untagged, err = r.untagged(ctx, spec, name, s)
	s.AWS.Error = message(err) // a finding of its own, and nothing of the cluster unread
	return nil
}

// untagged are the resources that lack the discovery tag, with the tags that they have.
func (r *Reader) untagged(ctx context.Context, spec *v1alpha1.AWS, cluster string, s *snapshot.Snapshot) (map[string]map[string]string, error) {
	c, err := r.Cloud(ctx, spec.Region)
	if err != nil {
		return nil, err
	}
	var subnets []string
	for i := range s.NodeClasses {
		subnets = append(subnets, snapshot.Selected(&s.NodeClasses[i], "subnets")...)
	}
	ids, err := cloud.Discoverable(ctx, c, cluster, spec.DiscoveryTag.Subnets, subnets)
	if err != nil {
		return nil, err
	}
	found, err := c.Tags(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	for id, tags := range found {
		if _, there := tags[spec.DiscoveryTag.Key]; !there {
			out[id] = tags
		}
	}
	return out, nil
}
