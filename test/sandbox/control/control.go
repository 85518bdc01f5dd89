// Package control is the interface by which the host steers a running sandbox: HTTP with JSON over a unix socket in
// the sandbox's directory.
//
//	GET   /status                what runs, for people and tests
//	GET   /settings              the settings in force
//	PUT   /settings              changes them
//	POST  /kill                  sends a signal to a container's process
//	POST  /restart/{component}   restarts a control plane component
//	*     /_emulator/...         the control API of the AWS emulator
package control

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
)

// Settings can be changed while a sandbox runs.
type Settings struct {
	// Pace is how fast the nodes and pods are that KWOK plays.
	Pace kwok.Pace `json:"pace"`
	// LaunchDelay is from the launch of an instance to the registration of its node.
	LaunchDelay metav1.Duration `json:"launchDelay"`
}

// DefaultLaunchDelay is short enough for tests and long enough to be seen.
const DefaultLaunchDelay = 2 * time.Second

// DefaultSettings are those of a sandbox that asks for none.
func DefaultSettings() Settings {
	return Settings{Pace: kwok.DefaultPace(), LaunchDelay: metav1.Duration{Duration: DefaultLaunchDelay}}
}

// Status is what runs in a sandbox.
type Status struct {
	// Components are the processes of the control plane.
	Components []controlplane.Component `json:"components"`
	// Containers are those of the pods on host nodes.
	Containers []Container `json:"containers"`
}

// Container is one container with a process in the sandbox.
type Container struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Name      string `json:"name"`
	Node      string `json:"node"`
	IP        string `json:"ip"`
	// PID is the process as the sandbox sees it, 0 while it does not run.
	PID      int   `json:"pid"`
	Ready    bool  `json:"ready"`
	Restarts int32 `json:"restarts"`
	// AccessKeyID is the AWS identity that the container's requests carry.
	AccessKeyID string `json:"accessKeyID,omitempty"`
}

// KillRequest names a container's process and the signal for it.
type KillRequest struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	// Container may be empty where the pod has one.
	Container string `json:"container,omitempty"`
	// Signal is a signal's number; 9 (SIGKILL) where it is 0.
	Signal int `json:"signal,omitempty"`
}
