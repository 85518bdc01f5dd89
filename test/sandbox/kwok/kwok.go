// Package kwok configures KWOK, which plays the kubelets of nodes that are not there: the nodes of emulated instances.
// It holds the stages through which such nodes and their pods go, and how long each takes.
package kwok

import (
	"bytes"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Annotations by which a single pod departs from the [Pace]. Delays are Go durations, as in "90s".
const (
	// StartDelay is how long the pod takes from being bound to being Ready.
	StartDelay = "sandbox.karpenter-upgrade.dev/start-delay"
	// StopDelay is how long the pod takes to end, at most its grace period.
	StopDelay = "sandbox.karpenter-upgrade.dev/stop-delay"
	// CompleteAfter is how long a Job's pod runs.
	CompleteAfter = "sandbox.karpenter-upgrade.dev/complete-after"
	// Ready with the value "never" keeps the pod Pending on its node, as one whose image cannot be pulled.
	Ready = "sandbox.karpenter-upgrade.dev/ready"
)

// Range is a delay chosen evenly between two bounds.
type Range struct {
	Min metav1.Duration `json:"min"`
	Max metav1.Duration `json:"max"`
}

// Between returns a range.
func Between(lowest, highest time.Duration) Range {
	return Range{Min: metav1.Duration{Duration: lowest}, Max: metav1.Duration{Duration: highest}}
}

// Pace is how fast nodes and pods do what they do. Its JSON form has durations as in "1.5s".
type Pace struct {
	// NodeReady is from a Node's registration to its Ready.
	NodeReady Range `json:"nodeReady"`
	// PodStart is from a pod's binding to its Ready.
	PodStart Range `json:"podStart"`
	// PodStop is from a pod's deletion to its end. A pod's grace period bounds it.
	PodStop Range `json:"podStop"`
	// JobRun is how long the pods of Jobs run.
	JobRun Range `json:"jobRun"`
}

// DefaultPace is brisk but not instant.
func DefaultPace() Pace {
	return Pace{
		NodeReady: Between(0, time.Second),
		PodStart:  Between(0, time.Second),
		PodStop:   Between(0, time.Second),
		JobRun:    Between(2*time.Second, 4*time.Second),
	}
}

// Validate refuses ranges that are negative or upside down.
func (p Pace) Validate() error {
	for name, r := range map[string]Range{"nodeReady": p.NodeReady, "podStart": p.PodStart, "podStop": p.PodStop, "jobRun": p.JobRun} {
		if r.Min.Duration < 0 || r.Max.Duration < r.Min.Duration {
			return fmt.Errorf("pace %s: from %s to %s is no range: give a minimum of 0 or more and a maximum not below it",
				name, r.Min.Duration, r.Max.Duration)
		}
	}
	return nil
}

// Config returns KWOK's configuration file.
func Config(p Pace) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, s := range stages(p) {
		s.APIVersion, s.Kind = "kwok.x-k8s.io/v1alpha1", "Stage"
		doc, err := yaml.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("writing KWOK's stage %s: %w", s.Metadata.Name, err)
		}
		out.WriteString("---\n")
		out.Write(doc)
	}
	return out.Bytes(), nil
}
