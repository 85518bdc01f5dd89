package convert

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// poolOf is a NodePool of an EC2NodeClass with an annotation, or without one when it is empty.
func poolOf(t *testing.T, name, class, annotation string) unstructured.Unstructured {
	t.Helper()
	o := object(t, fmt.Sprintf("{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: %s}, spec: {template: {spec: "+
		"{nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: %s}}}}}", name, class))
	if annotation != "" {
		o.SetAnnotations(map[string]string{AnnotationKubelet: annotation})
	}
	return *o
}

func classOf(t *testing.T, name, kubelet string) unstructured.Unstructured {
	t.Helper()
	o := object(t, fmt.Sprintf("{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: %s}, spec: {role: r}}", name))
	if kubelet != "" {
		o.Object["spec"].(map[string]any)["kubelet"] = mapping(t, kubelet)
	}
	return *o
}

func TestMoveKubelet(t *testing.T) {
	const k40, k50 = `{"maxPods":40}`, `{"maxPods":50}`
	m40, m50 := map[string]any{"maxPods": int64(40)}, map[string]any{"maxPods": int64(50)}
	c := []unstructured.Unstructured{classOf(t, "c", "")}
	for name, tc := range map[string]struct {
		pools   []unstructured.Unstructured
		classes []unstructured.Unstructured
		want    []KubeletMove
		losses  []string
	}{
		"nothing to move": {[]unstructured.Unstructured{poolOf(t, "a", "c", "")}, c, nil, nil},
		"all agree": {[]unstructured.Unstructured{poolOf(t, "b", "c", k40), poolOf(t, "a", "c", `{ "maxPods": 40 }`)}, c, []KubeletMove{
			{NodePool: "a", NodeClass: "c", Kubelet: m40, Annotated: true}, {NodePool: "b", NodeClass: "c", Kubelet: m40, Annotated: true}}, nil},
		"most keep it": {[]unstructured.Unstructured{poolOf(t, "a", "c", k40), poolOf(t, "b", "c", k50), poolOf(t, "d", "c", k50)}, c, []KubeletMove{
			{NodePool: "a", NodeClass: "c-a", CopyOf: "c", Kubelet: m40, Refer: true, Annotated: true},
			{NodePool: "b", NodeClass: "c", Kubelet: m50, Annotated: true}, {NodePool: "d", NodeClass: "c", Kubelet: m50, Annotated: true}},
			[]string{"Info spec.template.spec.nodeClassRef.name"}},
		"of as many, those for whom it is right": {[]unstructured.Unstructured{poolOf(t, "a", "c", k40), poolOf(t, "z", "c", "")}, c, []KubeletMove{
			{NodePool: "a", NodeClass: "c-a", CopyOf: "c", Kubelet: m40, Refer: true, Annotated: true}}, []string{"Info spec.template.spec.nodeClassRef.name"}},
		"of as many, the first": {[]unstructured.Unstructured{poolOf(t, "b", "c", k40), poolOf(t, "a", "c", k50)}, c, []KubeletMove{
			{NodePool: "a", NodeClass: "c", Kubelet: m50, Annotated: true},
			{NodePool: "b", NodeClass: "c-b", CopyOf: "c", Kubelet: m40, Refer: true, Annotated: true}}, []string{"Info spec.template.spec.nodeClassRef.name"}},
		"one without annotation is moved too": {[]unstructured.Unstructured{poolOf(t, "a", "c", k40), poolOf(t, "b", "c", k40), poolOf(t, "d", "c", "")}, c, []KubeletMove{
			{NodePool: "a", NodeClass: "c", Kubelet: m40, Annotated: true}, {NodePool: "b", NodeClass: "c", Kubelet: m40, Annotated: true},
			{NodePool: "d", NodeClass: "c-d", CopyOf: "c", Refer: true}}, []string{"Info spec.template.spec.nodeClassRef.name"}},
		"the annotation counts before what the class has": {[]unstructured.Unstructured{poolOf(t, "a", "c", k40)}, []unstructured.Unstructured{classOf(t, "c", k50)},
			[]KubeletMove{{NodePool: "a", NodeClass: "c", Kubelet: m40, Annotated: true}}, nil},
		"without annotation what the class has counts": {[]unstructured.Unstructured{poolOf(t, "a", "c", k50), poolOf(t, "b", "c", ""), poolOf(t, "d", "c", "{}")},
			[]unstructured.Unstructured{classOf(t, "c", k50)}, []KubeletMove{
				{NodePool: "a", NodeClass: "c", Kubelet: m50, Annotated: true},
				{NodePool: "d", NodeClass: "c-d", CopyOf: "c", Kubelet: map[string]any{}, Refer: true, Annotated: true}}, []string{"Info spec.template.spec.nodeClassRef.name"}},
		"a copy that was made already": {[]unstructured.Unstructured{poolOf(t, "a", "c", k40), poolOf(t, "b", "c", "")},
			[]unstructured.Unstructured{classOf(t, "c", ""), classOf(t, "c-a", k40)}, []KubeletMove{
				{NodePool: "a", NodeClass: "c-a", Kubelet: m40, Refer: true, Annotated: true}}, []string{"Info spec.template.spec.nodeClassRef.name"}},
		"a name that somebody else has": {[]unstructured.Unstructured{poolOf(t, "a", "c", k40), poolOf(t, "b", "c", "")},
			[]unstructured.Unstructured{classOf(t, "c", ""), classOf(t, "c-a", k50)}, []KubeletMove{
				{NodePool: "a", NodeClass: "c-a-c7e31545", CopyOf: "c", Kubelet: m40, Refer: true, Annotated: true}}, []string{"Info spec.template.spec.nodeClassRef.name"}},
		"a class that is not there": {[]unstructured.Unstructured{poolOf(t, "a", "gone", k40), poolOf(t, "b", "gone", "")}, c, nil, []string{"Blocker spec.template.spec.nodeClassRef"}},
		"a damaged annotation":      {[]unstructured.Unstructured{poolOf(t, "a", "c", "{")}, c, nil, []string{"Blocker metadata.annotations[" + AnnotationKubelet + "]"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			moves, losses, err := MoveKubelet(tc.pools, tc.classes)
			g.Expect(err).NotTo(HaveOccurred())
			if strings.HasPrefix(name, "a name that somebody") {
				g.Expect(moves[0].NodeClass).To(MatchRegexp("^c-a-[0-9a-f]{8}$"))
				tc.want[0].NodeClass = moves[0].NodeClass
			}
			g.Expect(moves).To(BeComparableTo(tc.want))
			g.Expect(brief(losses)).To(HaveExactElements(tc.losses))
			expectComplete(t, losses)
		})
	}
}

func TestMoveKubeletLeavesOtherKindsAlone(t *testing.T) {
	g := NewWithT(t)
	p := poolOf(t, "a", "c", `{"maxPods":40}`)
	g.Expect(unstructured.SetNestedField(p.Object, "Other", "spec", "template", "spec", "nodeClassRef", "kind")).To(Succeed())
	moves, losses, err := MoveKubelet([]unstructured.Unstructured{p}, []unstructured.Unstructured{classOf(t, "c", "")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(moves).To(BeEmpty())
	g.Expect(brief(losses)).To(Equal([]string{"Blocker spec.template.spec.nodeClassRef"}))
}

func TestNamesOfCopiesFitIntoALabel(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("x", 40)
	a, b := fitting(long+"-"+long+"-a", 0), fitting(long+"-"+long+"-b", 0)
	g.Expect(a).NotTo(Equal(b))
	g.Expect([]string{a, b}).To(HaveEach(MatchRegexp(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])$`)))
	g.Expect(fitting("c-p", 0)).To(Equal("c-p"))
	g.Expect(fitting("c-p", 1)).NotTo(Equal(fitting("c-p", 2)))
}

// What 1.0 makes of each NodePool before is what 1.1 makes of it after, at no time in between it is anything else, and a plan that was
// stopped anywhere is completed by the next.
func TestMovedKubeletSettingsStayWhatTheyWere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	some := []string{"", "{}", "null", `{"maxPods":1}`, `{"maxPods":2}`, `{"clusterDNS":["10.0.0.10"],"evictionSoft":{"memory.available":"5%"},"evictionSoftGracePeriod":{"memory.available":"1m30s"}}`}
	for range 300 {
		w := &kubeletWorld{t: t, g: NewWithT(t), pools: map[string]unstructured.Unstructured{}, classes: map[string]unstructured.Unstructured{}}
		for _, name := range []string{"c", "d", "c-p1"}[:1+random.IntN(3)] {
			kubelet := some[random.IntN(len(some))]
			if kubelet == "null" {
				kubelet = ""
			}
			w.classes[name] = classOf(t, name, kubelet)
		}
		for i := range 1 + random.IntN(6) {
			name := fmt.Sprintf("p%d", i)
			w.pools[name] = poolOf(t, name, []string{"c", "d", "c-p1"}[random.IntN(len(w.classes))], some[random.IntN(len(some))])
		}
		before := w.seenBy10()
		for range 3 { // stopped twice, then to its end
			w.apply(random.IntN(12), before)
		}
		w.apply(1000, before)
		for name, p := range w.pools {
			w.g.Expect(p.GetAnnotations()).NotTo(HaveKey(AnnotationKubelet), name)
		}
		moves, _, err := MoveKubelet(w.lists())
		w.g.Expect(err).NotTo(HaveOccurred())
		w.g.Expect(moves).To(BeEmpty(), "there is nothing left to do")
	}
}

// kubeletWorld plays an API server.
type kubeletWorld struct {
	t              *testing.T
	g              *WithT
	pools, classes map[string]unstructured.Unstructured
}

func (w *kubeletWorld) lists() (pools, classes []unstructured.Unstructured) {
	for _, name := range sortedKeys(w.pools) {
		pools = append(pools, w.pools[name])
	}
	for _, name := range sortedKeys(w.classes) {
		classes = append(classes, w.classes[name])
	}
	return pools, classes
}

// seenBy10 is what Karpenter 1.0 takes for the kubelet settings of each NodePool.
func (w *kubeletWorld) seenBy10() map[string]string {
	out := map[string]string{}
	for name, p := range w.pools {
		ref, _, err := unstructured.NestedString(p.Object, "spec", "template", "spec", "nodeClassRef", "name")
		w.g.Expect(err).NotTo(HaveOccurred())
		class := w.classes[ref]
		kubelet, err := classKubelet(&class)
		w.g.Expect(err).NotTo(HaveOccurred())
		if text, ok := p.GetAnnotations()[AnnotationKubelet]; ok {
			kubelet, err = parseKubelet(text)
			w.g.Expect(err).NotTo(HaveOccurred())
		}
		if len(kubelet) > 0 {
			out[name], _, err = kubeletJSON(kubelet)
			w.g.Expect(err).NotTo(HaveOccurred())
		}
	}
	return out
}

// apply plans, and does the first n writes of the plan.
func (w *kubeletWorld) apply(n int, want map[string]string) {
	moves, _, err := MoveKubelet(w.lists())
	w.g.Expect(err).NotTo(HaveOccurred())
	for _, step := range []func(KubeletMove){w.copy, w.refer, w.set, w.clear} {
		for _, m := range moves {
			if n--; n < 0 {
				return
			}
			step(m)
			w.g.Expect(w.seenBy10()).To(Equal(want))
		}
	}
}

func (w *kubeletWorld) copy(m KubeletMove) {
	if m.CopyOf == "" {
		w.g.Expect(w.classes).To(HaveKey(m.NodeClass))
		return
	}
	of := w.classes[m.CopyOf]
	made := of.DeepCopy()
	made.SetName(m.NodeClass)
	setKubelet(made, m.Kubelet)
	w.classes[m.NodeClass] = *made
}

func (w *kubeletWorld) refer(m KubeletMove) {
	if m.Refer {
		p := w.pools[m.NodePool]
		w.g.Expect(unstructured.SetNestedField(p.Object, m.NodeClass, "spec", "template", "spec", "nodeClassRef", "name")).To(Succeed())
	}
}

func (w *kubeletWorld) set(m KubeletMove) {
	class := w.classes[m.NodeClass]
	setKubelet(&class, m.Kubelet)
}

func (w *kubeletWorld) clear(m KubeletMove) {
	p := w.pools[m.NodePool]
	p.SetAnnotations(nil)
	w.pools[m.NodePool] = p
}

func setKubelet(class *unstructured.Unstructured, kubelet map[string]any) {
	spec := class.Object["spec"].(map[string]any)
	delete(spec, "kubelet")
	put(spec, "kubelet", kubelet)
}
