package podrunner

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var (
	isRunning  = containerState{running: &corev1.ContainerStateRunning{}, started: true, ready: true}
	unready    = containerState{running: &corev1.ContainerStateRunning{}, started: true}
	isWaiting  = containerState{waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	didWell    = containerState{terminated: &corev1.ContainerStateTerminated{ExitCode: 0}}
	didFail    = containerState{terminated: &corev1.ContainerStateTerminated{ExitCode: 3}}
	backingOff = containerState{waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}, last: &corev1.ContainerStateTerminated{ExitCode: 3}}
)

func podWith(policy corev1.RestartPolicy, inits, mains int) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: policy}}
	for i := range inits {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "init-" + string(rune('0'+i))})
	}
	for i := range mains {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "main-" + string(rune('0'+i))})
	}
	return pod
}

func TestPhase(t *testing.T) {
	const always, onFailure, never = corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever
	for name, c := range map[string]struct {
		policy     corev1.RestartPolicy
		init, main []containerState
		stopping   bool
		want       corev1.PodPhase
	}{
		"starting":                    {always, nil, []containerState{isWaiting}, false, corev1.PodPending},
		"running":                     {always, nil, []containerState{isRunning, unready}, false, corev1.PodRunning},
		"one starts yet":              {always, nil, []containerState{isRunning, isWaiting}, false, corev1.PodPending},
		"crash loop":                  {always, nil, []containerState{backingOff}, false, corev1.PodRunning},
		"ended, restarted":            {always, nil, []containerState{didWell}, false, corev1.PodRunning},
		"done":                        {never, nil, []containerState{didWell, didWell}, false, corev1.PodSucceeded},
		"one failed":                  {never, nil, []containerState{didWell, didFail}, false, corev1.PodFailed},
		"one failed, tried again":     {onFailure, nil, []containerState{didWell, backingOff}, false, corev1.PodRunning},
		"done on failure":             {onFailure, nil, []containerState{didWell}, false, corev1.PodSucceeded},
		"init runs":                   {always, []containerState{isRunning}, []containerState{isWaiting}, false, corev1.PodPending},
		"init failed, tried again":    {always, []containerState{backingOff}, []containerState{isWaiting}, false, corev1.PodPending},
		"init failed for good":        {never, []containerState{didFail}, []containerState{isWaiting}, false, corev1.PodFailed},
		"stopping, still running":     {always, nil, []containerState{isRunning, didFail}, true, corev1.PodRunning},
		"stopped well":                {always, nil, []containerState{didWell}, true, corev1.PodSucceeded},
		"stopped by force":            {always, nil, []containerState{didFail}, true, corev1.PodFailed},
		"stopped before it came up":   {always, nil, []containerState{isWaiting}, true, corev1.PodFailed},
		"stopped while one came up":   {always, nil, []containerState{isRunning, isWaiting}, true, corev1.PodPending},
		"stopped during init":         {always, []containerState{didFail}, []containerState{isWaiting}, true, corev1.PodFailed},
		"stopped while init runs yet": {always, []containerState{isRunning}, []containerState{isWaiting}, true, corev1.PodPending},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podWith(c.policy, len(c.init), len(c.main))
			got := phaseOf(pod, podState{init: c.init, main: c.main, stopping: c.stopping})
			NewWithT(t).Expect(got).To(Equal(c.want))
		})
	}
}

func TestAPodThatEndedStaysEnded(t *testing.T) {
	pod := podWith(corev1.RestartPolicyNever, 0, 1)
	pod.Status.Phase = corev1.PodSucceeded
	NewWithT(t).Expect(phaseOf(pod, podState{main: []containerState{isRunning}})).To(Equal(corev1.PodSucceeded))
}

func TestConditions(t *testing.T) {
	gate := []corev1.PodReadinessGate{{ConditionType: "example.com/gate"}}
	open := []corev1.PodCondition{{Type: "example.com/gate", Status: corev1.ConditionTrue}}
	sidecar := func(pod *corev1.Pod) {
		pod.Spec.InitContainers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	}
	for name, c := range map[string]struct {
		init, main                     []containerState
		change                         func(pod *corev1.Pod)
		initialized, containers, ready corev1.ConditionStatus
		reason                         string
	}{
		"ready":         {nil, []containerState{isRunning}, nil, "True", "True", "True", ""},
		"not ready":     {nil, []containerState{isRunning, unready}, nil, "True", "False", "False", "ContainersNotReady"},
		"initializing":  {[]containerState{isRunning}, []containerState{isWaiting}, nil, "False", "False", "False", "ContainersNotReady"},
		"initialized":   {[]containerState{didWell}, []containerState{isRunning}, nil, "True", "True", "True", ""},
		"sidecar up":    {[]containerState{isRunning}, []containerState{isRunning}, sidecar, "True", "True", "True", ""},
		"sidecar down":  {[]containerState{unready}, []containerState{isRunning}, sidecar, "True", "False", "False", "ContainersNotReady"},
		"gate shut":     {nil, []containerState{isRunning}, func(p *corev1.Pod) { p.Spec.ReadinessGates = gate }, "True", "True", "False", "ReadinessGatesNotReady"},
		"gate open":     {nil, []containerState{isRunning}, func(p *corev1.Pod) { p.Spec.ReadinessGates, p.Status.Conditions = gate, open }, "True", "True", "True", ""},
		"done":          {nil, []containerState{didWell}, func(p *corev1.Pod) { p.Spec.RestartPolicy = "Never" }, "True", "False", "False", "PodCompleted"},
		"failed":        {nil, []containerState{didFail}, func(p *corev1.Pod) { p.Spec.RestartPolicy = "Never" }, "True", "False", "False", "PodFailed"},
		"crash looping": {nil, []containerState{backingOff}, nil, "True", "False", "False", "ContainersNotReady"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pod := podWith(corev1.RestartPolicyAlways, len(c.init), len(c.main))
			if c.change != nil {
				c.change(pod)
			}
			s := computeStatus(pod, podState{init: c.init, main: c.main, podIP: "10.88.1.1", hostIP: "10.88.0.11"}, epoch)
			g.Expect(findCondition(&s, corev1.PodInitialized).Status).To(Equal(c.initialized))
			g.Expect(findCondition(&s, corev1.ContainersReady).Status).To(Equal(c.containers))
			g.Expect(findCondition(&s, corev1.PodReady).Status).To(Equal(c.ready))
			g.Expect(findCondition(&s, corev1.PodReady).Reason).To(Equal(c.reason))
		})
	}
}

func TestAStatusKeepsWhatOthersWroteAndWhenThingsChanged(t *testing.T) {
	g := NewWithT(t)
	then, now := time.Unix(1000, 0), time.Unix(2000, 0)
	pod := podWith(corev1.RestartPolicyAlways, 0, 1)
	pod.Generation = 3
	pod.Status = corev1.PodStatus{
		QOSClass: corev1.PodQOSBurstable,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: then}},
			{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI"},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: then}},
		},
	}
	state := podState{main: []containerState{isRunning}, podIP: "10.88.1.1", hostIP: "10.88.0.11", startTime: then}
	s := computeStatus(pod, state, now)
	g.Expect(s.QOSClass).To(Equal(corev1.PodQOSBurstable))
	g.Expect(s.ObservedGeneration).To(Equal(int64(3)))
	g.Expect(findCondition(&s, corev1.DisruptionTarget).Reason).To(Equal("EvictionByEvictionAPI"))
	g.Expect(findCondition(&s, corev1.PodReady).LastTransitionTime.Time).To(Equal(then), "it was ready before")
	g.Expect(findCondition(&s, corev1.ContainersReady).LastTransitionTime.Time).To(Equal(now))

	pod.Status = s
	state.main = []containerState{unready}
	s = computeStatus(pod, state, now.Add(time.Minute))
	g.Expect(findCondition(&s, corev1.PodReady).LastTransitionTime.Time).To(Equal(now.Add(time.Minute)))
	g.Expect(pod.Status.Conditions).To(ContainElement(HaveField("Reason", "EvictionByEvictionAPI")), "the object seen is not changed")
}
