package control

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Prefix is the path under which the emulator serves its control API. No AWS service has a path of this name.
const Prefix = "/_emulator"

// Fault makes calls fail, or slow, or both. Of several that match a call the oldest one acts.
type Fault struct {
	// ID is set by the emulator.
	ID string `json:"id,omitempty"`
	// Service, Action and Principal say which calls are hit: patterns in which * stands for any run of characters
	// and ? for one. Empty matches everything. Service is the name in the signature (ec2, eks, iam, ssm, sqs, sts,
	// pricing, arc-zonal-shift). Principal is compared with the access key id and with the pod's name.
	Service   string `json:"service,omitempty"`
	Action    string `json:"action,omitempty"`
	Principal string `json:"principal,omitempty"`
	// Code is the AWS error code to answer with, for example RequestLimitExceeded or UnauthorizedOperation. Without
	// a code the call goes on normally after Latency.
	Code string `json:"code,omitempty"`
	// Message is the text that goes with Code; empty gives one that names the fault.
	Message string `json:"message,omitempty"`
	// Status is the HTTP status; 0 stands for the one that AWS uses with Code.
	Status int `json:"status,omitempty"`
	// Count is how many calls are hit before the fault is spent; 0 means until it is removed.
	Count int `json:"count,omitempty"`
	// Latency is waited before the call is answered.
	Latency metav1.Duration `json:"latency,omitzero"`
	// Probability of a matching call being hit, above 0 and up to 1; 0 stands for 1.
	Probability float64 `json:"probability,omitempty"`
	// Hits is how many calls were hit so far. It is set by the emulator.
	Hits int `json:"hits,omitempty"`
}

// ICE takes capacity away: launches into matching pools fail with InsufficientInstanceCapacity. The three fields are
// patterns as in Fault; empty matches everything.
type ICE struct {
	// ID is set by the emulator.
	ID string `json:"id,omitempty"`
	// InstanceType is for example m5.large, m5.* or empty.
	InstanceType string `json:"instanceType,omitempty"`
	// Zone is the name of an availability zone.
	Zone string `json:"zone,omitempty"`
	// CapacityType is on-demand or spot.
	CapacityType string `json:"capacityType,omitempty"`
	// Hits is how many launches were refused so far. It is set by the emulator.
	Hits int `json:"hits,omitempty"`
}

// Settings are the knobs that hold for the whole emulator. A change holds for what starts after it.
type Settings struct {
	// LaunchDelay is the time from launch to the instance being told to join the cluster.
	LaunchDelay metav1.Duration `json:"launchDelay"`
	// PendingDelay is the time an instance is pending before it runs.
	PendingDelay metav1.Duration `json:"pendingDelay"`
	// ShutdownDelay is the time an instance is shutting-down before it is terminated.
	ShutdownDelay metav1.Duration `json:"shutdownDelay"`
	// TerminatedVisible is how long a terminated instance is still described. AWS keeps it for about an hour.
	TerminatedVisible metav1.Duration `json:"terminatedVisible"`
	// AMIGeneration is the newest generation of AMIs that is published, 1 or more. Raising it publishes the next
	// release of every image and points the public SSM parameters at it, which makes nodes drift.
	AMIGeneration int `json:"amiGeneration"`
}

// SettingsPatch changes the settings that are not nil.
type SettingsPatch struct {
	LaunchDelay       *metav1.Duration `json:"launchDelay,omitempty"`
	PendingDelay      *metav1.Duration `json:"pendingDelay,omitempty"`
	ShutdownDelay     *metav1.Duration `json:"shutdownDelay,omitempty"`
	TerminatedVisible *metav1.Duration `json:"terminatedVisible,omitempty"`
	AMIGeneration     *int             `json:"amiGeneration,omitempty"`
}

// Error is the body of a refused control call.
type Error struct {
	// Error says what was wrong and what to do.
	Error string `json:"error"`
}

// Request is one AWS call in the request log.
type Request struct {
	// Seq counts the calls from 1; it is what Requests pages by.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	ID   string    `json:"id"`
	// Service and Action name the operation; Action is empty when the call could not be read that far.
	Service string `json:"service"`
	Action  string `json:"action"`
	// DryRun is set for EC2 calls that asked for a dry run.
	DryRun bool `json:"dryRun,omitempty"`
	// Principal is the access key id that signed the call, Pod the pod that it belongs to, where known.
	Principal string `json:"principal,omitempty"`
	Pod       string `json:"pod,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	Region    string `json:"region,omitempty"`
	// Params sums up the parameters in at most a few hundred characters.
	Params string `json:"params,omitempty"`
	// Status is the HTTP status answered, Error the AWS error code, empty on success.
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
	// Fault is the ID of the fault that acted, if one did.
	Fault string `json:"fault,omitempty"`
	// DurationMillis is the time to answer, in milliseconds.
	DurationMillis float64 `json:"durationMillis"`
}

// RequestPage is a part of the request log, oldest first.
type RequestPage struct {
	Requests []Request `json:"requests"`
	// Next is the value of since that continues after this page.
	Next uint64 `json:"next"`
	// Dropped is how many calls the bounded log has forgotten since it was last cleared.
	Dropped uint64 `json:"dropped,omitempty"`
}

// RequestFilter selects calls of the request log. The strings are patterns as in Fault.
type RequestFilter struct {
	// Since is the sequence number after which to start.
	Since uint64
	// Limit bounds the page; 0 means everything that is held.
	Limit     int
	Service   string
	Action    string
	Principal string
}

// Count is how often a principal made a call. Counters outlive the bounded log.
type Count struct {
	Principal string `json:"principal,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Service   string `json:"service"`
	Action    string `json:"action"`
	DryRun    bool   `json:"dryRun,omitempty"`
	Calls     int    `json:"calls"`
	Errors    int    `json:"errors,omitempty"`
}
