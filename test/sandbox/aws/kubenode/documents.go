package kubenode

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// nodeConfig is the part of a NodeConfig that makes a difference to the Node.
// Source: https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/api/.
type nodeConfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Cluster struct {
			Name string `json:"name"`
		} `json:"cluster"`
		Kubelet struct {
			Config kubeletConfig `json:"config"`
			Flags  []string      `json:"flags"`
		} `json:"kubelet"`
	} `json:"spec"`
}

// kubeletConfig is the part of a KubeletConfiguration that makes a difference to the Node.
type kubeletConfig struct {
	MaxPods        int               `json:"maxPods"`
	PodsPerCore    int               `json:"podsPerCore"`
	Taints         []corev1.Taint    `json:"registerWithTaints"`
	KubeReserved   map[string]string `json:"kubeReserved"`
	SystemReserved map[string]string `json:"systemReserved"`
	EvictionHard   map[string]string `json:"evictionHard"`
}

// readNodeConfig reads a NodeConfig. Of several, the later ones win field by field, and their flags are added.
func (b *Bootstrap) readNodeConfig(document []byte) error {
	var c nodeConfig
	if err := yaml.Unmarshal(document, &c); err != nil {
		return fmt.Errorf("parsing the NodeConfig in the user data: %w", err)
	}
	if c.Kind != "NodeConfig" || !strings.HasPrefix(c.APIVersion, "node.eks.aws/") {
		return fmt.Errorf("the user data has a %s %s where a NodeConfig is expected", c.APIVersion, c.Kind)
	}
	k := c.Spec.Kubelet.Config
	b.ClusterName = lo.CoalesceOrEmpty(c.Spec.Cluster.Name, b.ClusterName)
	b.MaxPods = lo.CoalesceOrEmpty(k.MaxPods, b.MaxPods)
	b.PodsPerCore = lo.CoalesceOrEmpty(k.PodsPerCore, b.PodsPerCore)
	b.Taints = lo.CoalesceSliceOrEmpty(k.Taints, b.Taints)
	b.KubeReserved = lo.CoalesceMapOrEmpty(k.KubeReserved, b.KubeReserved)
	b.SystemReserved = lo.CoalesceMapOrEmpty(k.SystemReserved, b.SystemReserved)
	b.EvictionHard = lo.CoalesceMapOrEmpty(k.EvictionHard, b.EvictionHard)
	// The flags reach the kubelet through a file in which quotes are taken off as in a shell.
	flags, err := splitWords(strings.Join(c.Spec.Kubelet.Flags, " "))
	if err != nil {
		return err
	}
	return b.readKubeletFlags(flags)
}

// settings is the part of Bottlerocket's settings that makes a difference to the Node.
// Source: https://bottlerocket.dev/en/os/latest/api/settings/kubernetes/.
type settings struct {
	Settings struct {
		Kubernetes struct {
			ClusterName    string            `toml:"cluster-name"`
			NodeLabels     map[string]string `toml:"node-labels"`
			NodeTaints     map[string]any    `toml:"node-taints"`
			MaxPods        int               `toml:"max-pods"`
			KubeReserved   map[string]string `toml:"kube-reserved"`
			SystemReserved map[string]string `toml:"system-reserved"`
			EvictionHard   map[string]string `toml:"eviction-hard"`
		} `toml:"kubernetes"`
	} `toml:"settings"`
}

// looksLikeSettings tells Bottlerocket's settings from other user data.
func looksLikeSettings(userData []byte) bool {
	return bytes.Contains(userData, []byte("[settings.kubernetes]"))
}

// readSettings reads Bottlerocket's settings.
func (b *Bootstrap) readSettings(document []byte) error {
	var s settings
	if err := toml.Unmarshal(document, &s); err != nil {
		return fmt.Errorf("parsing the Bottlerocket settings in the user data: %w", err)
	}
	k := s.Settings.Kubernetes
	if k.ClusterName == "" {
		return errNoBootstrap
	}
	b.ClusterName, b.MaxPods, b.KubeReserved, b.SystemReserved = k.ClusterName, k.MaxPods, k.KubeReserved, k.SystemReserved
	b.EvictionHard = k.EvictionHard
	b.addLabels(k.NodeLabels)
	for key, value := range k.NodeTaints {
		taints, err := settingsTaints(key, value)
		if err != nil {
			return err
		}
		b.Taints = append(b.Taints, taints...)
	}
	return nil
}

// settingsTaints reads the taints of a key: "value:effect", or a list of that.
func settingsTaints(key string, value any) ([]corev1.Taint, error) {
	var items []string
	switch v := value.(type) {
	case string:
		items = []string{v}
	case []any:
		items = lo.Map(v, func(item any, _ int) string { return fmt.Sprint(item) })
	default:
		return nil, fmt.Errorf("taint %s: need \"value:effect\" or a list of it", key)
	}
	return parseTaints(strings.Join(lo.Map(items, func(i string, _ int) string { return key + "=" + i }), ","))
}
