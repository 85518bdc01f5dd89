package control

import "time"

// State is what exists in the emulated account.
type State struct {
	Instances        []Instance        `json:"instances"`
	LaunchTemplates  []LaunchTemplate  `json:"launchTemplates"`
	Subnets          []Subnet          `json:"subnets"`
	SecurityGroups   []SecurityGroup   `json:"securityGroups"`
	InstanceProfiles []InstanceProfile `json:"instanceProfiles"`
	Queues           []Queue           `json:"queues"`
}

// Instance is an EC2 instance, terminated ones included while they are visible.
type Instance struct {
	ID             string    `json:"id"`
	State          string    `json:"state"`
	Type           string    `json:"type"`
	CapacityType   string    `json:"capacityType"`
	Zone           string    `json:"zone"`
	SubnetID       string    `json:"subnetId"`
	ImageID        string    `json:"imageId"`
	PrivateIP      string    `json:"privateIp"`
	PrivateDNSName string    `json:"privateDnsName"`
	LaunchTime     time.Time `json:"launchTime"`
	// Booted is set once the instance was handed to the cluster.
	Booted         bool              `json:"booted"`
	Tags           map[string]string `json:"tags,omitempty"`
	SecurityGroups []string          `json:"securityGroups,omitempty"`
	// Principal is the access key id that launched it, Pod the pod that it belongs to, where known.
	Principal string `json:"principal,omitempty"`
	Pod       string `json:"pod,omitempty"`
}

// LaunchTemplate is an EC2 launch template.
type LaunchTemplate struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	ImageID string            `json:"imageId,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	// UserData is decoded.
	UserData string `json:"userData,omitempty"`
}

// Subnet is a subnet with its tags.
type Subnet struct {
	ID   string `json:"id"`
	Zone string `json:"zone"`
	CIDR string `json:"cidr"`
	// FreeIPs is the number of addresses that are left.
	FreeIPs int               `json:"freeIps"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// SecurityGroup is a security group with its tags.
type SecurityGroup struct {
	ID   string            `json:"id"`
	Name string            `json:"name"`
	Tags map[string]string `json:"tags,omitempty"`
}

// InstanceProfile is an IAM instance profile with its tags.
type InstanceProfile struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// Role is empty when none is attached.
	Role string            `json:"role,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
}

// Queue is an SQS queue.
type Queue struct {
	Name string `json:"name"`
	// Visible messages wait to be received, InFlight ones were received and not yet deleted.
	Visible  int `json:"visible"`
	InFlight int `json:"inFlight"`
}

// MessageKind is a kind of event that AWS puts into a Karpenter interruption queue.
type MessageKind string

// The kinds of events, after the EventBridge rules in Karpenter's CloudFormation template.
const (
	// SpotInterruption is the two-minute notice of a spot instance.
	SpotInterruption MessageKind = "SpotInterruption"
	// RebalanceRecommendation says that a spot instance is at elevated risk.
	RebalanceRecommendation MessageKind = "RebalanceRecommendation"
	// StateChange says that an instance changed its state; Message.State says to which.
	StateChange MessageKind = "StateChange"
	// ScheduledChange is an AWS Health event of the category scheduledChange.
	ScheduledChange MessageKind = "ScheduledChange"
)

// Message is put into a queue: either an event of Kind about InstanceID, or Body as it stands.
type Message struct {
	// Queue is the name of the queue; empty takes the only one.
	Queue string `json:"queue,omitempty"`
	// Kind and InstanceID make an event; State is for StateChange only.
	Kind       MessageKind `json:"kind,omitempty"`
	InstanceID string      `json:"instanceId,omitempty"`
	State      string      `json:"state,omitempty"`
	// Body is sent unchanged when Kind is empty.
	Body string `json:"body,omitempty"`
}

// MessageReceipt tells what was put into the queue.
type MessageReceipt struct {
	MessageID string `json:"messageId"`
	Body      string `json:"body"`
}

// Health is what DescribeInstanceStatus reports of an instance.
type Health struct {
	// Instance and System are the two status checks: true is impaired.
	InstanceImpaired bool `json:"instanceImpaired,omitempty"`
	SystemImpaired   bool `json:"systemImpaired,omitempty"`
	// Event is the code of a scheduled event such as instance-retirement; empty is none.
	Event string `json:"event,omitempty"`
}
