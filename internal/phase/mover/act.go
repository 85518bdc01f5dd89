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

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// annotationRestartedAt is what kubectl rollout restart writes. It is not a mark of ours: taking it back would restart again.
const annotationRestartedAt = "kubectl.kubernetes.io/restartedAt"

// action is one write to one object: an eviction or a restart by a decision, or without one the removal of an empty node.
type action struct {
	node     *corev1.Node
	decision *drain.Decision
	err      error
}

// act does what was decided: evicts, restarts, and deletes the NodeClaims of empty nodes. A refusal, and whatever else
// concerns one object only, makes that object stay, with the reason; it is no error and keeps no other from being tried.
func (m *Mover) act(ctx context.Context, s *state) error {
	todo := turn(s.todo(), s.now)
	tried := each(ctx, len(todo), func(ctx context.Context, i int) { todo[i].err = m.do(ctx, s, &todo[i]) })
	var errs []error
	for i := range todo {
		a := &todo[i]
		if !tried[i] {
			s.asBefore(a)
			continue
		}
		if r := judge(ctx, a.err, a.verb()); r != nil {
			s.refuse(a, r)
		} else {
			errs = append(errs, a.err)
		}
	}
	return errors.Join(errs...)
}

// todo is all that could be done now.
func (s *state) todo() []action {
	var out []action
	for _, n := range s.nodes {
		if _, ok := draining(n, s.run.Name); !ok || n.DeletionTimestamp != nil {
			continue
		}
		decisions := s.decisions[n.Name]
		if _, stuck := s.stuck[n.Name]; len(decisions) == 0 && !stuck {
			out = append(out, action{node: n})
		}
		for i := range decisions {
			if a := decisions[i].Action; a == drain.Evict || a == drain.Surge {
				out = append(out, action{node: n, decision: &decisions[i]})
			}
		}
	}
	return out
}

// verb is how the API server names the write when it says that the operator lacks the permission.
func (a *action) verb() string {
	switch {
	case a.decision == nil:
		return "delete"
	case a.decision.Action == drain.Surge:
		return "patch"
	default:
		return "create"
	}
}

func (m *Mover) do(ctx context.Context, s *state, a *action) error {
	switch {
	case a.decision == nil:
		return m.remove(ctx, a.node)
	case a.decision.Action == drain.Surge:
		return m.restart(ctx, s.view.Deployment(*a.decision), s.now)
	default:
		return m.evict(ctx, a.decision.Pod)
	}
}

// refuse makes what was refused stay.
func (s *state) refuse(a *action, r *refusal) {
	switch {
	case a.decision == nil && apierrors.IsConflict(a.err):
		s.stuck[a.node.Name] = orphan(a.node.Name, "it is empty, and its NodeClaim is gone: another one has its name")
	case r.moot:
	case a.decision == nil:
		s.stuck[a.node.Name] = blockage{reason: reasonRemovalRefused, message: "it is empty, and removing it is refused: " + r.why}
	case a.decision.Action == drain.Surge:
		d := s.view.Deployment(*a.decision)
		message := fmt.Sprintf("the restart of Deployment %s/%s is refused; restart it yourself, or set spec.migration.singletons: Evict: %s", d.Namespace, d.Name, r.why)
		a.decision.Action, a.decision.Reason, a.decision.Message = r.action, drain.ReasonRestartRefused, message
	case r.budget:
		a.decision.Action, a.decision.Reason, a.decision.Message = drain.Wait, drain.ReasonBudget, "its PodDisruptionBudget allows no disruption now: "+r.why
	case r.action == drain.Wait:
		a.decision.Action, a.decision.Reason, a.decision.Message = drain.Wait, drain.ReasonRefused, "its eviction fails for now: "+r.why
	default:
		a.decision.Action, a.decision.Reason, a.decision.Message = drain.Hold, drain.ReasonRefused, "its eviction is refused; move or delete the pod yourself: "+r.why
	}
}

// asBefore reports what this step had no time to try as it was reported before: a blocker does not vanish meanwhile.
func (s *state) asBefore(a *action) {
	for _, old := range s.run.Status.Blockers {
		switch {
		case old.Node != a.node.Name:
		case a.decision == nil && old.Reason == reasonRemovalRefused:
			s.stuck[a.node.Name] = blockage{reason: old.Reason, message: old.Message}
		case a.decision != nil && old.Pod == a.decision.Pod.Namespace+"/"+a.decision.Pod.Name && strings.HasSuffix(old.Reason, "Refused"):
			a.decision.Action, a.decision.Reason, a.decision.Message = drain.Wait, old.Reason, old.Message
		}
	}
}

// evict asks the Eviction API for one pod, and for none of the same name that came after it.
func (m *Mover) evict(ctx context.Context, p *corev1.Pod) error {
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(p.UID)}},
	}
	if err := m.Live.SubResource("eviction").Create(ctx, p, eviction); err != nil {
		return fmt.Errorf("evicting pod %s/%s: %w", p.Namespace, p.Name, err)
	}
	return nil
}

// restart restarts a Deployment as kubectl rollout restart does. It conflicts, and is tried again with what is true then, when
// the Deployment has changed since it was looked at: it is never restarted twice for one decision.
func (m *Mover) restart(ctx context.Context, d *appsv1.Deployment, now time.Time) error {
	after := d.DeepCopy()
	if after.Spec.Template.Annotations == nil {
		after.Spec.Template.Annotations = map[string]string{}
	}
	after.Spec.Template.Annotations[annotationRestartedAt] = now.UTC().Format(time.RFC3339)
	if err := m.Live.Patch(ctx, after, client.MergeFromWithOptions(d, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("restarting Deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	return nil
}

// remove deletes the NodeClaim of a node that looks empty, once the API server says so too. Karpenter then terminates the
// instance and removes the Node.
func (m *Mover) remove(ctx context.Context, n *corev1.Node) error {
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
		return nil
	}
	if err := m.Live.Delete(ctx, phase.Object(phase.NodeClaimKind, name), client.Preconditions{UID: &uid}); err != nil {
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
