package podrunner

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// containerState is what is known of one container; exactly one of waiting, running and terminated is set.
type containerState struct {
	waiting    *corev1.ContainerStateWaiting
	running    *corev1.ContainerStateRunning
	terminated *corev1.ContainerStateTerminated
	last       *corev1.ContainerStateTerminated
	id         string
	imageID    string
	restarts   int32
	ready      bool
	started    bool
}

// succeeded tells whether the container has ended well.
func (s containerState) succeeded() bool { return s.terminated != nil && s.terminated.ExitCode == 0 }

// stopped tells whether the container has ended, even if it is about to be started again.
func (s containerState) stopped() bool {
	return s.terminated != nil || s.waiting != nil && s.last != nil
}

// podState is what a status is made of.
type podState struct {
	init, main []containerState // in the order of the spec
	podIP      string
	hostIP     string
	startTime  time.Time
	// stopping is set when the pod's containers are not started again, for the pod is being deleted.
	stopping bool
}

// computeStatus returns the status of a pod as a kubelet would write it. What others wrote is kept: conditions of other
// types and the pod's QoS class.
func computeStatus(pod *corev1.Pod, s podState, now time.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.ObservedGeneration = pod.Generation
	status.HostIP = s.hostIP
	status.HostIPs = []corev1.HostIP{{IP: s.hostIP}}
	if s.podIP != "" {
		status.PodIP = s.podIP
		status.PodIPs = []corev1.PodIP{{IP: s.podIP}}
	}
	status.StartTime = &metav1.Time{Time: s.startTime}
	status.InitContainerStatuses = containerStatuses(pod.Spec.InitContainers, s.init)
	status.ContainerStatuses = containerStatuses(pod.Spec.Containers, s.main)
	status.Phase = phaseOf(pod, s)
	setCondition(&status, corev1.PodReadyToStartContainers, boolCondition(s.podIP != "", "", ""), pod.Generation, now)
	setCondition(&status, corev1.PodInitialized, initialized(pod, s, status.Phase), pod.Generation, now)
	containers := containersReady(pod, s, status.Phase)
	setCondition(&status, corev1.ContainersReady, containers, pod.Generation, now)
	setCondition(&status, corev1.PodReady, podReady(pod, containers), pod.Generation, now)
	return status
}

func containerStatuses(specs []corev1.Container, states []containerState) []corev1.ContainerStatus {
	out := make([]corev1.ContainerStatus, 0, len(states))
	for i, s := range states {
		cs := corev1.ContainerStatus{
			Name:         specs[i].Name,
			Image:        specs[i].Image,
			ImageID:      s.imageID,
			ContainerID:  s.id,
			Ready:        s.ready,
			Started:      ptr.To(s.started),
			RestartCount: s.restarts,
			State:        corev1.ContainerState{Waiting: s.waiting, Running: s.running, Terminated: s.terminated},
		}
		if s.last != nil {
			cs.LastTerminationState = corev1.ContainerState{Terminated: s.last}
		}
		out = append(out, *cs.DeepCopy())
	}
	return out
}

// phaseOf follows the kubelet's rules: a pod is Pending until its init containers are done and no container waits for
// its first start; it has ended when nothing runs and nothing will.
func phaseOf(pod *corev1.Pod, s podState) corev1.PodPhase {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return pod.Status.Phase
	}
	policy := pod.Spec.RestartPolicy
	if s.stopping {
		policy = corev1.RestartPolicyNever // what has ended now has ended for good
	}
	if c := firstPending(pod, s); c != nil {
		if c.terminated != nil && policy == corev1.RestartPolicyNever {
			return corev1.PodFailed
		}
		return endedOr(s, corev1.PodPending)
	}
	return mainPhase(s, policy)
}

// mainPhase is the phase of a pod whose init containers are done.
func mainPhase(s podState, policy corev1.RestartPolicy) corev1.PodPhase {
	switch t := count(s.main); {
	case t.starting > 0:
		return endedOr(s, corev1.PodPending)
	case t.running > 0 || policy == corev1.RestartPolicyAlways:
		return corev1.PodRunning
	case t.succeeded == len(s.main):
		return corev1.PodSucceeded
	case policy == corev1.RestartPolicyNever:
		return corev1.PodFailed
	}
	return corev1.PodRunning
}

// firstPending is the init container that the others wait for, nil if all are done.
func firstPending(pod *corev1.Pod, s podState) *containerState {
	for i := range s.init {
		if !isSidecar(&pod.Spec.InitContainers[i]) && !s.init[i].succeeded() {
			return &s.init[i]
		}
	}
	return nil
}

// tally counts containers by what they do.
type tally struct {
	starting, running, succeeded int
}

func count(list []containerState) tally {
	var t tally
	for _, c := range list {
		switch {
		case c.running != nil:
			t.running++
		case c.succeeded():
			t.succeeded++
		case !c.stopped():
			t.starting++
		}
	}
	return t
}

// endedOr is PodFailed for a pod that was deleted before it came up, once nothing of it runs.
func endedOr(s podState, otherwise corev1.PodPhase) corev1.PodPhase {
	if !s.stopping {
		return otherwise
	}
	for _, list := range [][]containerState{s.init, s.main} {
		for _, c := range list {
			if c.running != nil {
				return otherwise
			}
		}
	}
	return corev1.PodFailed
}

// isSidecar tells whether an init container is meant to keep running.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

type condition struct {
	status          corev1.ConditionStatus
	reason, message string
}

func boolCondition(ok bool, reason, message string) condition {
	if ok {
		return condition{status: corev1.ConditionTrue}
	}
	return condition{status: corev1.ConditionFalse, reason: reason, message: message}
}

func initialized(pod *corev1.Pod, s podState, phase corev1.PodPhase) condition {
	var missing []string
	for i, c := range s.init {
		spec := &pod.Spec.InitContainers[i]
		if done := c.succeeded() || isSidecar(spec) && c.started; !done {
			missing = append(missing, spec.Name)
		}
	}
	if len(missing) == 0 || phase == corev1.PodSucceeded {
		return condition{status: corev1.ConditionTrue}
	}
	return boolCondition(false, "ContainersNotInitialized", fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(missing, " ")))
}

func containersReady(pod *corev1.Pod, s podState, phase corev1.PodPhase) condition {
	if phase == corev1.PodSucceeded {
		return boolCondition(false, "PodCompleted", "")
	}
	if phase == corev1.PodFailed {
		return boolCondition(false, "PodFailed", "")
	}
	var unready []string
	for i, c := range s.init {
		if spec := &pod.Spec.InitContainers[i]; isSidecar(spec) && !c.ready {
			unready = append(unready, spec.Name)
		}
	}
	for i, c := range s.main {
		if !c.ready {
			unready = append(unready, pod.Spec.Containers[i].Name)
		}
	}
	return boolCondition(len(unready) == 0, "ContainersNotReady", fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " ")))
}

func podReady(pod *corev1.Pod, containers condition) condition {
	if containers.status != corev1.ConditionTrue {
		return containers
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if c := findCondition(&pod.Status, gate.ConditionType); c == nil || c.Status != corev1.ConditionTrue {
			return boolCondition(false, "ReadinessGatesNotReady", fmt.Sprintf("the readiness gate %q is not True", gate.ConditionType))
		}
	}
	return containers
}

func findCondition(s *corev1.PodStatus, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}

// setCondition keeps the time of the last transition where the status stays the same.
func setCondition(s *corev1.PodStatus, t corev1.PodConditionType, c condition, generation int64, now time.Time) {
	next := corev1.PodCondition{
		Type: t, Status: c.status, Reason: c.reason, Message: c.message,
		ObservedGeneration: generation, LastTransitionTime: metav1.Time{Time: now},
	}
	old := findCondition(s, t)
	if old == nil {
		s.Conditions = append(s.Conditions, next)
		return
	}
	if old.Status == next.Status {
		next.LastTransitionTime = old.LastTransitionTime
	}
	*old = next
}
