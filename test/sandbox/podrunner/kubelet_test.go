package podrunner

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

// A node hears of a pod's last changes when the pod has ended already.
func TestLateNewsDoesNotStartAPodAgain(t *testing.T) {
	g := NewWithT(t)
	started := make(chan *process, 10)
	pod := webPod(nil)
	r := New(Config{
		Client: fake.NewClientset(pod), Images: Images{{Repository: "app", Tag: "*", Program: "/host/app", Path: "/app", User: 1}},
		Launch: func(_ context.Context, spec container.Spec, _ *os.File) (Process, error) {
			p := &process{spec: spec, done: make(chan struct{}), signals: signals(), onTerm: func(p *process) { p.finish(container.Exit{}) }}
			started <- p
			return p, nil
		},
		Attach: func() (PodNetwork, error) {
			return PodNetwork{IP: netip.MustParseAddr("127.0.0.1"), Close: func() error { return nil }}, nil
		},
		Dir: t.TempDir(), Logs: t.TempDir(), Backoff: DefaultBackoff(), Clock: clock.RealClock{},
	})
	k := &kubelet{
		deps: r.deps, node: Node{Name: "host-1", IP: netip.MustParseAddr("10.88.0.11")},
		recorder: record.NewFakeRecorder(100), pods: map[types.UID]*podWorker{},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer func() {
		cancel()
		k.wg.Wait()
	}()
	k.podSeen(ctx, pod)
	g.Eventually(started, 20*time.Second).Should(Receive())
	g.Expect(k.find("shop", "web-0")).NotTo(BeNil())

	deleted := pod.DeepCopy()
	deleted.DeletionTimestamp, deleted.DeletionGracePeriodSeconds = ptr.To(metav1.Now()), ptr.To[int64](30)
	k.podSeen(ctx, deleted)
	g.Eventually(func() error {
		_, err := r.deps.Client.CoreV1().Pods("shop").Get(ctx, "web-0", metav1.GetOptions{})
		return err
	}, 20*time.Second).Should(HaveOccurred())
	late := deleted.DeepCopy()
	late.Status.Phase = corev1.PodSucceeded
	k.podSeen(ctx, late)
	g.Consistently(started, 300*time.Millisecond).ShouldNot(Receive())
	k.podGone(late)
	g.Expect(k.find("shop", "web-0")).To(BeNil())
}

func TestANodesStatus(t *testing.T) {
	g := NewWithT(t)
	n := Node{Name: "host-1", Zone: "us-west-2a", IP: netip.MustParseAddr("10.88.0.11"), Labels: map[string]string{"role": "system"}}
	node := newNode(n, "us-west-2")
	g.Expect(node.Labels).To(And(HaveKeyWithValue(corev1.LabelTopologyZone, "us-west-2a"), HaveKeyWithValue("role", "system")))
	g.Expect(node.Labels).NotTo(HaveKey(HavePrefix("karpenter")), "Karpenter must not take it for its own")
	g.Expect(node.Spec.Taints).To(ConsistOf(HaveField("Key", "CriticalAddonsOnly")))

	first := nodeStatus(n, "v1.36.3", "6.1", corev1.NodeStatus{}, epoch)
	later := nodeStatus(n, "v1.36.3", "6.1", first, epoch.Add(time.Hour))
	for _, c := range later.Conditions {
		g.Expect(c.LastHeartbeatTime.Time).To(Equal(epoch.Add(time.Hour)))
		g.Expect(c.LastTransitionTime.Time).To(Equal(epoch), "it was so before")
	}
	g.Expect(later.Conditions).To(ContainElement(And(HaveField("Type", corev1.NodeReady), HaveField("Status", corev1.ConditionTrue))))
	g.Expect(later.Addresses).To(ContainElement(corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.88.0.11"}))
}
