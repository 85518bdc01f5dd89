//go:build e2e && linux

package sandbox_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
)

const restricted = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
stringData: {token: s3cret}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {mode: fast}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: shop}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop, labels: {app: app}}
spec:
  tolerations: [{key: CriticalAddonsOnly, operator: Exists}]
  securityContext: {runAsNonRoot: true, fsGroup: 2000, seccompProfile: {type: RuntimeDefault}}
  terminationGracePeriodSeconds: 20
  containers:
  - name: app
    image: registry.example/example.com/app:1
    ports: [{name: http, containerPort: 8080}]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    env:
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: token}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: WHERE, value: $(NODE)/$(TOKEN)}
    livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1, failureThreshold: 2}
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
    volumeMounts:
    - {name: settings, mountPath: /settings, readOnly: true}
    - {name: data, mountPath: /data}
  volumes:
  - {name: settings, configMap: {name: settings}}
  - {name: data, emptyDir: {}}
`

// A pod of the kind that charts have meets what it would meet on a real node.
func TestPodsOnHostNodes(t *testing.T) {
	r := up(t, sandbox.Options{Name: "e2e-pods", Karpenter: []string{}, Images: []sandbox.Image{appImage(t)}})
	r.apply(restricted)
	r.eventually(r.readyPods("shop", "app=app"), soon).Should(Equal(1))
	app := r.pod("shop", "app")

	r.eventually(r.ask("shop", "app", "identity"), soon).Should(Equal("app 1"))
	r.Expect(r.ask("shop", "app", "env/WHERE")()).To(Equal(app().Spec.NodeName + "/s3cret"))
	r.Expect(r.ask("shop", "app", "file/settings/mode")()).To(Equal("fast"))
	r.Expect(r.ask("shop", "app", "file/var/run/secrets/kubernetes.io/serviceaccount/namespace")()).To(Equal("shop"))
	_, err := r.ask("shop", "app", "write/data/x")()
	r.Expect(err).NotTo(HaveOccurred())
	for _, path := range []string{"x", "settings/x", "tmp/x"} {
		_, err = r.ask("shop", "app", "write/"+path)()
		r.Expect(err).To(HaveOccurred(), path)
	}
	r.followsItsSources()
	r.isBehindItsService()
	r.isRestartedWhenUnhealthy()
	r.logsAreThere()
	r.endsInGoodOrder()
}

func (r *rig) followsItsSources() {
	r.t.Helper()
	_, err := r.client.CoreV1().ConfigMaps("shop").Update(r.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"mode": "slow"},
	}, metav1.UpdateOptions{})
	r.Expect(err).NotTo(HaveOccurred())
	r.eventually(r.ask("shop", "app", "file/settings/mode"), soon).Should(Equal("slow"))
}

func (r *rig) isBehindItsService() {
	r.t.Helper()
	r.eventually(func() []string {
		list, err := r.client.DiscoveryV1().EndpointSlices("shop").List(r.t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=app"})
		r.Expect(err).NotTo(HaveOccurred())
		var ready []string
		for _, s := range list.Items {
			for _, e := range s.Endpoints {
				if ptr.Deref(e.Conditions.Ready, false) {
					ready = append(ready, e.Addresses...)
				}
			}
		}
		return ready
	}, soon).Should(ConsistOf(r.pod("shop", "app")().Status.PodIP))
}

func (r *rig) isRestartedWhenUnhealthy() {
	r.t.Helper()
	_, err := r.ask("shop", "app", "sicken")()
	r.Expect(err).NotTo(HaveOccurred())
	r.eventually(r.pod("shop", "app"), soon).Should(HaveField("Status.ContainerStatuses", ConsistOf(And(
		HaveField("RestartCount", int32(1)), HaveField("Ready", true),
		HaveField("LastTerminationState.Terminated.ExitCode", int32(0)), // it ends well on SIGTERM
	))))
	r.eventually(func() []string {
		events, err := r.client.CoreV1().Events("shop").List(r.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=app,reason=Killing"})
		r.Expect(err).NotTo(HaveOccurred())
		var messages []string
		for _, e := range events.Items {
			messages = append(messages, e.Message)
		}
		return messages
	}, soon).Should(ContainElement("Container app failed liveness probe, will be restarted"))
}

func (r *rig) logsAreThere() {
	r.t.Helper()
	r.Expect(r.logs("shop", "app", &corev1.PodLogOptions{Previous: true})()).To(And(HaveSuffix("terminating\n"), ContainSubstring("starting\n")))
	now, err := r.logs("shop", "app", &corev1.PodLogOptions{Timestamps: true, TailLines: ptr.To[int64](1)})()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(now).To(MatchRegexp(`^\d{4}-\d\d-\d\dT\S+Z .* starting\n$`))
	_, err = r.logs("shop", "app", &corev1.PodLogOptions{Container: "none"})()
	r.Expect(err).To(MatchError(ContainSubstring("container none is not valid for pod app")))
}

func (r *rig) endsInGoodOrder() {
	r.t.Helper()
	followed := make(chan string, 1)
	go func() {
		text, _ := r.logs("shop", "app", &corev1.PodLogOptions{Follow: true})()
		followed <- text
	}()
	uid := r.pod("shop", "app")().UID
	r.Expect(r.client.PolicyV1().Evictions("shop").Evict(r.t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: "shop"}})).To(Succeed())
	r.eventually(r.pod("shop", "app"), soon).Should(BeNil())
	var text string
	r.eventually(followed, soon).Should(Receive(&text))
	r.Expect(text).To(HaveSuffix("terminating\n"), "a followed log has the last word of pod %s", uid)
}

func hostPod(name, image string, args ...string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `}
spec:
  tolerations: [{key: CriticalAddonsOnly, operator: Exists}]
  containers: [{name: app, image: "` + image + `", args: ["` + strings.Join(args, `","`) + `"]}]
`
}

func TestPodsThatCannotRunSayWhy(t *testing.T) {
	r := up(t, sandbox.Options{
		Name: "e2e-wrong", Karpenter: []string{}, Images: []sandbox.Image{appImage(t)},
		Backoff: sandbox.Backoff{Base: time.Second, Max: time.Minute},
	})
	r.apply(hostPod("unknown", "nginx:1.29", ""))
	r.apply(hostPod("crashing", "example.com/app", "crash"))
	waiting := func(name, reason string) {
		t.Helper()
		r.eventually(r.pod("default", name), soon).Should(HaveField("Status.ContainerStatuses", ConsistOf(
			HaveField("State.Waiting", HaveField("Reason", reason)))))
	}
	waiting("unknown", "ErrImagePull")
	waiting("unknown", "ImagePullBackOff")
	waiting("crashing", "CrashLoopBackOff")
	r.eventually(r.pod("default", "crashing"), soon).Should(HaveField("Status.ContainerStatuses", ConsistOf(And(
		HaveField("RestartCount", BeNumerically(">=", 2)), HaveField("LastTerminationState.Terminated.ExitCode", int32(1))))))
	r.Expect(r.pod("default", "unknown")().Status.Phase).To(Equal(corev1.PodPending))
	_, err := r.logs("default", "unknown", nil)()
	r.Expect(err).To(MatchError(ContainSubstring("is waiting to start")))
	for _, name := range []string{"unknown", "crashing"} {
		r.Expect(r.client.CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{})).To(Succeed())
		r.eventually(r.pod("default", name), soon).Should(BeNil())
	}
}
