package observer

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/requests"
)

// patience is for slow machines.
const patience = time.Minute

// stage is a cluster in which things are staged while it is observed.
type stage struct {
	*WithT
	ctx    context.Context
	client kubernetes.Interface
	out    string
	ended  chan error
	stop   context.CancelFunc
}

// observed begins to observe the cluster, as it is.
func observed(t *testing.T, setup func(s *stage), change func(*Options)) *stage {
	t.Helper()
	g := NewWithT(t)
	k, err := kubernetes.NewForConfig(cluster)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(t.Context())
	s := &stage{WithT: g, ctx: t.Context(), client: k, out: filepath.Join(t.TempDir(), "report.json"), ended: make(chan error, 1), stop: stop}
	setup(s)
	opts := Options{
		Config: cluster, Out: s.out, Release: "karpenter", Log: t.Output(),
		Karpenter: requests.Account{Namespace: "karpenter", Name: requests.AllAccounts},
		Operator:  requests.Account{Namespace: "operator", Name: requests.AllAccounts},
	}
	if change != nil {
		change(&opts)
	}
	go func() { s.ended <- Run(ctx, opts) }()
	t.Cleanup(func() { stop() })
	s.Eventually(func() (report.Report, error) { return report.Read(s.out) }, patience, "100ms").
		Should(HaveField("Started", Not(BeZero())), "measuring has begun")
	return s
}

// end ends the observation and returns what it saw.
func (s *stage) end() report.Report {
	s.stop()
	s.Eventually(s.ended, patience).Should(Receive(BeNil()))
	r, err := report.Read(s.out)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(r.Final).To(BeTrue())
	return r
}

// eventually waits until the report that is written every few seconds shows something.
func (s *stage) eventually(matcher OmegaMatcher) {
	s.Eventually(func() (report.Report, error) { return report.Read(s.out) }, patience, "200ms").Should(matcher)
}

func (s *stage) namespace(name string) {
	_, err := s.client.CoreV1().Namespaces().Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		s.Expect(err).NotTo(HaveOccurred())
	}
}

var container = corev1.Container{
	Name: "controller", Image: "example.org/karpenter/controller:1.0.8@sha256:0000000000000000000000000000000000000000000000000000000000000000",
}

// pod makes a pod that runs and is Ready.
func (s *stage) pod(namespace, name string, labels map[string]string, owner ...metav1.OwnerReference) {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, OwnerReferences: owner},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}, TerminationGracePeriodSeconds: ptr.To[int64](0)},
	}
	p, err := s.client.CoreV1().Pods(namespace).Create(s.ctx, p, metav1.CreateOptions{})
	s.Expect(err).NotTo(HaveOccurred())
	p.Status = corev1.PodStatus{
		Phase:      corev1.PodRunning,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: container.Name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		}},
	}
	_, err = s.client.CoreV1().Pods(namespace).UpdateStatus(s.ctx, p, metav1.UpdateOptions{})
	s.Expect(err).NotTo(HaveOccurred())
}

func (s *stage) deletePod(namespace, name string) {
	s.Expect(s.client.CoreV1().Pods(namespace).Delete(s.ctx, name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})).To(Succeed())
}

// lead makes a pod hold the Lease of its namespace for an hour.
func (s *stage) lead(namespace, pod string) {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "karpenter-leader-election"}}
	l.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To(pod + "_1"), LeaseDurationSeconds: ptr.To[int32](3600), RenewTime: ptr.To(metav1.NowMicro()),
	}
	leases := s.client.CoordinationV1().Leases(namespace)
	_, err := leases.Create(s.ctx, l, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		var current *coordinationv1.Lease
		current, err = leases.Get(s.ctx, l.Name, metav1.GetOptions{})
		s.Expect(err).NotTo(HaveOccurred())
		current.Spec = l.Spec
		_, err = leases.Update(s.ctx, current, metav1.UpdateOptions{})
	}
	s.Expect(err).NotTo(HaveOccurred())
}

func (s *stage) budgetStatus(namespace, name string, healthy, desired int32) {
	b, err := s.client.PolicyV1().PodDisruptionBudgets(namespace).Get(s.ctx, name, metav1.GetOptions{})
	s.Expect(err).NotTo(HaveOccurred())
	b.Status.ObservedGeneration, b.Status.CurrentHealthy, b.Status.DesiredHealthy, b.Status.ExpectedPods = b.Generation, healthy, desired, desired
	_, err = s.client.PolicyV1().PodDisruptionBudgets(namespace).UpdateStatus(s.ctx, b, metav1.UpdateOptions{})
	s.Expect(err).NotTo(HaveOccurred())
}

// web makes a Deployment of one replica, with its ReplicaSet and pod, and a budget that has enough.
func (s *stage) web(namespace string) {
	labels := map[string]string{"app": "web"}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}
	d, err := s.client.AppsV1().Deployments(namespace).Create(s.ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1), Selector: selector, Template: template},
	}, metav1.CreateOptions{})
	s.Expect(err).NotTo(HaveOccurred())
	rs, err := s.client.AppsV1().ReplicaSets(namespace).Create(s.ctx, &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}},
		Spec:       appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](1), Selector: selector, Template: template},
	}, metav1.CreateOptions{})
	s.Expect(err).NotTo(HaveOccurred())
	s.pod(namespace, "web-1-a", labels, *metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")))
	_, err = s.client.PolicyV1().PodDisruptionBudgets(namespace).Create(s.ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: selector},
	}, metav1.CreateOptions{})
	s.Expect(err).NotTo(HaveOccurred())
	s.budgetStatus(namespace, "web", 1, 1)
}

func karpenterLabels(release string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "karpenter", "app.kubernetes.io/instance": release}
}

func TestStagedViolationsAreSeen(t *testing.T) {
	s := observed(t, func(s *stage) {
		s.namespace("karpenter")
		s.namespace("karpenter-two")
		s.namespace("shop")
		s.pod("karpenter", "blue", karpenterLabels("karpenter"))
		owner := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "green", UID: "of-no-matter", Controller: ptr.To(true)}
		s.pod("karpenter-two", "green", karpenterLabels("green"), owner)
		s.lead("karpenter", "blue")
		s.web("shop")
		s.pod("shop", "debug", nil)
	}, nil)
	s.eventually(HaveField("Series", ContainElement(And(HaveField("Leader", Equal("karpenter/blue")), HaveField("Ready", Equal(1))))))

	s.budgetStatus("shop", "web", 0, 1)
	s.deletePod("shop", "web-1-a")
	s.deletePod("shop", "debug")
	s.lead("karpenter-two", "green")
	s.eventually(And(
		HaveField("PDBViolations", Equal(1)), HaveField("TwoLeaderSeconds", BeNumerically(">", 0.5)), HaveField("SingletonDowntimeSeconds", BeNumerically(">", 0.5))))
	s.deletePod("karpenter", "blue")
	s.deletePod("karpenter-two", "green")
	s.eventually(HaveField("LeaderlessSeconds", BeNumerically(">", 0.5)))
	ns, err := s.client.CoreV1().Namespaces().Get(s.ctx, "shop", metav1.GetOptions{})
	s.Expect(err).NotTo(HaveOccurred())
	ns.Annotations = map[string]string{v1alpha1.AnnotationFrozenBy: "run"}
	_, err = s.client.CoreV1().Namespaces().Update(s.ctx, ns, metav1.UpdateOptions{})
	s.Expect(err).NotTo(HaveOccurred())

	r := s.end()
	s.Expect(r.Violations).To(ConsistOf(
		And(HaveField("Kind", Equal(report.BudgetBroken)), HaveField("Object", Equal("PodDisruptionBudget/shop/web")), HaveField("Detail", Equal("0 healthy pods of 1 wanted"))),
		And(HaveField("Kind", Equal(report.TwoLeaders)), HaveField("Object", Equal("karpenter-two/green (1.0.8), karpenter/blue (1.0.8)")))))
	s.Expect(r.Lost).To(ConsistOf(
		And(HaveField("Kind", Equal(report.BarePodGone)), HaveField("Object", Equal("Pod/shop/debug"))),
		And(HaveField("Kind", Equal(report.Incomplete)), HaveField("Object", Equal("Deployment/shop/web")))))
	s.Expect(r.PodsLost).To(Equal(2))
	s.Expect(r.PodSecondsBelowDesired).To(BeNumerically(">", 0.5))
	s.Expect(r.LongestOutageSeconds).To(BeNumerically(">", 0.5))
	s.Expect(r.Leaderless).To(HaveLen(1))
	s.Expect(r.Marks).To(ConsistOf(report.Mark{Object: "namespaces/shop", Where: "annotation", Key: v1alpha1.AnnotationFrozenBy}))
	s.Expect(r.MarksLeft).To(Equal(1))
	s.Expect(r.MarksUnread).To(BeEmpty())
	s.Expect(r.Requests.ByClient).To(HaveKeyWithValue(requests.Privileged, BeNumerically(">", 10)), "those of this test")
}

// TestEndsWithTheUpgrade also shows that phases are taken over, and that requests are counted by client.
func TestEndsWithTheUpgrade(t *testing.T) {
	s := observed(t, func(s *stage) { s.namespace("operator") }, func(o *Options) { o.StopWhenDone, o.Settle = "up", 100*time.Millisecond })
	c, err := client.New(cluster, client.Options{})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(v1alpha1.AddToScheme(c.Scheme())).To(Succeed())
	up := &v1alpha1.KarpenterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "up"}, Spec: v1alpha1.KarpenterUpgradeSpec{Target: v1alpha1.Target{Version: "1.14.1"}}}
	up.Spec.Canary.Timeout.Duration, up.Spec.Migration.StallTimeout.Duration = time.Minute, time.Minute
	s.Expect(c.Create(s.ctx, up)).To(Succeed())

	var asked atomic.Int64
	operator := *cluster
	operator.Impersonate.UserName = "system:serviceaccount:operator:manager"
	operator.Impersonate.Groups = []string{"system:serviceaccounts", "system:serviceaccounts:operator", "system:authenticated"}
	as, err := kubernetes.NewForConfig(&operator)
	s.Expect(err).NotTo(HaveOccurred())
	s.Eventually(func() map[string]int64 {
		_, err := as.CoreV1().Nodes().List(s.ctx, metav1.ListOptions{})
		s.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "it may ask and may not see")
		asked.Add(1)
		r, err := report.Read(s.out)
		s.Expect(err).NotTo(HaveOccurred())
		return r.Requests.ByClient
	}, patience, "100ms").Should(HaveKeyWithValue(requests.Operator, BeNumerically(">", 10)))

	began := metav1.NewTime(up.CreationTimestamp.Add(-10 * time.Second))
	up.Status.Steps = []v1alpha1.Step{{Phase: v1alpha1.PhasePreflight, State: v1alpha1.StepDone, StartedAt: &began, EndedAt: ptr.To(metav1.NewTime(began.Add(4 * time.Second)))}}
	up.Status.Phase = v1alpha1.RunSucceeded
	s.Expect(c.Status().Update(s.ctx, up)).To(Succeed())
	s.Eventually(s.ended, patience).Should(Receive(BeNil()))

	r, err := report.Read(s.out)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(r.Final).To(BeTrue())
	s.Expect(r.Phases).To(HaveExactElements(report.Phase{Name: "Preflight", State: "Done", Seconds: 4}))
	s.Expect(r.DurationSeconds).To(BeNumerically(">", 0))
	s.Expect(r.Requests.ByClient[requests.Operator]).To(BeNumerically("<=", asked.Load()))
	schemas, err := s.client.FlowcontrolV1().FlowSchemas().List(s.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=karpenter-upgrade-observer"})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(schemas.Items).To(BeEmpty(), "nothing is left of the observer")
}
