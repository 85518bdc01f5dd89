package canary

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// batch is how many canaries one step makes.
const batch = 50

// prove makes all canaries, so that their nodes come up side by side and the timeout holds for each of them, and looks at all.
func (p *Phase) prove(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	all := run.Status.Plan.NodeClasses
	made, err := p.ensure(ctx, run)
	if err != nil {
		return engine.FromError(err)
	}
	if made == batch {
		return engine.Wait(0, "Creating", "%d of %d canaries were created", made, len(all))
	}
	nodes, err := p.proven(ctx)
	if err != nil {
		return engine.FromError(err)
	}
	first, left := -1, 0
	for i := range all {
		if nodes[name(run, i)] != "" {
			continue
		}
		if left++; first < 0 {
			first = i
		}
	}
	if left == 0 {
		return p.proved(ctx, run, nodes)
	}
	waits, err := p.waitsFor(ctx, name(run, first))
	if err != nil {
		return engine.FromError(err)
	}
	if len(all) > 1 {
		waits += fmt.Sprintf("; %d of %d EC2NodeClasses are left to be proved", left, len(all))
	}
	return engine.Wait(look, "WaitingForCanary", "EC2NodeClass %s: %s", all[first].Green, waits)
}

// proved writes down the nodes that prove, if it is green that leads: nodes that blue launched prove nothing.
func (p *Phase) proved(ctx context.Context, run *v1alpha1.KarpenterUpgrade, byCanary map[string]string) engine.Outcome {
	namespace, release := run.LeadingRelease()
	pods, err := p.ControllerPods(ctx, namespace, release)
	if err != nil {
		return engine.FromError(err)
	}
	leader, err := p.Holder(ctx, namespace, pods)
	if err != nil {
		return engine.FromError(err)
	}
	if leader == nil {
		return engine.Wait(look, "WaitingForLeader", "pods are Ready on the canaries' nodes, but no pod of release %[1]s/%[2]s holds the Lease: kubectl get lease -n %[1]s %[3]s",
			namespace, release, lease.Name)
	}
	nodes := make([]string, 0, len(run.Status.Plan.NodeClasses))
	for i := range run.Status.Plan.NodeClasses {
		nodes = append(nodes, byCanary[name(run, i)])
	}
	slices.Sort(nodes)
	run.Status.Canary = &v1alpha1.CanaryStatus{ProvedAt: ptr.To(metav1.NewTime(p.Clock.Now())), Nodes: slices.Compact(nodes)}
	return engine.Wait(0, "Proved", "pods are Ready on %s", strings.Join(run.Status.Canary.Nodes, ", "))
}

// ensure creates the NodePools and Deployments of canaries where they are not there, up to a batch of them, and says how many
// canaries it made. Others of the same names are nobody's canary.
func (p *Phase) ensure(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (made int, err error) {
	pools, err := live.ListAll(ctx, p.Live, phase.NodePoolKind)
	if err != nil {
		return 0, err
	}
	var deployments appsv1.DeploymentList
	if err := p.Live.List(ctx, &deployments, client.InNamespace(p.Namespace)); err != nil {
		return 0, fmt.Errorf("listing the Deployments of namespace %s: %w", p.Namespace, err)
	}
	for i, class := range run.Status.Plan.NodeClasses {
		canary := name(run, i)
		pool := named(pools, func(o *unstructured.Unstructured) bool { return o.GetName() == canary })
		d := named(deployments.Items, func(o *appsv1.Deployment) bool { return o.Name == canary })
		switch {
		case pool != nil && !metav1.IsControlledBy(pool, run):
			return made, foreign("NodePool " + canary)
		case d != nil && !metav1.IsControlledBy(d, run):
			return made, foreign(fmt.Sprintf("Deployment %s/%s", p.Namespace, canary))
		case pool != nil && d != nil:
			continue
		}
		if err := p.create(ctx, run, canary, class, pool, d); err != nil {
			return made, err
		}
		if made++; made == batch {
			break
		}
	}
	return made, nil
}

func named[T any](all []T, is func(*T) bool) *T {
	if i := slices.IndexFunc(all, func(o T) bool { return is(&o) }); i >= 0 {
		return &all[i]
	}
	return nil
}

func foreign(object string) error {
	return fault.NewTerminal(fmt.Errorf("%s exists and was not made by this run: delete it, or give this KarpenterUpgrade another name", object))
}

// create creates what there is not of a canary.
func (p *Phase) create(ctx context.Context, run *v1alpha1.KarpenterUpgrade, canary string, class v1alpha1.NodeClassPlan, pool *unstructured.Unstructured, d *appsv1.Deployment) error {
	if pool == nil {
		green, err := p.Get(ctx, phase.NodePoolKind, class.CanaryPool)
		if err != nil {
			return err
		}
		if pool, err = nodePool(green, canary, run); err != nil {
			return fault.NewTerminal(err)
		}
		if err := p.Live.Create(ctx, pool); err != nil {
			return fmt.Errorf("creating NodePool %s: %w", canary, err)
		}
	}
	if d == nil {
		if err := p.Live.Create(ctx, deployment(run, canary, p.Namespace, pool)); err != nil {
			return fmt.Errorf("creating Deployment %s/%s: %w", p.Namespace, canary, err)
		}
	}
	return nil
}

// proven are the nodes of the canaries whose pod is Ready, by canary.
func (p *Phase) proven(ctx context.Context) (map[string]string, error) {
	var pods corev1.PodList
	if err := p.Live.List(ctx, &pods, client.InNamespace(p.Namespace), client.HasLabels{labelCanary}); err != nil {
		return nil, fmt.Errorf("listing the canaries' pods in namespace %s: %w", p.Namespace, err)
	}
	out := map[string]string{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil || !drain.Ready(pod) {
			continue
		}
		n := &corev1.Node{}
		if err := p.Live.Get(ctx, client.ObjectKey{Name: pod.Spec.NodeName}, n); err != nil {
			return nil, fmt.Errorf("reading node %s: %w", pod.Spec.NodeName, err)
		}
		if canary := pod.Labels[labelCanary]; n.Labels[karpv1.NodePoolLabelKey] == canary && n.Labels[karpv1.NodeRegisteredLabelKey] == "true" {
			out[canary] = n.Name
		}
	}
	return out, nil
}

// waitsFor says how far the launch of a canary's node is.
func (p *Phase) waitsFor(ctx context.Context, canary string) (string, error) {
	claims, err := live.ListAll(ctx, p.Live, phase.NodeClaimKind, client.MatchingLabels{karpv1.NodePoolLabelKey: canary})
	if err != nil {
		return "", err
	}
	if len(claims) > 0 {
		for _, condition := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
			if status, message := snapshot.ConditionStatus(&claims[0], condition); status != "True" {
				return fmt.Sprintf("NodeClaim %s is not %s yet: %s", claims[0].GetName(), condition, message), nil
			}
		}
		return fmt.Sprintf("NodeClaim %s is ready; waiting for the pod", claims[0].GetName()), nil
	}
	pool, err := p.Get(ctx, phase.NodePoolKind, canary)
	if err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if status, message := snapshot.ConditionStatus(pool, "Ready"); status != "True" {
		return fmt.Sprintf("NodePool %s is not Ready: %s", canary, message), nil
	}
	return fmt.Sprintf("NodePool %s has no NodeClaim; kubectl get events -A --field-selector involvedObject.kind=NodeClaim", canary), nil
}
