package podrunner

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/component-helpers/apimachinery/lease"
	"k8s.io/klog/v2"
)

// Times of a node's heartbeats, as a kubelet's.
const (
	leaseSeconds    = 40
	leaseRenew      = 10 * time.Second
	nodeStatusEvery = 5 * time.Minute
	registerRetry   = 200 * time.Millisecond
)

// CriticalTaint keeps ordinary workloads off the host nodes; Karpenter's chart tolerates it.
const CriticalTaint = "CriticalAddonsOnly"

// newNode is the Node object of a host node, without its status.
func newNode(n Node, region string) *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname:           n.Name,
		corev1.LabelOSStable:           "linux",
		corev1.LabelArchStable:         runtime.GOARCH,
		corev1.LabelTopologyZone:       n.Zone,
		corev1.LabelTopologyRegion:     region,
		corev1.LabelInstanceTypeStable: "sandbox.host",
	}
	maps.Copy(labels, n.Labels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: labels},
		Spec: corev1.NodeSpec{
			Taints: []corev1.Taint{{Key: CriticalTaint, Value: "true", Effect: corev1.TaintEffectNoSchedule}},
		},
	}
}

// nodeStatus is the status that the node reports at now; conditions keep their last transitions from old.
func nodeStatus(n Node, version, kernel string, old corev1.NodeStatus, now time.Time) corev1.NodeStatus {
	s := *old.DeepCopy()
	s.Capacity, s.Allocatable = capacity(), capacity()
	s.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: n.IP.String()},
		{Type: corev1.NodeHostName, Address: n.Name},
	}
	s.DaemonEndpoints.KubeletEndpoint.Port = KubeletPort
	s.NodeInfo = corev1.NodeSystemInfo{
		Architecture: runtime.GOARCH, OperatingSystem: "linux", KernelVersion: kernel, KubeletVersion: version,
		OSImage: "sandbox host", ContainerRuntimeVersion: "sandbox://1",
	}
	for _, c := range []struct {
		kind            corev1.NodeConditionType
		status          corev1.ConditionStatus
		reason, message string
	}{
		{corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"},
		{corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
		{corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
		{corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"},
	} {
		setNodeCondition(&s, corev1.NodeCondition{
			Type: c.kind, Status: c.status, Reason: c.reason, Message: c.message,
			LastHeartbeatTime: metav1.Time{Time: now}, LastTransitionTime: metav1.Time{Time: now},
		})
	}
	return s
}

func setNodeCondition(s *corev1.NodeStatus, next corev1.NodeCondition) {
	for i, old := range s.Conditions {
		if old.Type == next.Type {
			if old.Status == next.Status {
				next.LastTransitionTime = old.LastTransitionTime
			}
			s.Conditions[i] = next
			return
		}
	}
	s.Conditions = append(s.Conditions, next)
}

// register makes the Node object and reports it ready, trying again until ctx ends.
func (k *kubelet) register(ctx context.Context) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, registerRetry, true, func(ctx context.Context) (bool, error) {
		last = k.report(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("registering node %s: %w", k.node.Name, last)
	}
	return nil
}

// report writes the node's status, making the node where it does not exist.
func (k *kubelet) report(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	nodes := k.deps.Client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, k.node.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		node, err = nodes.Create(ctx, newNode(k.node, k.deps.Region), metav1.CreateOptions{})
	}
	if err != nil {
		return err
	}
	node.Status = nodeStatus(k.node, k.deps.Version, k.deps.Kernel, node.Status, k.deps.Clock.Now())
	if _, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.uid = node.UID
	return nil
}

// heartbeat renews the node's Lease and, less often, its status until ctx ends.
func (k *kubelet) heartbeat(ctx context.Context) {
	go func() {
		for sleep(ctx, k.deps.Clock, nodeStatusEvery) {
			if err := k.report(ctx); err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "reporting a node's status", "node", k.node.Name)
			}
		}
	}()
	lease.NewController(k.deps.Clock, k.deps.Client, k.node.Name, leaseSeconds, nil, leaseRenew,
		k.node.Name, corev1.NamespaceNodeLease, k.ownLease).Run(ctx)
}

// ownLease makes the node the owner of its Lease, so that they go together.
func (k *kubelet) ownLease(l *coordinationv1.Lease) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.uid != "" {
		l.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: k.node.Name, UID: k.uid}}
	}
	return nil
}
