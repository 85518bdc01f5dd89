//go:build e2e && linux

package sandbox_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
)

const fakeNode = `
apiVersion: v1
kind: Node
metadata:
  name: fake
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: fake, kubernetes.io/os: linux}
status:
  capacity: {cpu: "32", memory: 64Gi, pods: "110"}
  allocatable: {cpu: "32", memory: 64Gi, pods: "110"}
  addresses: [{type: InternalIP, address: 192.168.0.9}]
`

func fakePod(name, annotation, value string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `, annotations: {` + annotation + `: "` + value + `"}}
spec:
  nodeSelector: {kubernetes.io/hostname: fake}
  containers: [{name: app, image: nginx}]
`
}

// KWOK plays what is not there, at the pace that it is set to.
func TestPodsOnLaunchedNodes(t *testing.T) {
	settings := sandbox.DefaultSettings()
	settings.Pace.PodStart = kwok.Between(0, 0)
	r := up(t, sandbox.Options{Name: "e2e-fake", Karpenter: []string{}, Settings: &settings})
	r.apply(fakeNode)
	_, err := r.client.CoreV1().Nodes().Patch(t.Context(), "fake", "application/strategic-merge-patch+json", []byte(
		`{"status":{"capacity":{"cpu":"32","memory":"64Gi","pods":"110"},"allocatable":{"cpu":"32","memory":"64Gi","pods":"110"}}}`),
		metav1.PatchOptions{}, "status")
	r.Expect(err).NotTo(HaveOccurred())

	r.apply(fakePod("quick", "a", "b"))
	r.eventually(r.startDelay("quick"), soon).Should(And(BeNumerically(">=", 0), BeNumerically("<", 15*time.Second)))
	r.apply(fakePod("patient", kwok.StartDelay, "6s"))
	r.apply(fakePod("never", kwok.Ready, "never"))
	r.eventually(r.startDelay("patient"), soon).Should(BeNumerically(">=", 5*time.Second))

	settings.Pace.PodStart = kwok.Between(20*time.Second, 20*time.Second)
	settings.LaunchDelay.Duration = 45 * time.Second
	r.Expect(r.sb.SetSettings(t.Context(), settings)).To(Succeed())
	r.Expect(r.sb.Settings(t.Context())).To(Equal(settings))
	aws, err := r.sb.AWS().Settings(t.Context())
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(aws.LaunchDelay.Duration).To(Equal(45 * time.Second))
	r.apply(fakePod("slow", "a", "b"))
	r.eventually(r.startDelay("slow"), soon).Should(BeNumerically(">=", 19*time.Second))
	r.Expect(r.pod("default", "never")().Status.Phase).To(Equal(corev1.PodPending))

	r.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {kubernetes.io/hostname: fake}
      containers: [{name: app, image: busybox}]
`)
	r.eventually(func() int32 {
		job, err := r.client.BatchV1().Jobs("default").Get(t.Context(), "job", metav1.GetOptions{})
		r.Expect(err).NotTo(HaveOccurred())
		return job.Status.Succeeded
	}, soon).Should(Equal(int32(1)))

	for _, name := range []string{"quick", "never"} {
		r.Expect(r.client.CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{})).To(Succeed())
		r.eventually(r.pod("default", name), soon).Should(BeNil())
	}
}

// startDelay is from a pod's binding to its Ready, as far as whole seconds tell; -1 while it is not ready.
func (r *rig) startDelay(name string) func() time.Duration {
	return func() time.Duration {
		p := r.pod("default", name)()
		if p == nil || !isReady(p) {
			return -1
		}
		since := map[corev1.PodConditionType]time.Time{}
		for _, c := range p.Status.Conditions {
			since[c.Type] = c.LastTransitionTime.Time
		}
		return since[corev1.PodReady].Sub(since[corev1.PodScheduled])
	}
}

func TestTheControlPlaneComesBack(t *testing.T) {
	r := up(t, sandbox.Options{Name: "e2e-restart", Karpenter: []string{}})
	r.Expect(r.sb.RestartComponent(t.Context(), "kube-apiserver")).To(Succeed())
	restarts := func() int {
		status, err := r.sb.Status(t.Context())
		r.Expect(err).NotTo(HaveOccurred())
		for _, c := range status.Components {
			if c.Name == "kube-apiserver" && c.PID != 0 {
				return c.Restarts
			}
		}
		return -1
	}
	r.eventually(restarts, soon).Should(Equal(1))
	r.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: after}}")
	r.eventually(func() error {
		_, err := r.client.CoreV1().ConfigMaps("default").Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		return err
	}, soon).Should(Succeed())
}
