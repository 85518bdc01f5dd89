package kwok

import (
	"fmt"
	"time"
)

// stage is the part of KWOK's Stage (kwok.x-k8s.io/v1alpha1) that we use.
type stage struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       spec     `json:"spec"`
}

type metadata struct {
	Name string `json:"name"`
}

type spec struct {
	ResourceRef resourceRef `json:"resourceRef"`
	Selector    selector    `json:"selector"`
	Delay       *delay      `json:"delay,omitempty"`
	Next        next        `json:"next"`
}

type resourceRef struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
}

type selector struct {
	MatchExpressions []expression `json:"matchExpressions"`
}

type expression struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// delay is chosen between a duration and a "jitter duration"; KWOK takes the smaller one where they are upside down.
type delay struct {
	DurationFrom       from `json:"durationFrom"`
	JitterDurationFrom from `json:"jitterDurationFrom"`
}

type from struct {
	ExpressionFrom string `json:"expressionFrom"`
}

type next struct {
	StatusTemplate string `json:"statusTemplate,omitempty"`
	Delete         bool   `json:"delete,omitempty"`
}

const (
	readyStatus    = `.status.conditions.[] | select( .type == "Ready" ) | .status`
	nodeHeartbeat  = 5 * time.Minute // of the status; Leases carry the kubelet's liveness
	defaultGraceMS = 30_000
)

func stages(p Pace) []stage {
	alive := absent(".metadata.deletionTimestamp")
	deleted := present(".metadata.deletionTimestamp")
	unowned := absent(".metadata.finalizers.[]")
	return []stage{
		newStage("node-ready", "Node", between(p.NodeReady, ""), next{StatusTemplate: nodeReady},
			notIn(readyStatus, "True")),
		newStage("node-heartbeat", "Node", between(Between(nodeHeartbeat, 2*nodeHeartbeat), ""), next{StatusTemplate: nodeBeat},
			in(readyStatus, "True")),
		newStage("pod-start", "Pod", between(p.PodStart, StartDelay), next{StatusTemplate: podRunning},
			alive, in(".status.phase", "Pending"), notIn(annotation(Ready), "never")),
		newStage("pod-complete", "Pod", between(p.JobRun, CompleteAfter), next{StatusTemplate: podSucceeded},
			alive, in(".status.phase", "Running"), in(".metadata.ownerReferences.[].kind", "Job")),
		newStage("pod-stop", "Pod", withinGrace(p.PodStop), next{Delete: true},
			deleted, unowned),
		// The Job controller keeps a finalizer on its pods until it has seen them end.
		newStage("pod-fail", "Pod", withinGrace(p.PodStop), next{StatusTemplate: podKilled},
			deleted, present(".metadata.finalizers.[]"), in(".status.phase", "Pending", "Running")),
	}
}

func newStage(name, kind string, d *delay, n next, match ...expression) stage {
	return stage{
		Metadata: metadata{Name: name},
		Spec: spec{
			ResourceRef: resourceRef{APIGroup: "v1", Kind: kind},
			Selector:    selector{MatchExpressions: match},
			Delay:       d,
			Next:        n,
		},
	}
}

func in(key string, values ...string) expression {
	return expression{Key: key, Operator: "In", Values: values}
}

func notIn(key string, values ...string) expression {
	return expression{Key: key, Operator: "NotIn", Values: values}
}

func present(key string) expression { return expression{Key: key, Operator: "Exists"} }

func absent(key string) expression { return expression{Key: key, Operator: "DoesNotExist"} }

func annotation(name string) string { return fmt.Sprintf(".metadata.annotations[%q]", name) }

// between is a delay in the range, or what the annotation says if there is one.
func between(r Range, override string) *delay {
	bound := func(d time.Duration) from {
		value := fmt.Sprintf("%q", d.String())
		if override != "" {
			value = annotation(override) + " // " + value
		}
		return from{ExpressionFrom: value}
	}
	return &delay{DurationFrom: bound(r.Min.Duration), JitterDurationFrom: bound(r.Max.Duration)}
}

// withinGrace is a delay in the range, or what the annotation [StopDelay] says; the pod's grace period bounds the range.
func withinGrace(r Range) *delay {
	bound := func(d time.Duration) from {
		return from{ExpressionFrom: fmt.Sprintf(
			`%s // (([((.metadata.deletionGracePeriodSeconds // (%d / 1000)) * 1000), %d] | min | tostring) + "ms")`,
			annotation(StopDelay), defaultGraceMS, d.Milliseconds())}
	}
	return &delay{DurationFrom: bound(r.Min.Duration), JitterDurationFrom: bound(r.Max.Duration)}
}
