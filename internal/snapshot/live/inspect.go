package live

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// inspectTimeout bounds all that is asked of AWS for one snapshot.
const inspectTimeout = time.Minute

// simulated are the actions of Karpenter that are for all resources, so that a role may do them or not whatever the resource is: what
// reads, in the policies of 0.25 to 1.14 (P@tags:website/content/en/preview/getting-started/getting-started-with-karpenter/cloudformation.yaml).
var simulated = []string{
	"ec2:DescribeAvailabilityZones", "ec2:DescribeCapacityReservations", "ec2:DescribeImages", "ec2:DescribeInstanceStatus", "ec2:DescribeInstanceTypeOfferings",
	"ec2:DescribeInstanceTypes", "ec2:DescribeInstances", "ec2:DescribeLaunchTemplates", "ec2:DescribePlacementGroups",
	"ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets", "iam:ListInstanceProfiles", "pricing:GetProducts",
}

// inspect looks at what Karpenter uses in AWS, where the run has access. What cannot be read is unread, each for itself.
func (a *surroundings) inspect(ctx context.Context) error {
	if a.in.AWS == nil || a.in.AWS.Error != "" { // which is a finding of its own
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	c, err := a.Cloud(ctx, a.run.Spec.AWS.Region)
	if err != nil {
		return err
	}
	a.unread("AWS: Pod Identity and IAM", a.role(ctx, c))
	a.unread("AWS: subnets, security groups and roles of EC2NodeClasses", a.network(ctx, c))
	a.unread("AWS: the interruption queue", a.queue(ctx, c))
	return nil
}

// role asks how the second release gets its role, and what that may do.
func (a *surroundings) role(ctx context.Context, c cloud.Inspector) error {
	id := a.out.Identity
	if id == nil {
		return nil
	}
	if id.Role == "" {
		cluster := cmp.Or(a.run.Spec.AWS.ClusterName, a.source.ClusterName)
		role, err := c.PodIdentity(ctx, cluster, id.Namespace, id.ServiceAccount)
		if err != nil {
			return err
		}
		id.PodIdentity, id.Asked = role, true
	}
	role := cmp.Or(id.Role, id.PodIdentity)
	if role == "" {
		return nil
	}
	allowed, err := c.Allowed(ctx, role, simulated)
	if err == nil {
		a.out.IAM = &snapshot.IAM{Role: role, Allowed: allowed}
	}
	return err
}

// queue looks for the interruption queue that the second release would read.
func (a *surroundings) queue(ctx context.Context, c cloud.Inspector) error {
	name, _, _ := unstructured.NestedString(a.in.Target.Values, "settings", "interruptionQueue")
	if name == "" {
		return nil
	}
	has, err := c.HasQueue(ctx, name)
	if err == nil {
		a.out.Queue = &snapshot.Queue{Name: name, Missing: !has}
	}
	return err
}

// network looks what the selectors of the EC2NodeClasses match. Equal questions are asked once.
func (a *surroundings) network(ctx context.Context, c cloud.Inspector) error {
	n := &network{Inspector: c, subnets: map[string][]snapshot.Subnet{}, groups: map[string][]string{}, roles: map[string]bool{}}
	out := map[string]snapshot.ClassNetwork{}
	for i := range a.in.NodeClasses {
		class := &a.in.NodeClasses[i]
		found, err := n.of(ctx, class)
		if err != nil {
			return fmt.Errorf("EC2NodeClass %s: %w", class.GetName(), err)
		}
		out[class.GetName()] = found
	}
	a.out.Network = &snapshot.Network{Classes: out}
	return nil
}

// network asks AWS and remembers the answers.
type network struct {
	cloud.Inspector
	subnets map[string][]snapshot.Subnet
	groups  map[string][]string
	roles   map[string]bool
}

func (n *network) of(ctx context.Context, class *unstructured.Unstructured) (snapshot.ClassNetwork, error) {
	var out snapshot.ClassNetwork
	subnets := map[string]snapshot.Subnet{}
	for _, filters := range filterSets(class, "subnetSelectorTerms", "subnet-id") {
		found, err := n.subnetsOf(ctx, filters)
		if err != nil {
			return out, err
		}
		for _, s := range found {
			subnets[s.ID] = s
		}
	}
	for _, id := range slices.Sorted(maps.Keys(subnets)) {
		out.Subnets = append(out.Subnets, subnets[id])
	}
	for _, filters := range filterSets(class, "securityGroupSelectorTerms", "group-id") {
		found, err := n.groupsOf(ctx, filters)
		if err != nil {
			return out, err
		}
		out.SecurityGroups = append(out.SecurityGroups, found...)
	}
	slices.Sort(out.SecurityGroups)
	out.SecurityGroups = slices.Compact(out.SecurityGroups)
	return out, n.rolesOf(ctx, class, &out)
}

// rolesOf looks for the role and the instance profile that an EC2NodeClass names.
func (n *network) rolesOf(ctx context.Context, class *unstructured.Unstructured, out *snapshot.ClassNetwork) error {
	for _, named := range []struct {
		field   string
		has     func(context.Context, string) (bool, error)
		missing *string
	}{{"role", n.HasRole, &out.MissingRole}, {"instanceProfile", n.HasInstanceProfile, &out.MissingProfile}} {
		name, _, _ := unstructured.NestedString(class.Object, "spec", named.field)
		if name == "" {
			continue
		}
		has, known := n.roles[named.field+"/"+name]
		if !known {
			var err error
			if has, err = named.has(ctx, name); err != nil {
				return err
			}
			n.roles[named.field+"/"+name] = has
		}
		if !has {
			*named.missing = name
		}
	}
	return nil
}

func (n *network) subnetsOf(ctx context.Context, filters []cloud.Filter) ([]snapshot.Subnet, error) {
	key, err := key(filters)
	if err != nil {
		return nil, err
	}
	if found, known := n.subnets[key]; known {
		return found, nil
	}
	found, err := n.Subnets(ctx, filters)
	if err != nil {
		return nil, err
	}
	out := make([]snapshot.Subnet, 0, len(found))
	for _, s := range found {
		out = append(out, snapshot.Subnet(s))
	}
	n.subnets[key] = out
	return out, nil
}

func (n *network) groupsOf(ctx context.Context, filters []cloud.Filter) ([]string, error) {
	key, err := key(filters)
	if err != nil {
		return nil, err
	}
	if found, known := n.groups[key]; known {
		return found, nil
	}
	found, err := n.SecurityGroups(ctx, filters)
	if err == nil {
		n.groups[key] = found
	}
	return found, err
}

func key(filters []cloud.Filter) (string, error) {
	doc, err := json.Marshal(filters)
	if err != nil {
		return "", errors.New("the filters cannot be written")
	}
	return string(doc), nil
}

// filterSets are the questions that selector terms come to, as Karpenter asks them: one for each term, and one for all ids; an id or a
// name counts alone, and * is any value (getFilterSets in pkg/providers/subnet and securitygroup of the provider 1.14.1).
func filterSets(class *unstructured.Unstructured, terms, id string) [][]cloud.Filter {
	all, _, _ := unstructured.NestedSlice(class.Object, "spec", terms)
	var out [][]cloud.Filter
	ids := cloud.Filter{Name: id}
	for _, t := range all {
		term, _ := t.(map[string]any)
		if one, _, _ := unstructured.NestedString(term, "id"); one != "" {
			ids.Values = append(ids.Values, one)
			continue
		}
		var filters []cloud.Filter
		if name, _, _ := unstructured.NestedString(term, "name"); name != "" {
			out = append(out, []cloud.Filter{{Name: "group-name", Values: []string{name}}})
			continue
		}
		tags, _, _ := unstructured.NestedStringMap(term, "tags")
		for _, k := range sortedKeys(tags) {
			if tags[k] == "*" {
				filters = append(filters, cloud.Filter{Name: "tag-key", Values: []string{k}})
				continue
			}
			filters = append(filters, cloud.Filter{Name: "tag:" + k, Values: []string{tags[k]}})
		}
		if len(filters) > 0 {
			out = append(out, filters)
		}
	}
	if len(ids.Values) > 0 {
		slices.Sort(ids.Values)
		out = append(out, []cloud.Filter{ids})
	}
	return out
}
