package aws

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// event is an EventBridge event.
// Source: https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html.
type event struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// instanceDetail is the detail of the EC2 events.
type instanceDetail struct {
	InstanceID string `json:"instance-id"`
	Action     string `json:"instance-action,omitempty"`
	State      string `json:"state,omitempty"`
}

// healthDetail is the part of an AWS Health event that says what is going to happen to which instance.
// Source: https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html.
type healthDetail struct {
	EventARN          string              `json:"eventArn"`
	Service           string              `json:"service"`
	EventTypeCode     string              `json:"eventTypeCode"`
	EventTypeCategory string              `json:"eventTypeCategory"`
	StartTime         string              `json:"startTime"`
	EndTime           string              `json:"endTime"`
	EventDescription  []map[string]string `json:"eventDescription"`
	AffectedEntities  []map[string]string `json:"affectedEntities"`
}

// changedStates are the states that EC2 announces.
var changedStates = []string{"pending", "running", "stopping", "stopped", "shutting-down", "terminated"}

// eventBody makes the body of a message.
func eventBody(seed *Seed, now time.Time, m control.Message) (string, error) {
	if m.Kind == "" {
		if m.Body == "" {
			return "", fmt.Errorf("the message is empty: give it a kind and an instanceId, or a body")
		}
		return m.Body, nil
	}
	if m.InstanceID == "" {
		return "", fmt.Errorf("a message of kind %s needs an instanceId", m.Kind)
	}
	e := event{
		Version: "0", ID: string(uuid.NewUUID()), Source: "aws.ec2", Account: seed.Account, Region: seed.Region,
		Time:      now.UTC().Format(time.RFC3339),
		Resources: []string{seed.ARN("ec2", seed.Region, "instance/"+m.InstanceID)},
	}
	switch m.Kind {
	case control.SpotInterruption:
		e.DetailType = "EC2 Spot Instance Interruption Warning"
		e.Detail = instanceDetail{InstanceID: m.InstanceID, Action: "terminate"}
	case control.RebalanceRecommendation:
		e.DetailType = "EC2 Instance Rebalance Recommendation"
		e.Detail = instanceDetail{InstanceID: m.InstanceID}
	case control.StateChange:
		if !slices.Contains(changedStates, m.State) {
			return "", fmt.Errorf("state %q: a StateChange needs one of %v", m.State, changedStates)
		}
		e.DetailType = "EC2 Instance State-change Notification"
		e.Detail = instanceDetail{InstanceID: m.InstanceID, State: m.State}
	case control.ScheduledChange:
		e.DetailType, e.Source = "AWS Health Event", "aws.health"
		e.Detail = retirement(seed, now, m.InstanceID)
	default:
		return "", fmt.Errorf("message kind %q is not known", m.Kind)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encoding the event: %w", err)
	}
	return string(raw), nil
}

// retirement is the Health event for an instance whose host is going to be retired in two weeks.
func retirement(seed *Seed, now time.Time, instance string) healthDetail {
	const code = "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED"
	at := now.UTC().Add(14 * 24 * time.Hour).Format(time.RFC1123)
	return healthDetail{
		EventARN: seed.ARN("health", seed.Region, "event/EC2/"+code+"/"+code+"_"+instance), Service: "EC2",
		EventTypeCode: code, EventTypeCategory: "scheduledChange", StartTime: at, EndTime: at,
		EventDescription: []map[string]string{{
			"language": "en_US", "latestDescription": "The instance is running on degraded hardware.",
		}},
		AffectedEntities: []map[string]string{{"entityValue": instance}},
	}
}
