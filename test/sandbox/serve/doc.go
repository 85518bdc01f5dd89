// Package serve is the main process of a sandbox: it brings up the network, the control plane, the AWS emulator, the
// chart registry and the pod runner, in this one process or as its children, and serves the host through the listeners
// that the host opened. It runs inside the sandbox's namespaces; see package namespaces.
package serve

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
)

// Ports inside the sandbox, on the gateway's address.
const (
	RegistryPort = 5000
	AWSPort      = 4566
)

// Listeners are what the host hands over, in this order.
const (
	apiServerListener = iota
	registryListener
	controlListener
	listeners
)

// Config is what the host tells a sandbox.
type Config struct {
	// Dir is the sandbox's directory.
	Dir string `json:"dir"`
	// Programs are the paths of the programs by name.
	Programs map[string]string `json:"programs"`
	// Version is the version of Kubernetes.
	Version string `json:"version"`
	// Images are what pods on host nodes can run.
	Images podrunner.Images `json:"images"`
	// Charts are packages to put into the registry.
	Charts []string `json:"charts"`
	// Settings and Kubernetes are the user's choices.
	Settings   control.Settings      `json:"settings"`
	Kubernetes controlplane.Settings `json:"kubernetes"`
	// Backoff is that of restarted containers.
	Backoff podrunner.Backoff `json:"backoff"`
	// Seed is the AWS account's seed file; empty for the default one.
	Seed string `json:"seed,omitempty"`
}

// Save writes the configuration for the sandbox to read.
func (c Config) Save(path string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the sandbox's configuration: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing the sandbox's configuration: %w", err)
	}
	return nil
}

// LoadConfig reads what Save wrote.
func LoadConfig(path string) (Config, error) {
	var c Config
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return Config{}, fmt.Errorf("reading the sandbox's configuration: %w", err)
	}
	return c, nil
}

// Hidden commands of the sandbox program, by which it starts itself again.
const (
	// InitCommand is followed by the sandbox's directory, as is ServeCommand.
	InitCommand      = "sandbox-init"
	ServeCommand     = "sandbox-serve"
	ContainerCommand = "sandbox-container"
)
