package phases

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// claim makes a NodeClaim of a NodePool, as Karpenter does when it decides to launch a node.
func (w *world) claim(name, pool string) *unstructured.Unstructured {
	w.t.Helper()
	return w.create(fmt.Sprintf(`
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: %s, labels: {karpenter.sh/nodepool: %s}}
spec:
  nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
  requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
`, name, pool))
}

// node makes a Node of a NodePool as it is when Karpenter has registered it: its NodeClaim, of the same name, owns it.
func (w *world) node(name, pool string, with ...func(*corev1.Node)) *corev1.Node {
	w.t.Helper()
	claim := w.claim(name, pool)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:   name,
		Labels: map[string]string{karpv1.NodePoolLabelKey: pool, karpv1.NodeRegisteredLabelKey: "true"},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "karpenter.sh/v1", Kind: "NodeClaim", Name: claim.GetName(), UID: claim.GetUID(),
		}},
	}}
	for _, change := range with {
		change(n)
	}
	w.ok(w.api.Create(w.ctx(), n))
	return n
}

// annotated gives a Node annotations of its user.
func annotated(pairs ...string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			n.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

func (w *world) readNode(name string) *corev1.Node {
	w.t.Helper()
	return get(w, &corev1.Node{}, "", name)
}

// terminate plays Karpenter: the Nodes whose NodeClaim is gone go.
func (w *world) terminate() {
	w.t.Helper()
	var nodes corev1.NodeList
	w.ok(w.api.List(w.ctx(), &nodes, client.HasLabels{karpv1.NodePoolLabelKey}))
	for i := range nodes.Items {
		if w.gone(phase.Object(phase.NodeClaimKind, ""), "", nodes.Items[i].Name) {
			w.ok(client.IgnoreNotFound(w.api.Delete(w.ctx(), &nodes.Items[i])))
		}
	}
}

// condition writes a condition of an object of Karpenter, for the generation that it has now.
func (w *world) condition(kind schema.GroupVersionKind, name, condition, status, message string) {
	w.t.Helper()
	o := get(w, phase.Object(kind, name), "", name)
	w.ok(unstructured.SetNestedSlice(o.Object, []any{map[string]any{
		"type": condition, "status": status, "reason": "Test", "message": message,
		"observedGeneration": o.GetGeneration(), "lastTransitionTime": w.now().UTC().Format("2006-01-02T15:04:05Z"),
	}}, "status", "conditions"))
	w.ok(w.api.Status().Update(w.ctx(), o))
}

// ready plays Karpenter: it finds all EC2NodeClasses and NodePools ready.
func (w *world) ready() { w.readyButFor("")() }

// all objects of a kind.
func (w *world) all(kind schema.GroupVersionKind) []unstructured.Unstructured {
	w.t.Helper()
	found := &unstructured.UnstructuredList{}
	found.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	w.ok(w.api.List(w.ctx(), found))
	return found.Items
}

// afterList is a client whose first list of a kind is followed by something that the one who listed does not see: the cache of
// an operator is always a little behind.
type afterList[T client.ObjectList] struct {
	client.Client
	then func()
}

// List implements client.Reader.
func (a *afterList[T]) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := a.Client.List(ctx, list, opts...); err != nil {
		return err
	}
	if _, ok := list.(T); ok && a.then != nil {
		then := a.then
		a.then = nil
		then()
	}
	return nil
}

// claimOf is an empty object to read the NodeClaim of a node into.
func (w *world) claimOf(node string) *unstructured.Unstructured {
	return phase.Object(phase.NodeClaimKind, node)
}

// readyButFor plays Karpenter, which has not found one object ready.
func (w *world) readyButFor(name string) func() {
	return func() {
		w.t.Helper()
		for _, kind := range []schema.GroupVersionKind{phase.NodeClassKind, phase.NodePoolKind} {
			for _, o := range w.all(kind) {
				if o.GetName() != name {
					w.condition(kind, o.GetName(), "Ready", "True", "")
				}
			}
		}
	}
}
