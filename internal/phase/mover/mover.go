// Package mover empties nodes: it cordons them, lets their pods leave as package drain decides, and deletes the NodeClaim of
// each node that is empty. It keeps nothing in memory: what it has begun stands on the Nodes, as marks.
package mover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/window"
)

const (
	// look is how often the cluster is looked at when no watch says that something happened.
	look = time.Second
	// settle is how long the caches get to show what was written.
	settle = 200 * time.Millisecond
	// batch is how many nodes or pods one step writes.
	batch = 50
	// patience is how long a pod may keep a node for a reason that goes away by itself before it is reported as a blocker.
	patience = 2 * time.Minute
)

// Mover empties nodes.
type Mover struct{ *phase.Kit }

// Job says what to empty.
type Job struct {
	// From are the NodePools whose nodes are emptied.
	From sets.Set[string]
	// Before says that only nodes that were there before are emptied, and that their NodePools stay; the zero time for all nodes.
	Before time.Time
	// Rank orders NodePools.
	Rank func(pool string) int
	// Since is when the phase began: pods that are pending since before do not count against it.
	Since time.Time
	// Doing names the work in messages, such as "moved".
	Doing string
}

// state is what one step sees.
type state struct {
	run    *v1alpha1.KarpenterUpgrade
	job    Job
	nodes  []*corev1.Node
	view   *drain.View
	now    time.Time
	policy drain.Policy
	// decisions for the pods of nodes that are being emptied, by node.
	decisions map[string][]drain.Decision
	// closed is when the next window opens, where no node may begin before; empty where one may.
	closed string
	// stuck are nodes that something keeps beside their pods, by node.
	stuck map[string]blockage
}

// Step takes the job one step on. It is Done when no node is left.
func (m *Mover) Step(ctx context.Context, run *v1alpha1.KarpenterUpgrade, job Job) engine.Outcome {
	nodes, err := m.NodesOf(ctx, job)
	if err != nil {
		return engine.FromError(err)
	}
	if len(nodes) == 0 {
		run.Status.Blockers, run.Status.BlockersTotal, run.Status.NamespaceTurn = nil, 0, nil
		return engine.Done("no node is left to be %s", job.Doing)
	}
	n, refused, err := m.cordon(ctx, run, nodes)
	if err != nil {
		return engine.FromError(err)
	}
	if n > 0 {
		return engine.Wait(settle, "Cordoning", "cordoned %d of %d nodes", n, len(nodes))
	}
	s, err := m.look(ctx, run, job, nodes)
	if err != nil {
		return engine.FromError(err)
	}
	s.stuck = refused
	if err := m.late(ctx, s); err != nil {
		return engine.FromError(err)
	}
	s.decide()
	err = m.act(ctx, s)
	pending := s.pending()
	started, startErr := 0, error(nil)
	if now := window.Look(run.Spec.Windows, s.now); !now.Open && !run.GoesBack() {
		s.closed = now.String()
	} else if len(pending) == 0 {
		started, startErr = m.start(ctx, s)
	}
	out := s.outcome(started, pending) // what is in the way is told, whatever else went wrong
	if err := errors.Join(err, startErr); err != nil {
		return engine.FromError(err)
	}
	return out
}

// NodesOf are the nodes that a job still has to empty.
func (m *Mover) NodesOf(ctx context.Context, job Job) ([]*corev1.Node, error) {
	nodes, err := m.Nodes(ctx, job.From)
	if job.Before.IsZero() {
		return nodes, err
	}
	return slices.DeleteFunc(nodes, func(n *corev1.Node) bool { return !n.CreationTimestamp.Time.Before(job.Before) }), err
}

// look gathers what decisions need.
func (m *Mover) look(ctx context.Context, run *v1alpha1.KarpenterUpgrade, job Job, nodes []*corev1.Node) (*state, error) {
	view, err := m.view(ctx)
	if err != nil {
		return nil, err
	}
	spec := run.Spec.Migration
	s := &state{run: run, job: job, nodes: nodes, view: view, now: m.Clock.Now(), decisions: map[string][]drain.Decision{}}
	s.policy = drain.Policy{Singletons: spec.Singletons, BarePods: spec.BarePods}
	if job.Before.IsZero() {
		s.policy.Leaves = job.From.Has
	}
	s.takeTurn()
	if spec.DoNotDisruptTimeout != nil {
		s.policy.DoNotDisruptTimeout = &spec.DoNotDisruptTimeout.Duration
	}
	return s, nil
}

func namespaces(run *v1alpha1.KarpenterUpgrade) []string {
	if o := run.Spec.Migration.Order; o != nil {
		return o.Namespaces
	}
	return nil
}

// remaining are the namespaces that still have pods on the nodes.
func (s *state) remaining() map[string]bool {
	out := map[string]bool{}
	for _, n := range s.nodes {
		for _, p := range s.view.OnNode(n.Name) {
			if !drain.Empty([]*corev1.Pod{p}) {
				out[p.Namespace] = true
			}
		}
	}
	return out
}

// draining says since when a node is being emptied.
func draining(n *corev1.Node, run string) (time.Time, bool) {
	owner, since := phase.SplitMark(n.Annotations[v1alpha1.AnnotationDrainingSince])
	if owner != run {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, since)
	return t, err == nil
}

// takeTurn lets only the namespace move whose turn it is, and writes down since when it is its turn.
func (s *state) takeTurn() {
	order := namespaces(s.run)
	if order == nil {
		s.run.Status.NamespaceTurn = nil
		return
	}
	remaining := s.remaining()
	s.policy.Namespace = drain.NamespaceGate(order, remaining)
	ns := drain.NamespaceTurn(order, remaining)
	if t := s.run.Status.NamespaceTurn; t == nil || t.Namespace != ns {
		s.run.Status.NamespaceTurn = &v1alpha1.NamespaceTurn{Namespace: ns, Since: metav1.NewTime(s.now).Rfc3339Copy()}
	}
}

// since says from when the pods of a node could move that may move now: when emptying it began, or their namespace's turn.
func (s *state) since(n *corev1.Node) (time.Time, bool) {
	since, ok := draining(n, s.run.Name)
	if t := s.run.Status.NamespaceTurn; ok && t != nil && t.Since.After(since) {
		since = t.Since.Time
	}
	return since, ok
}

func (s *state) decide() {
	for _, n := range s.nodes {
		if n.DeletionTimestamp != nil {
			s.terminating(n)
			continue
		}
		since, ok := s.since(n)
		if _, stuck := s.stuck[n.Name]; !ok || stuck {
			continue
		}
		for _, p := range s.view.OnNode(n.Name) {
			if d := s.view.Decide(p, s.policy, since, s.now); d.Action != drain.Ignore {
				s.decisions[n.Name] = append(s.decisions[n.Name], d)
			}
		}
		if _, _, owned := nodeClaim(n); !owned && len(s.decisions[n.Name]) == 0 {
			s.stuck[n.Name] = orphan(n.Name, "it is empty and has no NodeClaim")
		}
	}
}

// terminating reports a node that does not go.
func (s *state) terminating(n *corev1.Node) {
	past := s.now.Sub(n.DeletionTimestamp.Time)
	if past < snapshot.TerminatingTooLong {
		return
	}
	message := fmt.Sprintf("it has been terminating for %s (finalizers: %s); look at its NodeClaim and volumes: kubectl describe node %s; kubectl get volumeattachments",
		past.Round(time.Minute), strings.Join(n.Finalizers, ", "), n.Name)
	s.stuck[n.Name] = blockage{reason: drain.ReasonTerminating, message: message}
}

// held says that a node waits for a person, or for a time that the user set: everything that is left on it holds. It does not
// keep others from their turn. What waits for something that comes by itself does, however long it takes: or a
// limit of one would empty all nodes at the same time, of what their budgets still allow.
func (s *state) held(n *corev1.Node) bool {
	if _, stuck := s.stuck[n.Name]; stuck {
		return true
	}
	decisions := s.decisions[n.Name]
	for _, d := range decisions {
		if d.Action != drain.Hold {
			return false
		}
	}
	return len(decisions) > 0
}

// impatient says that a node's pods could have moved for so long that waiting is worth a report.
func (s *state) impatient(n *corev1.Node) bool {
	since, ok := s.since(n)
	return ok && s.now.Sub(since) >= patience
}

// start lets further nodes begin, and says how many.
func (m *Mover) start(ctx context.Context, s *state) (started int, err error) {
	for _, name := range drain.Select(s.candidates(), s.limit()) {
		err := m.begin(ctx, s, name)
		if r := judge(ctx, err, "patch"); r != nil && !r.moot {
			s.stuck[name] = blockage{reason: reasonCordonRefused, message: "marking it is refused, so it is not emptied: " + r.why}
			continue
		} else if r == nil && err != nil {
			return started, err
		}
		started++
	}
	return started, nil
}

// begin marks a node as one that is being emptied.
func (m *Mover) begin(ctx context.Context, s *state, name string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	n := &corev1.Node{}
	if err := m.Client.Get(ctx, client.ObjectKey{Name: name}, n); err != nil {
		return client.IgnoreNotFound(err)
	}
	after := n.DeepCopy()
	metav1.SetMetaDataAnnotation(&after.ObjectMeta, v1alpha1.AnnotationDrainingSince, phase.Mark(s.run.Name, s.now.UTC().Format(time.RFC3339)))
	return m.PatchMark(ctx, n, after)
}

func (s *state) candidates() []drain.Node {
	out := make([]drain.Node, 0, len(s.nodes))
	for _, n := range s.nodes {
		_, busy := draining(n, s.run.Name)
		if _, stuck := s.stuck[n.Name]; stuck && !busy {
			continue
		}
		out = append(out, drain.Node{
			Name: n.Name, Created: n.CreationTimestamp.Time, Rank: s.job.Rank(n.Labels[karpv1.NodePoolLabelKey]), Last: s.goesLast(n),
			Draining: busy, Blocked: s.held(n), Leaving: s.leaving(n),
		})
	}
	return out
}

// goesLast says that Karpenter, or this operator, runs on a node. Where namespaces move one after the other, none goes last: the
// namespace whose turn it is may have pods there, and all others wait for it.
func (s *state) goesLast(n *corev1.Node) bool {
	if namespaces(s.run) != nil {
		return false
	}
	for _, p := range s.view.OnNode(n.Name) {
		if name := p.Labels["app.kubernetes.io/name"]; name == "karpenter" || name == phase.FieldOwner {
			return true
		}
	}
	return false
}

// limit is how many nodes may be emptied at the same time. Where namespaces move one after the other, all nodes are.
func (s *state) limit() int {
	if namespaces(s.run) != nil {
		return len(s.nodes)
	}
	total := max(int(s.run.Status.Nodes.Total), len(s.nodes))
	limit := ptr.Deref(s.run.Spec.Migration.MaxUnavailable, intstr.FromString("10%"))
	n, err := intstr.GetScaledValueFromIntOrPercent(&limit, total, true)
	if err != nil {
		return 1 // the API validates it
	}
	return max(n, 1)
}
