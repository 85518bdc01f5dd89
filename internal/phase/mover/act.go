package mover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// annotationRestartedAt is what kubectl rollout restart writes. It is not a mark of ours: taking it back would restart again.
const annotationRestartedAt = "kubectl.kubernetes.io/restartedAt"

// evictTimeout bounds one eviction. The API server may ask for it to be tried again after ten seconds, which client-go does by
// itself, ten times.
const evictTimeout = 5 * time.Second

// cordon makes nodes unschedulable that are not, so that what leaves one does not land on the next, and says how many it wrote.
func (m *Mover) cordon(ctx context.Context, run *v1alpha1.KarpenterUpgrade, nodes []*corev1.Node) (written int, err error) {
	for _, n := range nodes {
		if n.Spec.Unschedulable || n.DeletionTimestamp != nil {
			continue
		}
		after := n.DeepCopy()
		after.Spec.Unschedulable = true
		if after.Annotations == nil {
			after.Annotations = map[string]string{}
		}
		after.Annotations[v1alpha1.AnnotationCordonedBy] = phase.Mark(run.Name, "")
		if err := m.PatchMark(ctx, n, after); err != nil {
			return written, err
		}
		if written++; written == batch {
			break
		}
	}
	return written, nil
}

// Uncordon takes back the marks of a run on nodes: those that it cordoned are schedulable again, and only those. It is done
// when there was nothing left to take back.
func (m *Mover) Uncordon(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (done bool, err error) {
	var all corev1.NodeList
	if err := m.Client.List(ctx, &all); err != nil {
		return false, fmt.Errorf("listing nodes: %w", err)
	}
	written := 0
	for i := range all.Items {
		after := all.Items[i].DeepCopy()
		if !uncordon(after, run.Name) {
			continue
		}
		if err := m.PatchMark(ctx, &all.Items[i], after); err != nil {
			return false, err
		}
		if written++; written == batch {
			break
		}
	}
	return written == 0, nil
}

// uncordon takes back a run's marks on a node and says whether there were any.
func uncordon(n *corev1.Node, run string) bool {
	changed := false
	if owner, _ := phase.SplitMark(n.Annotations[v1alpha1.AnnotationCordonedBy]); owner == run {
		n.Spec.Unschedulable = false
		delete(n.Annotations, v1alpha1.AnnotationCordonedBy)
		changed = true
	}
	if owner, _ := phase.SplitMark(n.Annotations[v1alpha1.AnnotationDrainingSince]); owner == run {
		delete(n.Annotations, v1alpha1.AnnotationDrainingSince)
		changed = true
	}
	return changed
}

// act does what was decided: evicts, restarts, and deletes the NodeClaims of empty nodes. One failure does not keep the
// others from being tried.
func (m *Mover) act(ctx context.Context, s *state) error {
	var errs []error
	acted := 0
	for _, n := range s.nodes {
		if _, ok := draining(n, s.run.Name); !ok || n.DeletionTimestamp != nil {
			continue
		}
		decisions := s.decisions[n.Name]
		if len(decisions) == 0 {
			errs = append(errs, m.remove(ctx, s, n))
			continue
		}
		for i := range decisions {
			if acted == batch {
				return errors.Join(errs...)
			}
			switch decisions[i].Action {
			case drain.Evict:
				acted++
				errs = append(errs, m.evict(ctx, &decisions[i]))
			case drain.Surge:
				acted++
				errs = append(errs, m.restart(ctx, s.view.Deployment(decisions[i]), s.now))
			default:
			}
		}
	}
	return errors.Join(errs...)
}

// evict asks the Eviction API for one pod, and for none of the same name that came after it. A refusal turns the decision
// into one to stay, with the API's reason: one pod that may not go keeps no other from going.
func (m *Mover) evict(ctx context.Context, d *drain.Decision) error {
	ctx, cancel := context.WithTimeout(ctx, evictTimeout)
	defer cancel()
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: d.Pod.Namespace, Name: d.Pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(d.Pod.UID)}},
	}
	err := m.Live.SubResource("eviction").Create(ctx, d.Pod, eviction)
	switch {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return nil
	case apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause):
		d.Action, d.Reason, d.Message = drain.Wait, drain.ReasonBudget, "its PodDisruptionBudget allows no disruption now: "+err.Error()
		return nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil // the namespace's own end takes the pod
	case apierrors.IsTooManyRequests(err): // some products take the eviction for a request, and move the pod themselves
		d.Action, d.Reason, d.Message = drain.Wait, drain.ReasonRefused, "its eviction is refused for now: "+err.Error()
		return nil
	case refused(err):
		d.Action, d.Reason, d.Message = drain.Hold, drain.ReasonRefused, "its eviction is refused; move or delete the pod yourself: "+err.Error()
		return nil
	default:
		return fmt.Errorf("evicting pod %s/%s: %w", d.Pod.Namespace, d.Pod.Name, err)
	}
}

// refused says that admission (a webhook or a policy) refuses an eviction. It answers with the same codes as the API server
// itself does to whoever lacks the permission (k8s.io/apiserver pkg/endpoints/handlers/responsewriters: "cannot create
// resource"), which concerns all pods and is an error.
func refused(err error) bool {
	if apierrors.IsForbidden(err) {
		return !strings.Contains(err.Error(), "cannot create resource")
	}
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// restart restarts a Deployment as kubectl rollout restart does. It conflicts, and is tried again with what is true then, when
// the Deployment has changed since it was looked at: it is never restarted twice for one decision.
func (m *Mover) restart(ctx context.Context, d *appsv1.Deployment, now time.Time) error {
	after := d.DeepCopy()
	if after.Spec.Template.Annotations == nil {
		after.Spec.Template.Annotations = map[string]string{}
	}
	after.Spec.Template.Annotations[annotationRestartedAt] = now.UTC().Format(time.RFC3339)
	err := m.Live.Patch(ctx, after, client.MergeFromWithOptions(d, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("restarting Deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	return nil
}

// remove deletes the NodeClaim of a node that looks empty, once the API server says so too. Karpenter then terminates the
// instance and removes the Node. A node without a NodeClaim is nobody's to remove, and is reported.
func (m *Mover) remove(ctx context.Context, s *state, n *corev1.Node) error {
	var pods corev1.PodList
	if err := m.Live.List(ctx, &pods, client.MatchingFields{"spec.nodeName": n.Name}); err != nil {
		return fmt.Errorf("listing the pods of node %s: %w", n.Name, err)
	}
	for i := range pods.Items {
		if !drain.Empty([]*corev1.Pod{&pods.Items[i]}) {
			return nil // the cache will show it next time
		}
	}
	name, uid, ok := nodeClaim(n)
	if !ok {
		s.orphans = append(s.orphans, n.Name)
		return nil
	}
	err := m.Live.Delete(ctx, phase.Object(phase.NodeClaimKind, name), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %s of node %s: %w", name, n.Name, err)
	}
	return nil
}

// nodeClaim is the NodeClaim of a node: Karpenter makes it the Node's owner when the node registers
// (sigs.k8s.io/karpenter pkg/controllers/nodeclaim/lifecycle/registration.go).
func nodeClaim(n *corev1.Node) (string, types.UID, bool) {
	for _, ref := range n.OwnerReferences {
		if ref.Kind == "NodeClaim" {
			return ref.Name, ref.UID, true
		}
	}
	return "", "", false
}
