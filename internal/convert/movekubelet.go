package convert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// KubeletMove says what becomes of one NodePool so that its kubelet settings stand where Karpenter 1.1 and later read them.
type KubeletMove struct {
	NodePool string
	// NodeClass is the EC2NodeClass that the NodePool will refer to. Its spec.kubelet will be Kubelet, and is to be unset where
	// that is nil.
	NodeClass string
	// CopyOf is the EC2NodeClass of which NodeClass is made, with the same spec but for spec.kubelet; empty when NodeClass exists.
	// NodePools that agree share a copy, and all of their moves say so.
	CopyOf  string
	Kubelet map[string]any
	// Refer says that nodeClassRef.name of the NodePool has to change, Annotated that it has an annotation to remove.
	Refer, Annotated bool
}

// MoveKubelet plans how the kubelet settings that 1.0 keeps in AnnotationKubelet get into spec.kubelet of the EC2NodeClasses. Its
// input are the NodePools and EC2NodeClasses as a 1.0 API server serves them as v1.
//
// What counts for a NodePool is what 1.0 does with it: the settings in its annotation and nothing else or, without annotation,
// those of its EC2NodeClass. Where all NodePools of an EC2NodeClass come to the same, it gets these settings. Otherwise it goes to
// those that are most (then to those for whom it is right already, then to the first by name), and the others get copies named
// <class>-<pool> after their first NodePool. NodePools for which nothing changes have no move; moves are sorted by NodePool.
//
// To be done in this order, each for all moves: make the copies; point NodePools that refer to a new name at it; set spec.kubelet;
// remove the annotations. Then no NodePool has other settings than before at any time (1.0 honours the annotation before spec.kubelet),
// and planning again after a stop halfway finds what is left to do, and copies that are there already.
func MoveKubelet(pools, classes []unstructured.Unstructured) ([]KubeletMove, []Loss, error) {
	m := &mover{classes: map[string]*unstructured.Unstructured{}}
	for i := range classes {
		m.classes[classes[i].GetName()] = &classes[i]
	}
	byClass := map[string][]poolKubelet{}
	for i := range pools {
		p, err := m.look(&pools[i])
		if err != nil {
			return nil, nil, err
		}
		if p != nil {
			byClass[p.class] = append(byClass[p.class], *p)
		}
	}
	for _, class := range sortedKeys(byClass) {
		if err := m.move(m.classes[class], byClass[class]); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(m.moves, func(a, b KubeletMove) int { return cmp.Compare(a.NodePool, b.NodePool) })
	return m.moves, m.losses, nil
}

type mover struct {
	classes map[string]*unstructured.Unstructured
	taken   map[string]bool
	moves   []KubeletMove
	losses  []Loss
}

// poolKubelet is what kubelet settings a NodePool has.
type poolKubelet struct {
	name, class string
	annotated   bool
	kubelet     map[string]any
}

// look reads a NodePool; nil when there is nothing to be said about it, or nothing that can be done, which is then a loss.
func (m *mover) look(pool *unstructured.Unstructured) (*poolKubelet, error) {
	object := kindNodePool + "/" + pool.GetName()
	if pool.GroupVersionKind() != nodePoolV1 {
		return nil, fmt.Errorf("%s: it is of apiVersion %s, and %s is wanted", object, pool.GetAPIVersion(), nodePoolV1.GroupVersion())
	}
	ref, _, err := unstructured.NestedStringMap(pool.Object, "spec", "template", "spec", "nodeClassRef")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", object, err)
	}
	text, annotated := pool.GetAnnotations()[AnnotationKubelet]
	p := &poolKubelet{name: pool.GetName(), class: ref["name"], annotated: annotated}
	lose := func(field, why, fix string) {
		m.losses = append(m.losses, Loss{Object: object, Field: field, Why: why, Fix: fix, Severity: Blocker})
	}
	const refField, annotationField = "spec.template.spec.nodeClassRef", "metadata.annotations[" + AnnotationKubelet + "]"
	class := m.classes[p.class]
	switch {
	case ref["group"] != groupAWS || ref["kind"] != kindNodeClass:
		if annotated {
			lose(refField, fmt.Sprintf("it refers to a %s of %s, which has no kubelet settings that could be set", ref["kind"], ref["group"]),
				"configure the kubelet by the means of that kind, and remove the annotation")
		}
		return nil, nil //nolint:nilnil // nothing can be done
	case class == nil:
		if annotated {
			lose(refField, fmt.Sprintf("the EC2NodeClass %q does not exist, so its kubelet settings have no place to go to", p.class), "create it, or delete the NodePool")
		}
		return nil, nil //nolint:nilnil // nothing can be done
	}
	if annotated {
		if p.kubelet, err = parseKubelet(text); err != nil {
			lose(annotationField, err.Error(), "correct the annotation, or remove it")
			return nil, nil //nolint:nilnil // nothing can be done
		}
		return p, nil
	}
	if p.kubelet, err = classKubelet(class); err != nil {
		return nil, err
	}
	return p, nil
}

// classKubelet is spec.kubelet of an EC2NodeClass; nil for none.
func classKubelet(class *unstructured.Unstructured) (map[string]any, error) {
	k, _, err := unstructured.NestedMap(class.Object, "spec", "kubelet")
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", kindNodeClass, class.GetName(), err)
	}
	return k, nil
}

// group is NodePools of one EC2NodeClass that have the same kubelet settings.
type group struct {
	kubelet map[string]any
	pools   []poolKubelet
}

func (m *mover) move(class *unstructured.Unstructured, pools []poolKubelet) error {
	now, err := classKubelet(class)
	if err != nil {
		return err
	}
	groups := grouped(pools)
	slices.SortStableFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(b.pools), len(a.pools)), compareBool(sameKubelet(b.kubelet, now), sameKubelet(a.kubelet, now)),
			cmp.Compare(a.pools[0].name, b.pools[0].name))
	})
	for i, g := range groups {
		name, copyOf := class.GetName(), ""
		if i > 0 {
			name, copyOf = m.copyName(class, g)
			m.losses = append(m.losses, Loss{
				Object: kindNodePool + "/" + g.pools[0].name, Field: "spec.template.spec.nodeClassRef.name", Severity: Info,
				Why: fmt.Sprintf("NodePools of EC2NodeClass/%s have other kubelet settings, so it gets EC2NodeClass/%s, which drifts its nodes", class.GetName(), name),
				Fix: "give the NodePools the same kubelet settings if they need not differ",
			})
		}
		for _, p := range g.pools {
			if p.annotated || p.class != name {
				m.moves = append(m.moves, KubeletMove{NodePool: p.name, NodeClass: name, CopyOf: copyOf, Kubelet: runtime.DeepCopyJSON(g.kubelet),
					Refer: p.class != name, Annotated: p.annotated})
			}
		}
	}
	return nil
}

// grouped are the NodePools in groups, each sorted by name.
func grouped(pools []poolKubelet) []group {
	slices.SortFunc(pools, func(a, b poolKubelet) int { return cmp.Compare(a.name, b.name) })
	var out []group
	for _, p := range pools {
		i := slices.IndexFunc(out, func(g group) bool { return sameKubelet(g.kubelet, p.kubelet) })
		if i < 0 {
			out = append(out, group{kubelet: p.kubelet})
			i = len(out) - 1
		}
		out[i].pools = append(out[i].pools, p)
	}
	return out
}

// maxName is the longest name that fits into the label karpenter.k8s.aws/ec2nodeclass, which Karpenter puts on nodes from 1.1 on.
const maxName = 63

// copyName is the name of the EC2NodeClass of a group that needs one of its own, and what it is to be a copy of: nothing when it is
// there already, as a plan that was stopped halfway left it.
func (m *mover) copyName(class *unstructured.Unstructured, g group) (name, copyOf string) {
	want, _ := class.DeepCopy().Object["spec"].(map[string]any) // it has been read already, so it is there
	delete(want, "kubelet")
	put(want, "kubelet", g.kubelet)
	full := class.GetName() + "-" + g.pools[0].name
	for attempt := 0; ; attempt++ {
		name = fitting(full, attempt)
		there := m.classes[name]
		switch {
		case m.taken[name]:
		case there == nil:
			if m.taken == nil {
				m.taken = map[string]bool{}
			}
			m.taken[name] = true
			return name, class.GetName()
		case reflect.DeepEqual(there.Object["spec"], any(want)):
			return name, ""
		}
	}
}

// fitting is a name of at most maxName characters; attempts have different ones.
func fitting(full string, attempt int) string {
	if len(full) <= maxName && attempt == 0 {
		return full
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", full, attempt))
	suffix := "-" + hex.EncodeToString(sum[:])[:8]
	return strings.TrimRight(full[:min(len(full), maxName-len(suffix))], "-.") + suffix
}

// sameKubelet says that Karpenter makes the same of two kubelet settings: none is as good as empty ones.
func sameKubelet(a, b map[string]any) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, _, errX := kubeletJSON(a)
	y, _, errY := kubeletJSON(b)
	return errX == nil && errY == nil && x == y
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
