package live

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

const (
	// operatorName is the label app.kubernetes.io/name of this operator's own pods.
	operatorName = "karpenter-upgrade-operator"
	// maxHosts is how many nodes are looked at for room: each takes a list of its pods.
	maxHosts = 32
	// labelCompute tells nodes of Fargate, each of which holds one pod and comes with it.
	labelCompute = "eks.amazonaws.com/compute-type"
)

// credentials are the variables by which EKS gives a pod a role: the first two by IRSA, the others by Pod Identity.
var credentials = []string{
	"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// pods reads the pods of Karpenter's releases and of this operator, wherever they are.
func (a *surroundings) pods(ctx context.Context) error {
	owned := map[string]string{}
	for _, n := range a.in.Nodes {
		owned[n.Name] = n.NodePool
	}
	named, err := labels.NewRequirement(labelName, selection.In, []string{chartName, operatorName})
	if err != nil {
		return err
	}
	var list corev1.PodList
	err = a.pages(ctx, &list, func() {
		for i := range list.Items {
			if p := &list.Items[i]; p.DeletionTimestamp.IsZero() {
				a.out.Pods = append(a.out.Pods, controllerPod(p, owned))
			}
		}
	}, client.MatchingLabelsSelector{Selector: labels.NewSelector().Add(*named)})
	slices.SortFunc(a.out.Pods, func(a, b snapshot.ControllerPod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return err
}

func controllerPod(p *corev1.Pod, owned map[string]string) snapshot.ControllerPod {
	out := snapshot.ControllerPod{
		Namespace: p.Namespace, Name: p.Name, Node: p.Spec.NodeName, NodePool: owned[p.Spec.NodeName],
		PriorityClass: p.Spec.PriorityClassName, Labels: p.Labels,
	}
	if p.Labels[labelName] == chartName {
		out.Release = p.Labels[labelInstance]
	}
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		if last := c.LastTerminationState.Terminated; last != nil && last.Reason == "OOMKilled" {
			out.Killed += c.RestartCount
			out.Memory = memoryLimit(&p.Spec, c.Name)
		}
	}
	for i := range p.Spec.Containers {
		out.Credentials = append(out.Credentials, given(&p.Spec.Containers[i], credentials)...)
	}
	return out
}

func memoryLimit(pod *corev1.PodSpec, container string) string {
	for i := range pod.Containers {
		if limit, ok := pod.Containers[i].Resources.Limits[corev1.ResourceMemory]; ok && pod.Containers[i].Name == container {
			return limit.String()
		}
	}
	return "no limit"
}

// given are those of these variables that a container has.
func given(c *corev1.Container, names []string) []string {
	var out []string
	for _, e := range c.Env {
		if slices.Contains(names, e.Name) {
			out = append(out, e.Name)
		}
	}
	return out
}

// budgets reads which PodDisruptionBudgets select pods of the release.
func (a *surroundings) budgets(ctx context.Context) error {
	var list policyv1.PodDisruptionBudgetList
	if err := a.Client.List(ctx, &list, client.InNamespace(a.source.Namespace)); err != nil {
		return err
	}
	for i := range list.Items {
		b := &list.Items[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(a.out.Pods, func(p snapshot.ControllerPod) bool {
			return p.Release == a.source.Release.Name && p.Namespace == b.Namespace && selector.Matches(labels.Set(p.Labels))
		}) {
			a.out.Budgets = append(a.out.Budgets, b.Namespace+"/"+b.Name)
		}
	}
	return nil
}

// hosts reads the nodes that no NodePool owns and that would take a pod of the second release, and what room they have.
func (a *surroundings) hosts(ctx context.Context) error {
	if a.out.Standby == nil {
		return nil
	}
	free, err := a.unowned(ctx)
	if err != nil {
		return err
	}
	for i := range free {
		fits, err := free[i].Accepts(&a.out.Standby.Pod)
		switch {
		case err != nil:
			return err
		case !fits:
			continue
		case len(a.out.Hosts) == maxHosts:
			a.out.HostsUnread++
			continue
		}
		if err := a.occupy(ctx, &free[i]); err != nil {
			return err
		}
		a.out.Hosts = append(a.out.Hosts, free[i])
	}
	return nil
}

// unowned are the nodes that no NodePool owns and that take pods, as if they were empty, by name.
func (a *surroundings) unowned(ctx context.Context) ([]snapshot.Host, error) {
	noPool, err := labels.NewRequirement(karpv1.NodePoolLabelKey, selection.DoesNotExist, nil)
	if err != nil {
		return nil, err
	}
	var out []snapshot.Host
	var list corev1.NodeList
	err = a.pages(ctx, &list, func() {
		for i := range list.Items {
			n := &list.Items[i]
			if n.Spec.Unschedulable || !n.DeletionTimestamp.IsZero() || n.Labels[labelCompute] == "fargate" {
				continue
			}
			room := n.Status.Allocatable
			out = append(out, snapshot.Host{
				Name: n.Name, Labels: n.Labels, Taints: n.Spec.Taints,
				FreeCPU: room.Cpu().MilliValue(), FreeMemory: room.Memory().Value(), FreePods: room.Pods().Value(),
			})
		}
	}, client.MatchingLabelsSelector{Selector: labels.NewSelector().Add(*noPool)})
	slices.SortFunc(out, func(a, b snapshot.Host) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// occupy takes from what is free on a host what its pods request.
func (a *surroundings) occupy(ctx context.Context, h *snapshot.Host) error {
	var list corev1.PodList
	var wrong error
	err := a.pages(ctx, &list, func() {
		for i := range list.Items {
			p := &list.Items[i]
			if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
				continue
			}
			cpu, memory := snapshot.Requests(&p.Spec)
			h.FreeCPU, h.FreeMemory, h.FreePods = h.FreeCPU-cpu, h.FreeMemory-memory, h.FreePods-1
			if p.Namespace != a.out.Standby.Namespace {
				continue
			}
			off, err := snapshot.KeepsOff(&a.out.Standby.Pod, p.Labels)
			if err != nil {
				wrong = err
			}
			if off {
				h.Conflict = p.Namespace + "/" + p.Name
			}
		}
	}, client.MatchingFields{"spec.nodeName": h.Name})
	if err != nil {
		return err
	}
	return wrong
}
