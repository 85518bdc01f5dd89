package ec2

import (
	"context"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type runInstancesInput struct {
	request
	launchData
	MinCount    int         `q:"MinCount,required"`
	MaxCount    int         `q:"MaxCount,required"`
	SubnetID    string      `q:"SubnetId"`
	Template    templateRef `q:"LaunchTemplate"`
	ClientToken string      `q:"ClientToken"`
}

// runInstancesOutput is a reservation.
type runInstancesOutput struct{ reservation }

func (s service) runInstances(_ context.Context, c wire.Call, in *runInstancesInput) (*runInstancesOutput, error) {
	if in.Template.ID != "" && in.Template.Name != "" {
		return nil, oneOf("LaunchTemplate.LaunchTemplateId", in.Template.ID, "LaunchTemplate.LaunchTemplateName", in.Template.Name)
	}
	if len(in.NetworkInterfaces) > 0 && (in.SubnetID != "" || len(in.SecurityGroupIDs)+len(in.SecurityGroups) > 0) {
		return nil, awserr.New("InvalidParameterCombination",
			"Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
	}
	spec, err := in.spec()
	if err != nil {
		return nil, err
	}
	spec.SubnetID = lo.CoalesceOrEmpty(in.SubnetID, spec.SubnetID)
	launched, err := s.w.RunInstances(world.RunInput{
		TemplateID: in.Template.ID, TemplateName: in.Template.Name, TemplateVersion: in.Template.Version, Spec: spec,
		Min: in.MinCount, Max: in.MaxCount, Token: in.ClientToken, Params: fingerprint(*in), Principal: c.Principal,
		DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &runInstancesOutput{s.reservations(launched)[0]}, nil
}

type terminateInstancesInput struct {
	request
	InstanceIDs []string `q:"InstanceId,required"`
}

type terminateInstancesOutput struct {
	Changes []stateChange `xml:"instancesSet>item"`
}

type stateChange struct {
	InstanceID string        `xml:"instanceId"`
	Current    instanceState `xml:"currentState"`
	Previous   instanceState `xml:"previousState"`
}

type instanceState struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

func describeState(s world.InstanceState) instanceState {
	return instanceState{Code: s.Code(), Name: string(s)}
}

func (s service) terminateInstances(_ context.Context, _ wire.Call, in *terminateInstancesInput) (*terminateInstancesOutput, error) {
	changes, err := s.w.TerminateInstances(in.InstanceIDs, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &terminateInstancesOutput{Changes: lo.Map(changes, func(c world.StateChange, _ int) stateChange {
		return stateChange{InstanceID: c.ID, Current: describeState(c.Current), Previous: describeState(c.Previous)}
	})}, nil
}

type describeInstanceStatusInput struct {
	listing
	InstanceIDs []string `q:"InstanceId"`
	// IncludeAllInstances adds those that do not run.
	IncludeAllInstances bool `q:"IncludeAllInstances"`
}

type describeInstanceStatusOutput struct {
	Statuses []instanceStatus `xml:"instanceStatusSet>item"`
	more
}

type instanceStatus struct {
	InstanceID       string        `xml:"instanceId"`
	AvailabilityZone string        `xml:"availabilityZone"`
	Events           []statusEvent `xml:"eventsSet>item"`
	State            instanceState `xml:"instanceState"`
	Instance         statusSummary `xml:"instanceStatus"`
	System           statusSummary `xml:"systemStatus"`
}

type statusEvent struct {
	ID          string    `xml:"instanceEventId"`
	Code        string    `xml:"code"`
	Description string    `xml:"description"`
	NotBefore   wire.Time `xml:"notBefore"`
}

type statusSummary struct {
	Status  string         `xml:"status"`
	Details []statusDetail `xml:"details>item"`
}

type statusDetail struct {
	Name          string     `xml:"name"`
	Status        string     `xml:"status"`
	ImpairedSince *wire.Time `xml:"impairedSince,omitempty"`
}

var statusFields = fields[world.Instance]{
	"availability-zone":      one(func(i world.Instance) string { return i.Zone.Name }),
	"instance-state-name":    one(func(i world.Instance) string { return string(i.State) }),
	"instance-status.status": one(func(i world.Instance) string { return checkStatus(i, i.Health.InstanceImpaired) }),
	"system-status.status":   one(func(i world.Instance) string { return checkStatus(i, i.Health.SystemImpaired) }),
	"event.code": func(i world.Instance) []string {
		if i.Health.Event == "" {
			return nil
		}
		return []string{i.Health.Event}
	},
}

func (s service) describeInstanceStatus(in describeInstanceStatusInput) (*describeInstanceStatusOutput, error) {
	if err := exclusive(in.MaxResults, in.InstanceIDs, "instancesSet"); err != nil {
		return nil, err
	}
	all, err := s.w.Instances(in.InstanceIDs)
	if err != nil {
		return nil, err
	}
	if !in.IncludeAllInstances {
		all = slices.DeleteFunc(all, func(i world.Instance) bool { return i.State != world.Running })
	}
	found, err := apply(in.Filters, all, statusFields, nil)
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(paging(5, 1000, 100), found, func(i world.Instance) string { return i.ID },
		in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeInstanceStatusOutput{Statuses: lo.Map(page, describeStatus), more: more{next}}, nil
}

func describeStatus(i world.Instance, _ int) instanceStatus {
	d := instanceStatus{
		InstanceID: i.ID, AvailabilityZone: i.Zone.Name, State: describeState(i.State),
		Instance: summarize(i, i.Health.InstanceImpaired), System: summarize(i, i.Health.SystemImpaired),
	}
	if i.Health.Event != "" {
		d.Events = []statusEvent{{
			ID: "instance-event-" + i.ID[2:], Code: i.Health.Event, Description: "Scheduled by the AWS emulator",
			NotBefore: wire.Time{Time: i.Health.Since},
		}}
	}
	return d
}

// checkStatus is the word for a status check.
func checkStatus(i world.Instance, impaired bool) string {
	switch {
	case i.State != world.Running:
		return "not-applicable"
	case impaired:
		return "impaired"
	default:
		return "ok"
	}
}

func summarize(i world.Instance, impaired bool) statusSummary {
	s := statusSummary{Status: checkStatus(i, impaired)}
	switch s.Status {
	case "impaired":
		s.Details = []statusDetail{{Name: "reachability", Status: "failed", ImpairedSince: &wire.Time{Time: i.Health.Since}}}
	case "ok":
		s.Details = []statusDetail{{Name: "reachability", Status: "passed"}}
	}
	return s
}
