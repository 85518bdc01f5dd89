package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
)

const (
	// Namespace is that of the Karpenter that is upgraded.
	Namespace = "karpenter"
	// Release is its Helm release.
	Release = "karpenter"

	blueReplicas = 2
	blueTimeout  = 3 * time.Minute
)

// InstallBlue installs a version of Karpenter by its own charts, karpenter-crd and karpenter, with values as teams set them,
// and waits until its pods are Ready and one of them leads.
func InstallBlue(ctx context.Context, sb *sandbox.Sandbox, c client.Client, version string) error {
	err := sb.InstallKarpenter(ctx, sandbox.Karpenter{Version: version, Release: Release, Namespace: Namespace, Values: blueValues()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, blueTimeout)
	defer cancel()
	var last error
	err = wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		last = blueReady(ctx, c)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for Karpenter %s: %w", version, errors.Join(err, last))
	}
	return nil
}

// blueValues are laid over those of the sandbox, which name the cluster and its queue.
func blueValues() map[string]any {
	return map[string]any{
		"replicas": blueReplicas,
		"logLevel": "info",
		"controller": map[string]any{
			"resources": map[string]any{
				"requests": map[string]any{"cpu": "500m", "memory": "512Mi"},
				"limits":   map[string]any{"memory": "1Gi"},
			},
			"env": []any{map[string]any{"name": "GOMEMLIMIT", "value": "900MiB"}},
		},
		"podAnnotations":      map[string]any{"example.com/owner": "platform"},
		"serviceMonitor":      map[string]any{"enabled": false},
		"strategy":            map[string]any{"rollingUpdate": map[string]any{"maxUnavailable": 1}},
		"podDisruptionBudget": map[string]any{"name": "karpenter", "maxUnavailable": 1},
	}
}

// blueReady is nil when all pods of the release are Ready and one of them holds its Lease.
func blueReady(ctx context.Context, c client.Client) error {
	var pods corev1.PodList
	err := c.List(ctx, &pods, client.InNamespace(Namespace), client.MatchingLabels{"app.kubernetes.io/instance": Release})
	if err != nil {
		return err
	}
	ready := 0
	for i := range pods.Items {
		for _, condition := range pods.Items[i].Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	if ready < blueReplicas {
		return fmt.Errorf("%d of %d pods are Ready", ready, blueReplicas)
	}
	var lease coordinationv1.Lease
	if err := c.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: "karpenter-leader-election"}, &lease); err != nil {
		return err
	}
	if ptr.Deref(lease.Spec.HolderIdentity, "") == "" {
		return errors.New("no pod leads")
	}
	return nil
}
