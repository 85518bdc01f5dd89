package mover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	pods, one := schema.GroupResource{Resource: "pods"}, "p"
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	budget := apierrors.NewTooManyRequests("no", 0)
	budget.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause}}
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		want *refusal
	}{
		"nothing wrong":               {err: nil},
		"the operator may not":        {err: apierrors.NewForbidden(pods, one, errors.New(`User "x" cannot create resource "pods/eviction"`))},
		"nobody knows the operator":   {err: apierrors.NewUnauthorized("who")},
		"the API server is away":      {err: &net.OpError{Op: "dial", Err: errors.New("refused")}},
		"the API server is not ready": {err: apierrors.NewServiceUnavailable("later")},
		"the step has ended":          {ctx: ended, err: context.DeadlineExceeded},
		"a webhook hangs":             {err: context.DeadlineExceeded, want: &refusal{action: drain.Wait}},
		"a webhook fails":             {err: apierrors.NewInternalError(errors.New("failed calling webhook")), want: &refusal{action: drain.Wait}},
		"a product asks to wait":      {err: apierrors.NewTooManyRequests("moving it", 1), want: &refusal{action: drain.Wait}},
		"a budget":                    {err: budget, want: &refusal{action: drain.Wait, budget: true}},
		"admission, 403":              {err: apierrors.NewForbidden(pods, one, errors.New("denied by policy")), want: &refusal{action: drain.Hold}},
		"admission, 422":              {err: apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, one, nil), want: &refusal{action: drain.Hold}},
		"admission, 400":              {err: apierrors.NewBadRequest("admission webhook denied the request"), want: &refusal{action: drain.Hold}},
		"gone":                        {err: apierrors.NewNotFound(pods, one), want: &refusal{moot: true}},
		"changed":                     {err: apierrors.NewConflict(pods, one, errors.New("uid")), want: &refusal{moot: true}},
	} {
		t.Run(name, func(t *testing.T) {
			g, ctx := NewWithT(t), tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			err := tc.err
			if err != nil {
				err = fmt.Errorf("evicting: %w", err)
			}
			got := judge(ctx, err, "create")
			if tc.want == nil {
				g.Expect(got).To(BeNil())
				return
			}
			g.Expect(got).NotTo(BeNil())
			got.why = ""
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

func TestTurnLeavesNoneOutForEver(t *testing.T) {
	g := NewWithT(t)
	first := sets.New[int]()
	for s := range 7 {
		all := turn([]int{0, 1, 2, 3, 4, 5, 6}, now.Add(time.Duration(s)*time.Second))
		g.Expect(all).To(ConsistOf(0, 1, 2, 3, 4, 5, 6))
		first.Insert(all[0])
	}
	g.Expect(first).To(HaveLen(7))
	g.Expect(turn([]int(nil), now)).To(BeEmpty())
}

// blueNodes are nodes of NodePool general, that are cordoned and being emptied.
func blueNodes(names ...string) []client.Object {
	var out []client.Object
	for _, name := range names {
		out = append(out, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)), Labels: map[string]string{karpv1.NodePoolLabelKey: "general"},
				Annotations:     map[string]string{v1alpha1.AnnotationDrainingSince: "up=" + now.Format(time.RFC3339)},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "karpenter.sh/v1", Kind: "NodeClaim", Name: name, UID: types.UID(name)}},
			},
			Spec: corev1.NodeSpec{Unschedulable: true},
		})
	}
	return out
}

// jobPod is a pod that may leave its node at once.
func jobPod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID(name),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: name, UID: types.UID("j-" + name), Controller: ptr.To(true)}},
		},
		Spec:   corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}

// moverOf works on a cluster of these objects, whose API server does what funcs say.
func moverOf(funcs interceptor.Funcs, objects ...client.Object) *Mover {
	c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
	return &Mover{Kit: &phase.Kit{Client: c, Live: c, Clock: clocktesting.NewFakePassiveClock(now)}}
}

func runOf() (*v1alpha1.KarpenterUpgrade, Job) {
	run := &v1alpha1.KarpenterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "up"}}
	run.Spec.Migration.MaxUnavailable = ptr.To(intstr.FromInt32(1))
	run.Spec.Migration.StallTimeout.Duration = 2 * time.Minute
	run.Status.Plan = &v1alpha1.Plan{Pools: []v1alpha1.PoolPlan{{Blue: "general", Green: "general-green"}}}
	return run, Job{From: sets.New("general"), Rank: func(string) int { return 0 }, Since: now.Add(-time.Minute), Doing: "moved"}
}

// A webhook that hangs holds each eviction up for writeTimeout, which is five minutes for sixty pods, one after the other.
func TestAStepEndsInTimeThoughEveryEvictionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		objects := blueNodes("a")
		for i := range 60 {
			objects = append(objects, jobPod(fmt.Sprintf("pod-%d", i), "a"))
		}
		m := moverOf(interceptor.Funcs{SubResourceCreate: func(ctx context.Context, _ client.Client, _ string, _, _ client.Object, _ ...client.SubResourceCreateOption) error {
			<-ctx.Done()
			return ctx.Err()
		}}, objects...)
		run, job := runOf()
		began := time.Now() //nolint:forbidigo // The bubble's own clock.
		out := m.Step(t.Context(), run, job)
		g.Expect(time.Since(began)).To(BeNumerically("<=", writeBudget+writeTimeout)) //nolint:forbidigo // The bubble's own clock.
		g.Expect(out).To(And(HaveField("Kind", engine.KindWait), HaveField("Reason", "Moving")), out.Message)

		m.Clock = clocktesting.NewFakePassiveClock(now.Add(patience))
		m.Step(t.Context(), run, job)
		g.Expect(run.Status.BlockersTotal).To(BeNumerically(">=", writers*5))
		g.Expect(run.Status.Blockers).To(HaveEach(And(HaveField("Reason", drain.ReasonRefused), HaveField("Message", ContainSubstring("no answer within 5s")))))
	})
}

func TestARefusalKeepsNoOtherWriteFromBeingDone(t *testing.T) {
	refused := apierrors.NewBadRequest("admission webhook denied the request")
	for name, funcs := range map[string]interceptor.Funcs{
		"eviction": {SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, s client.Object, opts ...client.SubResourceCreateOption) error {
			if o.GetName() == "a" {
				return apierrors.NewInternalError(errors.New("failed calling webhook"))
			}
			return c.SubResource(sub).Create(ctx, o, s, opts...)
		}},
		"cordon": {Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if o.GetName() == "a" {
				return refused
			}
			return c.Patch(ctx, o, p, opts...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			nodes := blueNodes("a", "b")
			if name == "cordon" {
				nodes[0].(*corev1.Node).Spec.Unschedulable = false
				nodes[0].SetAnnotations(nil)
			}
			m := moverOf(funcs, append(nodes, jobPod("a", "a"), jobPod("b", "b"))...)
			run, job := runOf()
			out := m.Step(t.Context(), run, job)
			g.Expect(out.Kind).To(Equal(engine.KindWait), out.Message)
			g.Expect(apierrors.IsNotFound(m.Live.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "b"}, &corev1.Pod{}))).To(BeTrue(), "b went")
			m.Clock = clocktesting.NewFakePassiveClock(now.Add(patience))
			m.Step(t.Context(), run, job)
			g.Expect(run.Status.Blockers).To(ContainElement(HaveField("Node", "a")))
		})
	}
}

func TestARemovalThatIsRefusedIsReported(t *testing.T) {
	g := NewWithT(t)
	m := moverOf(interceptor.Funcs{Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "nodeclaims"}, "a", errors.New("denied by policy"))
	}}, blueNodes("a")...)
	run, job := runOf()
	out := m.Step(t.Context(), run, job)
	g.Expect(out.Reason).To(Equal(v1alpha1.ReasonNodesBlocked), out.Message)
	g.Expect(run.Status.Blockers).To(ConsistOf(And(HaveField("Node", "a"), HaveField("Reason", reasonRemovalRefused), HaveField("Message", ContainSubstring("denied by policy")))))
}

func TestALackOfPermissionIsAnErrorThatIsTold(t *testing.T) {
	g := NewWithT(t)
	m := moverOf(interceptor.Funcs{SubResourceCreate: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceCreateOption) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New(`User "op" cannot create resource "pods/eviction"`))
	}}, append(blueNodes("a"), jobPod("a", "a"))...)
	run, job := runOf()
	out := m.Step(t.Context(), run, job)
	g.Expect(out).To(And(HaveField("Kind", engine.KindBlocked), HaveField("Reason", v1alpha1.ReasonPermissionDenied)), out.Message)
}

func TestMayHaveMoved(t *testing.T) {
	run, job := runOf()
	made := func(since time.Duration) metav1.Time { return metav1.NewTime(job.Since.Add(since)) }
	pod := func(kind string, change ...func(*corev1.Pod)) *corev1.Pod {
		p := jobPod("p", "")
		p.CreationTimestamp, p.OwnerReferences[0].Kind, p.OwnerReferences[0].UID = made(time.Minute), kind, types.UID(kind)
		for _, c := range change {
			c(p)
		}
		return p
	}
	demands := func(pool string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{karpv1.NodePoolLabelKey: pool} }
	}
	view := (&drain.View{StatefulSets: map[types.UID]*appsv1.StatefulSet{
		"Old":   {ObjectMeta: metav1.ObjectMeta{CreationTimestamp: made(-time.Hour)}},
		"Young": {ObjectMeta: metav1.ObjectMeta{CreationTimestamp: made(time.Second)}},
	}}).Index()
	s := &state{run: run, job: job, view: view, now: now}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"of a workload that was there":         {pod("Old"), true},
		"of a workload that came later":        {pod("Young"), false},
		"of a workload that nobody knows":      {pod("Job"), true},
		"without a controller":                 {pod("Old", func(p *corev1.Pod) { p.OwnerReferences = nil }), false},
		"that was pending before":              {pod("Old", func(p *corev1.Pod) { p.CreationTimestamp = made(-time.Second) }), false},
		"that demands a green NodePool":        {pod("Old", demands("general-green")), true},
		"that demands a NodePool of no plan's": {pod("Old", demands("gpu")), false},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(s.mayHaveMoved(tc.pod)).To(Equal(tc.want)) })
	}
}

func TestNodesThatOnlyTerminateAreCountedApart(t *testing.T) {
	g := NewWithT(t)
	kept := jobPod("kept", "a")
	kept.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"}
	m := moverOf(interceptor.Funcs{Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return nil }},
		append(blueNodes("a", "b"), kept)...)
	run, job := runOf()
	g.Expect(m.Step(t.Context(), run, job).Message).To(HavePrefix("2 left to be moved, 1 being emptied, 1 empty and terminating; 1 blocked: node a"))
}
