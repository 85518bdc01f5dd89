package snapshot

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// Host is a node that no NodePool owns.
type Host struct {
	Name   string
	Labels map[string]string
	Taints []corev1.Taint
	// Free are what its pods do not request: processor time in thousandths of a core, memory in bytes, and pods.
	FreeCPU, FreeMemory, FreePods int64
	// Conflict is a pod on it that a pod of the second release must not share a node with; empty when there is none.
	Conflict string
}

// Zone of the node; empty when nobody said.
func (h *Host) Zone() string { return h.Labels[corev1.LabelTopologyZone] }

// Accepts says that the scheduler would consider the node for a pod: the pod selects it and tolerates its taints. Whether there is
// room is another matter.
func (h *Host) Accepts(pod *corev1.PodSpec) (bool, error) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: h.Name, Labels: h.Labels}}
	selected, err := nodeaffinity.NewRequiredNodeAffinity(pod.NodeSelector, pod.Affinity).Match(node)
	if err != nil {
		return false, fmt.Errorf("reading the node affinity: %w", err)
	}
	if !selected {
		return false, nil
	}
	for i := range h.Taints {
		if h.Taints[i].Effect != corev1.TaintEffectPreferNoSchedule && !tolerated(pod.Tolerations, &h.Taints[i]) {
			return false, nil
		}
	}
	return true, nil
}

// KeepsOff says that a pod of a namespace must not share a node with one of that namespace which has these labels: a required
// anti-affinity by hostname says so.
func KeepsOff(pod *corev1.PodSpec, others map[string]string) (bool, error) {
	if pod.Affinity == nil || pod.Affinity.PodAntiAffinity == nil {
		return false, nil
	}
	for _, term := range pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		if term.TopologyKey != corev1.LabelHostname {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err != nil {
			return false, fmt.Errorf("reading the pod anti-affinity: %w", err)
		}
		if selector.Matches(labels.Set(others)) {
			return true, nil
		}
	}
	return false, nil
}

// tolerated says that one of the tolerations matches a taint, by the rules of corev1.Toleration.
func tolerated(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	for _, t := range tolerations {
		if t.Effect != "" && t.Effect != taint.Effect {
			continue
		}
		if t.Key == "" && t.Operator == corev1.TolerationOpExists {
			return true
		}
		if t.Key == taint.Key && (t.Operator == corev1.TolerationOpExists || t.Value == taint.Value) {
			return true
		}
	}
	return false
}

// Requests are what a pod requests, as the scheduler counts it: processor time in thousandths of a core, and memory in bytes. Init
// containers that go on running count as containers do, and of the others the largest counts.
func Requests(pod *corev1.PodSpec) (cpu, memory int64) {
	for i := range pod.Containers {
		c, m := requests(&pod.Containers[i])
		cpu, memory = cpu+c, memory+m
	}
	var largestCPU, largestMemory int64
	for i := range pod.InitContainers {
		c, m := requests(&pod.InitContainers[i])
		if p := pod.InitContainers[i].RestartPolicy; p != nil && *p == corev1.ContainerRestartPolicyAlways {
			cpu, memory = cpu+c, memory+m
			continue
		}
		largestCPU, largestMemory = max(largestCPU, c), max(largestMemory, m)
	}
	cpu, memory = max(cpu, largestCPU), max(memory, largestMemory)
	return cpu + pod.Overhead.Cpu().MilliValue(), memory + pod.Overhead.Memory().Value()
}

func requests(c *corev1.Container) (cpu, memory int64) {
	return c.Resources.Requests.Cpu().MilliValue(), c.Resources.Requests.Memory().Value()
}
