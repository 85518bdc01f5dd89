package live

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// pods reads, page by page, the pods of all namespaces, and keeps of each what checks need. What a run does not have to move
// is left out.
func (r *Reader) pods(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	shared := newShared()
	var list corev1.PodList
	return r.pages(ctx, &list, func() {
		for i := range list.Items {
			if p := &list.Items[i]; !drain.Ignored(p) {
				s.Pods = append(s.Pods, shared.pod(p))
			}
		}
		list.Items = nil
	})
}

// shared keeps one of each thing that many pods have alike: 50,000 pods of 2,000 workloads have little more than 2,000 sets of
// labels.
type shared struct {
	texts   map[string]string
	labels  map[string]map[string]string
	demands map[string]*snapshot.Demands
}

func newShared() *shared {
	return &shared{texts: map[string]string{}, labels: map[string]map[string]string{}, demands: map[string]*snapshot.Demands{}}
}

func (c *shared) pod(p *corev1.Pod) snapshot.Pod {
	out := snapshot.Pod{
		Namespace: c.text(p.Namespace), Name: p.Name, Node: c.text(p.Spec.NodeName), Phase: corev1.PodPhase(c.text(string(p.Status.Phase))),
		Ready: drain.Ready(p), Terminating: p.DeletionTimestamp != nil, Labels: c.labelsOf(p.Labels), Demands: c.demandsOf(&p.Spec),
		HostPorts: hostPorts(&p.Spec), DoNotDisrupt: p.Annotations[snapshot.AnnotationDoNotDisrupt], DeadAnnotations: snapshot.DeadAnnotations(p.Annotations),
		PriorityClass: c.text(p.Spec.PriorityClassName), GraceSeconds: ptr.Deref(p.Spec.TerminationGracePeriodSeconds, 0),
	}
	if p.Status.StartTime != nil {
		out.Started = p.Status.StartTime.UTC()
	}
	if ref := metav1.GetControllerOf(p); ref != nil {
		out.Owner = snapshot.Owner{Kind: c.text(ref.Kind), Name: c.text(ref.Name)}
	}
	for i := range p.Spec.Volumes {
		switch v := &p.Spec.Volumes[i]; {
		case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumDefault:
			out.EmptyDirs++
		case v.HostPath != nil:
			out.HostPaths++
		case v.PersistentVolumeClaim != nil:
			out.Claims = append(out.Claims, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			out.Claims = append(out.Claims, p.Name+"-"+v.Name) // so the ephemeral volume controller names it
		}
	}
	return out
}

func (c *shared) text(s string) string {
	if known, ok := c.texts[s]; ok {
		return known
	}
	c.texts[s] = s
	return s
}

func (c *shared) labelsOf(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var id strings.Builder
	for _, k := range keys {
		id.WriteString(k + "=" + labels[k] + "\n")
	}
	if known, ok := c.labels[id.String()]; ok {
		return known
	}
	c.labels[id.String()] = labels
	return labels
}

func (c *shared) demandsOf(pod *corev1.PodSpec) *snapshot.Demands {
	d := demands(pod)
	if d == nil {
		return nil
	}
	id, err := json.Marshal(d)
	if err != nil {
		return d // then it is only not shared
	}
	if known, ok := c.demands[string(id)]; ok {
		return known
	}
	c.demands[string(id)] = d
	return d
}

// demands are what a pod demands of nodes, and tolerates of Karpenter; nil for nothing.
func demands(pod *corev1.PodSpec) *snapshot.Demands {
	d := &snapshot.Demands{NodeSelector: pod.NodeSelector, Terms: snapshot.RequiredTerms(pod), TopologyKeys: topologyKeys(pod)}
	for i := range pod.Tolerations {
		if karpenters(pod.Tolerations[i].Key) {
			d.Tolerations = append(d.Tolerations, pod.Tolerations[i])
		}
	}
	if len(d.NodeSelector) == 0 && len(d.Terms) == 0 && len(d.TopologyKeys) == 0 && len(d.Tolerations) == 0 {
		return nil
	}
	return d
}

// karpenters says that Karpenter sets taints of a key, or that it stands for all keys. Kubernetes adds tolerations of others to every
// pod.
func karpenters(key string) bool {
	return key == "" || key == corev1.TaintNodeUnschedulable || strings.HasPrefix(key, "karpenter.")
}

// topologyKeys are those by which a pod must or must not be with others, but for the node itself, which every node has.
func topologyKeys(pod *corev1.PodSpec) []string {
	var out []string
	for i := range pod.TopologySpreadConstraints {
		if c := &pod.TopologySpreadConstraints[i]; c.WhenUnsatisfiable == corev1.DoNotSchedule {
			out = append(out, c.TopologyKey)
		}
	}
	if a := pod.Affinity; a != nil && a.PodAffinity != nil {
		out = append(out, keysOf(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)...)
	}
	if a := pod.Affinity; a != nil && a.PodAntiAffinity != nil {
		out = append(out, keysOf(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)...)
	}
	out = slices.DeleteFunc(out, func(key string) bool { return key == corev1.LabelHostname })
	slices.Sort(out)
	return slices.Compact(out)
}

func keysOf(terms []corev1.PodAffinityTerm) []string {
	out := make([]string, 0, len(terms))
	for i := range terms {
		out = append(out, terms[i].TopologyKey)
	}
	return out
}

// hostPorts are the ports that a pod takes on its node, sorted. With hostNetwork these are all that its containers name, which the
// API server has written into hostPort.
func hostPorts(pod *corev1.PodSpec) []int32 {
	var out []int32
	for i := range pod.Containers {
		for _, port := range pod.Containers[i].Ports {
			if port.HostPort > 0 {
				out = append(out, port.HostPort)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
