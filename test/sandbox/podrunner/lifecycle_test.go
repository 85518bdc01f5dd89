package podrunner

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

func TestAPodRunsUntilItIsDeleted(t *testing.T) {
	n := newNodeUnderTest(t)
	n.run(webPod(nil))
	p := n.next()
	n.Expect(p.spec.Argv).To(Equal([]string{"/app"}))
	n.eventually(n.pod).Should(HaveField("Status.Phase", corev1.PodRunning))
	n.eventually(n.status).Should(And(HaveField("Ready", true), HaveField("RestartCount", int32(0)), HaveField("State.Running", Not(BeNil()))))
	n.Expect(n.pod().Status.PodIP).To(Equal("127.0.0.1"))

	n.delete(30)
	n.eventually(p.signals).Should(Receive(Equal(syscall.SIGTERM)))
	n.eventually(n.pod).Should(BeNil(), "the object goes when the containers have ended")
	n.eventually(n.over).Should(BeClosed())
	n.Expect(n.closed.Load()).To(Equal(int32(1)), "and with it the network")
	n.Expect(n.worker.dir()).NotTo(BeADirectory())
	n.Expect(p.signals).NotTo(Receive(Equal(syscall.SIGKILL)))
}

func TestAGracePeriodEndsWithSIGKILL(t *testing.T) {
	n := newNodeUnderTest(t)
	n.onTerm = nil
	n.run(webPod(nil))
	p := n.next()
	n.eventually(n.status).Should(HaveField("Ready", true))
	n.delete(600)
	n.eventually(p.signals).Should(Receive(Equal(syscall.SIGTERM)))
	n.Consistently(p.signals, 500*time.Millisecond).ShouldNot(Receive())
	n.delete(1) // a second, more impatient request
	n.eventually(p.signals).Should(Receive(Equal(syscall.SIGKILL)))
	n.eventually(n.pod).Should(BeNil())
}

func TestAPodWhoseObjectIsGoneIsEnded(t *testing.T) {
	n := newNodeUnderTest(t)
	n.onTerm = nil
	n.run(webPod(nil))
	p := n.next()
	n.worker.remove()
	n.eventually(p.signals).Should(Receive(Equal(syscall.SIGTERM)))
	n.eventually(p.signals).Should(Receive(Equal(syscall.SIGKILL)))
	n.eventually(n.over).Should(BeClosed())
}

func TestACrashingContainerIsStartedAgainWithBackOff(t *testing.T) {
	n := newNodeUnderTest(t)
	n.run(webPod(nil))
	n.next().finish(container.Exit{Code: 3})
	second := n.next()
	n.eventually(n.status).Should(And(HaveField("RestartCount", int32(1)), HaveField("LastTerminationState.Terminated.ExitCode", int32(3))))
	second.finish(container.Exit{Code: 137, Signal: 9})
	n.eventually(n.status).Should(HaveField("State.Waiting", HaveField("Reason", "CrashLoopBackOff")))
	n.Expect(n.pod().Status.Phase).To(Equal(corev1.PodRunning))
	n.next()
	n.eventually(n.status).Should(And(
		HaveField("RestartCount", int32(2)), HaveField("Ready", true),
		HaveField("LastTerminationState.Terminated", And(HaveField("ExitCode", int32(137)), HaveField("Signal", int32(9)), HaveField("Reason", "Error")))))
}

func TestRestartPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		policy corev1.RestartPolicy
		code   int32
		again  bool
		phase  corev1.PodPhase
	}{
		"never, well":      {corev1.RestartPolicyNever, 0, false, corev1.PodSucceeded},
		"never, failed":    {corev1.RestartPolicyNever, 1, false, corev1.PodFailed},
		"on failure, well": {corev1.RestartPolicyOnFailure, 0, false, corev1.PodSucceeded},
		"on failure":       {corev1.RestartPolicyOnFailure, 1, true, corev1.PodRunning},
		"always, well":     {corev1.RestartPolicyAlways, 0, true, corev1.PodRunning},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNodeUnderTest(t)
			pod := webPod(nil)
			pod.Spec.RestartPolicy = c.policy
			n.run(pod)
			n.next().finish(container.Exit{Code: c.code})
			if c.again {
				n.next()
			}
			n.eventually(n.pod).Should(HaveField("Status.Phase", c.phase))
			n.Consistently(n.started, 100*time.Millisecond).ShouldNot(Receive())
		})
	}
}

func TestAnUnknownImageIsShownAsAKubeletShowsIt(t *testing.T) {
	n := newNodeUnderTest(t)
	n.run(webPod(func(c *corev1.Container) { c.Image = "nginx:1.29" }))
	n.eventually(n.status).Should(HaveField("State.Waiting", And(
		HaveField("Reason", "ErrImagePull"), HaveField("Message", ContainSubstring(`failed to pull image "nginx:1.29"`)))))
	n.eventually(n.status).Should(HaveField("State.Waiting.Reason", "ImagePullBackOff"))
	n.Expect(n.pod().Status.Phase).To(Equal(corev1.PodPending))
	n.delete(30)
	n.eventually(n.pod).Should(BeNil(), "a pod that never ran can be deleted")
}

func TestWhatIsMissingIsWaitedFor(t *testing.T) {
	n := newNodeUnderTest(t)
	n.run(webPod(func(c *corev1.Container) { c.Env = []corev1.EnvVar{{Name: "X", ValueFrom: secretKey("keys", "token")}} }))
	n.eventually(n.status).Should(HaveField("State.Waiting", HaveField("Reason", "CreateContainerConfigError")))
	_, err := n.client.CoreV1().Secrets("shop").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "keys"}, Data: map[string][]byte{"token": []byte("s3cret")},
	}, metav1.CreateOptions{})
	n.Expect(err).NotTo(HaveOccurred())
	n.Expect(n.next().spec.Env).To(ContainElement("X=s3cret"))
}

func TestAProgramThatDoesNotStartIsTriedAgain(t *testing.T) {
	n := newNodeUnderTest(t)
	n.refuse = errors.New("executing /app: permission denied")
	n.run(webPod(nil))
	n.eventually(n.status).Should(HaveField("State.Waiting", And(
		HaveField("Reason", "RunContainerError"), HaveField("Message", "executing /app: permission denied"))))
}

func TestInitContainersComeFirstAndInTurn(t *testing.T) {
	n := newNodeUnderTest(t)
	pod := webPod(nil)
	for _, name := range []string{"one", "two"} {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: name, Image: "app", Args: []string{name}})
	}
	n.run(pod)
	one := n.next()
	n.Expect(one.spec.Argv).To(HaveExactElements("/app", "one"))
	n.Consistently(n.started, 100*time.Millisecond).ShouldNot(Receive())
	one.finish(container.Exit{Code: 1})
	again := n.next()
	n.Expect(again.spec.Argv).To(HaveExactElements("/app", "one"), "one that failed is tried again")
	again.finish(container.Exit{})
	two := n.next()
	n.Expect(two.spec.Argv).To(HaveExactElements("/app", "two"))
	n.eventually(n.pod).Should(HaveField("Status.Phase", corev1.PodPending))
	two.finish(container.Exit{})
	n.Expect(n.next().spec.Argv).To(HaveExactElements("/app"))
	n.eventually(n.pod).Should(HaveField("Status.Phase", corev1.PodRunning))
}

func TestASidecarRunsBesideTheContainers(t *testing.T) {
	n := newNodeUnderTest(t)
	pod := webPod(nil)
	pod.Spec.InitContainers = []corev1.Container{{
		Name: "side", Image: "app", Args: []string{"side"}, RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways),
	}}
	n.run(pod)
	side, main := n.next(), n.next()
	n.Expect(side.spec.Argv).To(HaveExactElements("/app", "side"))
	n.eventually(n.status).Should(HaveField("Ready", true))
	side.finish(container.Exit{})
	n.Expect(n.next().spec.Argv).To(HaveExactElements("/app", "side"), "it is kept running")
	n.delete(30)
	n.eventually(main.signals).Should(Receive(Equal(syscall.SIGTERM)))
	n.eventually(n.pod).Should(BeNil())
}

// health is an HTTP endpoint whose answer the test chooses.
func health(t *testing.T) (*atomic.Bool, intstr.IntOrString) {
	t.Helper()
	ok := &atomic.Bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !ok.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return ok, intstr.FromInt32(int32(server.Listener.Addr().(*net.TCPAddr).Port))
}

func get(port intstr.IntOrString, failures int32) *corev1.Probe {
	return &corev1.Probe{
		PeriodSeconds: 1, FailureThreshold: failures,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz?x=1", Port: port}},
	}
}

func TestReadinessFollowsItsProbe(t *testing.T) {
	n := newNodeUnderTest(t)
	ok, port := health(t)
	n.run(webPod(func(c *corev1.Container) { c.ReadinessProbe = get(port, 1) }))
	n.next()
	n.eventually(n.status).Should(And(HaveField("State.Running", Not(BeNil())), HaveField("Ready", false)))
	n.eventually(n.events.Events).Should(Receive(ContainSubstring("Readiness probe failed: HTTP probe failed with statuscode: 503")))
	ok.Store(true)
	n.eventually(n.status).Should(HaveField("Ready", true))
	ok.Store(false)
	n.eventually(n.status).Should(HaveField("Ready", false))
	n.Expect(n.status().RestartCount).To(BeZero())
}

func TestAFailedLivenessProbeRestarts(t *testing.T) {
	n := newNodeUnderTest(t)
	ok, port := health(t)
	ok.Store(true)
	n.run(webPod(func(c *corev1.Container) { c.LivenessProbe = get(port, 2) }))
	p := n.next()
	n.eventually(n.status).Should(HaveField("Ready", true))
	ok.Store(false)
	n.eventually(p.signals).Should(Receive(Equal(syscall.SIGTERM)))
	ok.Store(true)
	n.next()
	n.eventually(n.status).Should(And(HaveField("RestartCount", int32(1)), HaveField("Ready", true)))
}

func TestAStartupProbeHoldsTheOthersBack(t *testing.T) {
	n := newNodeUnderTest(t)
	ok, port := health(t)
	n.run(webPod(func(c *corev1.Container) {
		c.StartupProbe = get(port, 60)
		c.LivenessProbe = get(port, 1)
	}))
	p := n.next()
	n.eventually(n.status).Should(And(HaveField("State.Running", Not(BeNil())), HaveField("Started", ptr.To(false))))
	n.Consistently(p.signals, 1500*time.Millisecond).ShouldNot(Receive(), "liveness is not looked at yet")
	ok.Store(true)
	n.eventually(n.status).Should(And(HaveField("Started", ptr.To(true)), HaveField("Ready", true)))
}

func TestWhichLogAContainerHas(t *testing.T) {
	n := newNodeUnderTest(t)
	n.run(webPod(nil))
	log := func(previous bool) func() (string, error) {
		return func() (string, error) {
			path, _, err := n.worker.logFile("main", previous)
			return strings.TrimPrefix(path, n.worker.logs.dir), err
		}
	}
	first := n.next()
	n.eventually(n.status).Should(HaveField("Ready", true))
	n.Expect(log(false)()).To(Equal("/main/0.log"))
	_, err := log(true)()
	n.Expect(err).To(MatchError(`previous terminated container "main" in pod "web-0" not found`))

	first.finish(container.Exit{Code: 1})
	second := n.next()
	n.eventually(log(false)).Should(Equal("/main/1.log"))
	n.Expect(log(true)()).To(Equal("/main/0.log"))

	second.finish(container.Exit{Code: 1})
	n.eventually(n.status).Should(HaveField("State.Waiting", HaveField("Reason", "CrashLoopBackOff")))
	n.Expect(log(false)()).To(Equal("/main/1.log"), "while it waits there is the last run")
	n.Expect(log(true)()).To(Equal("/main/1.log"))
	_, _, err = n.worker.logFile("none", false)
	n.Expect(err).To(MatchError(`container "none" not found in pod "web-0"`))
}

func TestSignalReachesTheContainer(t *testing.T) {
	n := newNodeUnderTest(t)
	pod := webPod(nil)
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "other", Image: "app"})
	n.run(pod)
	list := []*process{n.next(), n.next()}
	n.eventually(func() bool {
		return !slices.ContainsFunc(n.worker.containers("host-1"), func(c Container) bool { return c.PID == 0 })
	}).Should(BeTrue())
	n.Expect(n.worker.signal("", syscall.SIGKILL)).To(MatchError("pod shop/web-0 has 2 containers: name one"))
	n.Expect(n.worker.signal("none", syscall.SIGKILL)).To(MatchError("pod shop/web-0 has no container none"))
	n.Expect(n.worker.signal("other", syscall.SIGWINCH)).To(Succeed())
	n.eventually(func() bool { return len(list[0].signals)+len(list[1].signals) == 1 }).Should(BeTrue())
}
