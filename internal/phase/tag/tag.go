// Package tag puts the discovery tag on subnets and security groups that lack it, so that green EC2NodeClasses may select by
// it. What it adds is written to status first; a rollback removes exactly that.
package tag

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// maxTags is how many tags status holds.
const maxTags = 512

// Phase is the phase Tag.
type Phase struct {
	*phase.Kit
	Cloud cloud.Factory
}

var _ engine.Phase = (*Phase)(nil)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseTag }

// Run implements engine.Phase.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if run.Spec.AWS == nil && len(run.Status.Tags) == 0 {
		return engine.Skip("spec.aws is not set: nothing in AWS is read or written")
	}
	c, err := p.client(ctx, run)
	if err != nil {
		return outcome(err)
	}
	if len(run.Status.Tags) > 0 {
		return p.write(ctx, run, c)
	}
	cluster, err := clusterName(run)
	if err != nil {
		return outcome(err)
	}
	ids, err := p.resources(ctx, run, c, cluster)
	if err != nil {
		return engine.FromError(err)
	}
	has, err := c.Tags(ctx, ids)
	if err != nil {
		return engine.FromError(err)
	}
	want := run.Spec.AWS.DiscoveryTag
	run.Status.Tags = missing(ids, has, want.Key, orElse(want.Value, cluster))
	if n := len(run.Status.Tags); n > maxTags {
		run.Status.Tags = nil
		return engine.Fail("TooManyTags", "%d subnets and security groups lack the tag %s, and a run tags at most %d; tag them yourself, or set spec.aws.discoveryTag.subnets: NodeClass", n, want.Key, maxTags)
	}
	if len(run.Status.Tags) == 0 {
		return engine.Done("%[1]d of %[1]d subnets and security groups have the tag %[2]s", len(ids), want.Key)
	}
	return engine.Wait(0, "Tagging", "tagging %d of %d subnets and security groups", len(run.Status.Tags), len(ids))
}

// write adds the tags that status lists. One that somebody else has added since with another value is his, and leaves the list.
func (p *Phase) write(ctx context.Context, run *v1alpha1.KarpenterUpgrade, c cloud.Client) engine.Outcome {
	first := run.Status.Tags[0]
	has, err := c.Tags(ctx, resourcesOf(run.Status.Tags))
	if err != nil {
		return engine.FromError(err)
	}
	run.Status.Tags = slices.DeleteFunc(slices.Clone(run.Status.Tags), func(t v1alpha1.ResourceTag) bool {
		value, there := has[t.Resource][t.Key]
		return there && value != t.Value
	})
	ids := resourcesOf(run.Status.Tags)
	if lacking := resourcesOf(missing(ids, has, first.Key, first.Value)); len(lacking) > 0 {
		if err := c.Tag(ctx, lacking, first.Key, first.Value); err != nil {
			return engine.FromError(err)
		}
	}
	return engine.Done("tagged %s=%s: %s", first.Key, first.Value, strings.Join(ids, ", "))
}

// Undo implements engine.Phase. A tag whose value somebody changed since is not ours any more and stays.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if len(run.Status.Tags) == 0 {
		return engine.Done("no tag was added")
	}
	c, err := p.client(ctx, run)
	if err != nil {
		return outcome(err)
	}
	ids, first := resourcesOf(run.Status.Tags), run.Status.Tags[0]
	if err := c.Untag(ctx, ids, first.Key, first.Value); err != nil {
		return engine.FromError(err)
	}
	run.Status.Tags = nil
	return engine.Done("removed tag %s=%s from %s", first.Key, first.Value, strings.Join(ids, ", "))
}

// client works in the region of the spec, or in the environment's where spec.aws was removed after tags had been written down.
func (p *Phase) client(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (cloud.Client, error) {
	if run.Spec.AWS == nil {
		return p.Cloud(ctx, "")
	}
	return p.Cloud(ctx, run.Spec.AWS.Region)
}

func clusterName(run *v1alpha1.KarpenterUpgrade) (string, error) {
	if name := orElse(run.Spec.AWS.ClusterName, run.Status.Plan.ClusterName); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("the cluster's name is not known: set spec.aws.clusterName: %w", cloud.ErrNotConfigured)
}

// outcome lets what only a change of the spec helps against wait for it.
func outcome(err error) engine.Outcome {
	if errors.Is(err, cloud.ErrNotConfigured) {
		return engine.Blocked(v1alpha1.ReasonTagBlocked, "%s", err)
	}
	return engine.FromError(err)
}

// resources are the subnets that the spec asks for and the cluster's security groups, sorted.
func (p *Phase) resources(ctx context.Context, run *v1alpha1.KarpenterUpgrade, c cloud.Client, name string) ([]string, error) {
	var subnets []string
	if run.Spec.AWS.DiscoveryTag.Subnets == v1alpha1.SubnetsOfNodeClasses {
		var err error
		if subnets, err = p.nodeClassSubnets(ctx, run); err != nil {
			return nil, err
		}
	}
	return cloud.Discoverable(ctx, c, name, run.Spec.AWS.DiscoveryTag.Subnets, subnets)
}

// nodeClassSubnets are the subnets that the blue EC2NodeClasses resolved.
func (p *Phase) nodeClassSubnets(ctx context.Context, run *v1alpha1.KarpenterUpgrade) ([]string, error) {
	var out []string
	for _, class := range run.Status.Plan.NodeClasses {
		o, err := live.GetServed(ctx, p.Live, phase.NodeClassKind, orElse(class.CopyOf, class.Blue)) // one that is split later does not exist yet
		if err != nil {
			return nil, err
		}
		out = append(out, snapshot.Selected(o, "subnets")...)
	}
	return out, nil
}

// missing are the tags to add: those of resources that lack the key. An existing tag is left alone, whatever its value.
func missing(ids []string, has map[string]map[string]string, key, value string) []v1alpha1.ResourceTag {
	var out []v1alpha1.ResourceTag
	for _, id := range ids {
		if _, there := has[id][key]; !there {
			out = append(out, v1alpha1.ResourceTag{Resource: id, Key: key, Value: value})
		}
	}
	return out
}

func resourcesOf(tags []v1alpha1.ResourceTag) []string {
	out := make([]string, 0, len(tags))
	for _, t := range tags {
		out = append(out, t.Resource)
	}
	return out
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
