package world

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// State returns what exists, each kind in a stable order.
func (w *World) State() control.State {
	templates, _ := w.LaunchTemplates(nil, nil) // Without references there is nothing to miss.
	instances, _ := w.Instances(nil)
	s := control.State{
		Instances: lo.Map(instances, func(i Instance, _ int) control.Instance { return describeInstance(i) }),
		LaunchTemplates: lo.Map(templates, func(t LaunchTemplate, _ int) control.LaunchTemplate {
			return control.LaunchTemplate{
				ID: t.ID, Name: t.Name, ImageID: t.Spec.ImageID, Tags: t.Tags, UserData: string(t.Spec.UserData),
			}
		}),
		Subnets: lo.Map(w.Subnets(), func(s SubnetView, _ int) control.Subnet {
			return control.Subnet{ID: s.ID, Zone: s.Zone.Name, CIDR: s.CIDR, FreeIPs: s.FreeIPs, Tags: s.Tags}
		}),
		SecurityGroups: lo.Map(w.SecurityGroups(), func(g SecurityGroup, _ int) control.SecurityGroup {
			return control.SecurityGroup{ID: g.ID, Name: g.Name, Tags: g.Tags}
		}),
		InstanceProfiles: lo.Map(w.Profiles(""), func(p Profile, _ int) control.InstanceProfile {
			return control.InstanceProfile{Name: p.Name, Path: p.Path, Role: p.Role, Tags: p.Tags}
		}),
		Queues: w.queueStates(),
	}
	slices.SortFunc(s.Instances, func(a, b control.Instance) int {
		return cmp.Or(a.LaunchTime.Compare(b.LaunchTime), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.LaunchTemplates, func(a, b control.LaunchTemplate) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Subnets, func(a, b control.Subnet) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.InstanceProfiles, func(a, b control.InstanceProfile) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Queues, func(a, b control.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func describeInstance(i Instance) control.Instance {
	return control.Instance{
		ID: i.ID, State: string(i.State), Type: i.Type.Name, CapacityType: string(i.CapacityType), Zone: i.Zone.Name,
		SubnetID: i.Subnet.ID, ImageID: i.Image.ID, PrivateIP: i.PrivateIP.String(), PrivateDNSName: i.PrivateDNSName,
		LaunchTime: i.LaunchTime, Booted: i.Booted, Tags: i.Tags, Principal: i.Principal,
		SecurityGroups: lo.Map(i.SecurityGroups, func(g SecurityGroup, _ int) string { return g.ID }),
	}
}

func (w *World) queueStates() []control.Queue {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clk.Now()
	return lo.MapToSlice(w.queues, func(_ string, q *queue) control.Queue {
		hidden := lo.CountBy(q.messages, func(m *Message) bool { return m.visible.After(now) })
		return control.Queue{Name: q.name, Visible: len(q.messages) - hidden, InFlight: hidden}
	})
}

// OnlyQueue returns the name of the queue if there is one, and only one.
func (w *World) OnlyQueue() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queues) != 1 {
		return "", fmt.Errorf("there are %d queues: name one", len(w.queues))
	}
	return lo.Keys(w.queues)[0], nil
}
