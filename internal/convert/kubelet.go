package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnnotationKubelet is where Karpenter 1.0 keeps the kubelet settings of a NodePool that was written as v1beta1 (JSON). 1.0 honours
// it before spec.kubelet of the EC2NodeClass; 1.1 to 1.5 refuse to start with it; 1.6 and later ignore it (karpenter-provider-aws
// pkg/utils/utils.go at v1.0.8, pkg/operator/operator.go at v1.1.0).
const AnnotationKubelet = "compatibility.karpenter.sh/v1beta1-kubelet-conversion"

// kubelet has the kubelet settings in the order in which Karpenter writes them into the annotation.
type kubelet struct {
	ClusterDNS                  []string                   `json:"clusterDNS,omitempty"`
	MaxPods                     *int32                     `json:"maxPods,omitempty"`
	PodsPerCore                 *int32                     `json:"podsPerCore,omitempty"`
	SystemReserved              map[string]string          `json:"systemReserved,omitempty"`
	KubeReserved                map[string]string          `json:"kubeReserved,omitempty"`
	EvictionHard                map[string]string          `json:"evictionHard,omitempty"`
	EvictionSoft                map[string]string          `json:"evictionSoft,omitempty"`
	EvictionSoftGracePeriod     map[string]metav1.Duration `json:"evictionSoftGracePeriod,omitempty"`
	EvictionMaxPodGracePeriod   *int32                     `json:"evictionMaxPodGracePeriod,omitempty"`
	ImageGCHighThresholdPercent *int32                     `json:"imageGCHighThresholdPercent,omitempty"`
	ImageGCLowThresholdPercent  *int32                     `json:"imageGCLowThresholdPercent,omitempty"`
	CPUCFSQuota                 *bool                      `json:"cpuCFSQuota,omitempty"`
}

// kubeletFields are its fields.
var kubeletFields = []string{
	"clusterDNS", "maxPods", "podsPerCore", "systemReserved", "kubeReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod",
	"evictionMaxPodGracePeriod", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent", "cpuCFSQuota",
}

// kubeletJSON writes kubelet settings as Karpenter does, and names those that it does not know.
func kubeletJSON(settings map[string]any) (text string, unknown []string, err error) {
	given, err := json.Marshal(settings)
	if err != nil {
		return "", nil, fmt.Errorf("writing the kubelet settings: %w", err)
	}
	var k kubelet
	if err := json.Unmarshal(given, &k); err != nil {
		return "", nil, fmt.Errorf("reading the kubelet settings: %w", err)
	}
	out, err := json.Marshal(k)
	if err != nil {
		return "", nil, fmt.Errorf("writing the kubelet settings: %w", err)
	}
	for _, name := range sortedKeys(settings) {
		if !slices.Contains(kubeletFields, name) {
			unknown = append(unknown, name)
		}
	}
	return string(out), unknown, nil
}

// parseKubelet reads kubelet settings out of the annotation, as unstructured content, spelled as Karpenter spells them.
func parseKubelet(text string) (map[string]any, error) {
	var k *kubelet
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return nil, fmt.Errorf("reading the kubelet settings: %w", err)
	}
	if k == nil {
		return nil, nil //nolint:nilnil // "null" is no settings, which is no error
	}
	again, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("writing the kubelet settings: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(again))
	decoder.UseNumber()
	out := map[string]any{}
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("reading the kubelet settings: %w", err)
	}
	for key, v := range out {
		if n, ok := v.(json.Number); ok {
			if out[key], err = n.Int64(); err != nil {
				return nil, fmt.Errorf("reading the kubelet setting %s: %w", key, err)
			}
		}
	}
	return out, nil
}
