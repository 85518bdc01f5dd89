package phase

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// memory is how long an ending is remembered. It is needed for seconds.
const memory = time.Minute

// Endings remembers, of pods of Karpenter whose objects went, that their processes had ended before: then the Lease that such a
// pod held needs no wait until its holder is known to be silent. It is fed by an informer, holds little, and may be lost:
// without it a handover takes some seconds longer, and is as safe.
type Endings struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	at    map[types.NamespacedName]time.Time
}

// NewEndings makes an empty memory.
func NewEndings(c clock.PassiveClock) *Endings {
	return &Endings{clock: c, at: map[types.NamespacedName]time.Time{}}
}

// Handler is what feeds it, for an informer of pods.
func (e *Endings) Handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{DeleteFunc: e.deleted}
}

func (e *Endings) deleted(o any) {
	if last, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = last.Obj
	}
	p, ok := o.(*corev1.Pod)
	if !ok || p.Labels[labelName] != chartName || !ended(p) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, at := range e.at {
		if e.clock.Since(at) > memory {
			delete(e.at, key)
		}
	}
	e.at[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = e.clock.Now()
}

// Has says that a pod is known to have ended before its object went, within the last minute. It may be called on nil.
func (e *Endings) Has(namespace, name string) bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok := e.at[types.NamespacedName{Namespace: namespace, Name: name}]
	return ok && e.clock.Since(at) <= memory
}

// ended says that the kubelet reported a pod's processes as over. A kubelet writes a phase that is an end when all containers have
// stopped, and deletes the object only after that (k8s.io/kubernetes pkg/kubelet/status/status_manager.go: canBeDeleted). A pod
// that is force-deleted goes with the phase that it had; the garbage collector of pods, which knows nothing of processes, writes
// the phase Failed too, and a condition that names it (pkg/controller/podgc).
func ended(p *corev1.Pod) bool {
	if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
		return false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Reason == "DeletionByPodGC" {
			return false
		}
	}
	return true
}
