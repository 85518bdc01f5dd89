package snapshot

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Annotations by which pods and nodes keep Karpenter from disrupting them. The dead ones are ignored by Karpenter from 1.0 on (the
// 1.0 migration guide, changelog).
const (
	AnnotationDoNotDisrupt     = "karpenter.sh/do-not-disrupt"
	AnnotationDoNotEvict       = "karpenter.sh/do-not-evict"
	AnnotationDoNotConsolidate = "karpenter.sh/do-not-consolidate"
)

// Pod is what checks need of a pod. Pods that no run has to move are left out: those that have ended, mirror pods and those of
// DaemonSets. Many pods share one map of labels and one Demands: nobody changes what is in a snapshot.
type Pod struct {
	Namespace, Name string
	// Node that it is bound to; empty while it waits for one.
	Node  string
	Phase corev1.PodPhase
	Ready bool
	// Terminating says that it is being deleted.
	Terminating bool
	// Started is when its kubelet took it on; zero before that.
	Started time.Time
	Labels  map[string]string
	// Owner is its controller; empty for a bare pod, which nobody starts again.
	Owner Owner
	// Demands of the scheduler; nil when there are none.
	Demands *Demands
	// HostPorts that it takes on its node, sorted.
	HostPorts []int32
	// EmptyDirs and HostPaths are how many volumes of these kinds it has. EmptyDirs in memory are not counted.
	EmptyDirs, HostPaths int
	// Claims are the PersistentVolumeClaims that it mounts, those of generic ephemeral volumes included, which go with it.
	Claims []string
	// DoNotDisrupt is the value of the annotation karpenter.sh/do-not-disrupt; empty when it has none.
	DoNotDisrupt string
	// DeadAnnotations are those on it that Karpenter no longer reads, by their keys.
	DeadAnnotations []string
	PriorityClass   string
	// GraceSeconds is its terminationGracePeriodSeconds.
	GraceSeconds int64
}

// Owner is the controller of a pod, in the pod's namespace.
type Owner struct{ Kind, Name string }

// Demands are what a pod demands of its node beyond room, and what it tolerates, as far as Karpenter has a say in it.
type Demands struct {
	NodeSelector map[string]string
	// Terms of the required node affinity, one of which has to hold.
	Terms []corev1.NodeSelectorTerm
	// TopologyKeys of required pod (anti-)affinity and of topology spread that must hold, sorted.
	TopologyKeys []string
	// Tolerations of taints that Karpenter sets, and of all taints.
	Tolerations []corev1.Toleration
}

// PinnedTo is PinnedTo of a pod with these demands. A nil Demands pins nothing.
func (d *Demands) PinnedTo() (pools []string, pinned bool) {
	if d == nil {
		return nil, false
	}
	return pinnedTo(d.NodeSelector, d.Terms)
}

// Deployment is the name of the Deployment that a pod comes from; empty when none shows. The deployment controller names a
// ReplicaSet after the Deployment and the label pod-template-hash of its pods, so that no ReplicaSet has to be read for it:
// clusters keep ten old ones of each Deployment.
func (p *Pod) Deployment() string {
	hash := p.Labels["pod-template-hash"]
	if p.Owner.Kind != "ReplicaSet" || hash == "" {
		return ""
	}
	name, suffix := p.Owner.Name, "-"+hash
	if len(name) <= len(suffix) || name[len(name)-len(suffix):] != suffix {
		return ""
	}
	return name[:len(name)-len(suffix)]
}

// Protects says that the annotation karpenter.sh/do-not-disrupt of a pod holds it at a time. Its value is "true", or since Karpenter
// 1.14 a duration that counts from the pod's start; any other value protects nothing.
func Protects(value string, started, now time.Time) bool {
	if value == "true" {
		return true
	}
	d, err := time.ParseDuration(value)
	return err == nil && !started.IsZero() && now.Before(started.Add(d))
}

// DeadAnnotations are the annotations among these that Karpenter from 1.0 on ignores.
func DeadAnnotations(annotations map[string]string) []string {
	var out []string
	for _, key := range []string{AnnotationDoNotConsolidate, AnnotationDoNotEvict} {
		if annotations[key] == "true" {
			out = append(out, key)
		}
	}
	return out
}
