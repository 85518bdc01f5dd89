package phases

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// Releases of the tests.
const (
	blueRelease  = "karpenter"
	greenRelease = "karpenter-green"
	crdRelease   = "karpenter-crd"
)

// installBlue installs Karpenter 1.0.8 as its users do, by Helm from its own charts, and plays its pods, the first of which
// leads. With ownCRDs its CRDs belong to a release of karpenter-crd, and to none otherwise.
func (w *world) installBlue(ownCRDs bool, values ...map[string]any) {
	w.t.Helper()
	state := crdState{Version: blueVersion, Conversion: blueConversion()}
	if ownCRDs {
		state.Namespace, state.Release = w.ns, crdRelease
	}
	w.setCRDs(state)
	if ownCRDs {
		w.install(crdRelease, release.ChartCRDs, blueVersion, map[string]any{
			"webhook": map[string]any{"enabled": true, "serviceName": blueRelease, "serviceNamespace": w.ns, "port": int64(8443)},
		})
	}
	all := map[string]any{"settings": map[string]any{"clusterName": "sandbox"}}
	for _, v := range values {
		for key, value := range v {
			all[key] = value
		}
	}
	w.install(blueRelease, release.ChartKarpenter, blueVersion, all)
	w.serve(blueRelease)
	w.play()
	change(w, w.lease(), func(l *coordinationv1.Lease) { // as if its leader renewed it, however long the test lets pass
		l.Spec.LeaseDurationSeconds = ptr.To(int32((24 * time.Hour).Seconds()))
	})
}

// install installs or upgrades a release in Karpenter's namespace.
func (w *world) install(name, chart, version string, values map[string]any) {
	w.t.Helper()
	pulled, err := shared.helm.Pull(w.ctx(), chartRef(chart, version))
	w.ok(err)
	w.ok(shared.helm.Apply(w.ctx(), release.Spec{Namespace: w.ns, Name: name, Chart: pulled, Values: values}))
}

// serve puts a ready endpoint behind the webhook's port of a release's Service.
func (w *world) serve(releaseName string) {
	w.t.Helper()
	w.create(fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: %s, name: %s-1, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
endpoints: [{addresses: [10.1.1.1], conditions: {ready: true}}]
ports: [{name: https-webhook, port: 8443, protocol: TCP}]
`, w.ns, releaseName, releaseName))
}

// play plays, for a moment, the Deployment controller, the kubelet and the election of a leader for all of Karpenter's releases:
// each Deployment gets the pods that it wants, all Ready, and a Lease that nobody holds goes to the first of them.
func (w *world) play() {
	w.t.Helper()
	var deployments appsv1.DeploymentList
	w.ok(w.api.List(w.ctx(), &deployments, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/name": "karpenter"}))
	for i := range deployments.Items {
		w.playDeployment(&deployments.Items[i])
	}
	w.elect()
}

func (w *world) playDeployment(d *appsv1.Deployment) {
	w.t.Helper()
	wanted := map[string]bool{}
	for i := range ptr.Deref(d.Spec.Replicas, 1) {
		wanted[podName(d, int(i))] = true
	}
	for _, p := range w.pods(d.Labels["app.kubernetes.io/instance"]) {
		if !wanted[p.Name] {
			w.kill(p.Name)
		}
		delete(wanted, p.Name)
	}
	for name := range wanted {
		w.startPod(name, d.Spec.Template.Labels, true)
	}
	n := ptr.Deref(d.Spec.Replicas, 1)
	w.setStatus(d, n, n)
}

// setStatus writes what the Deployment controller would.
func (w *world) setStatus(d *appsv1.Deployment, replicas, ready int32) {
	w.t.Helper()
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: ready, AvailableReplicas: ready,
		UnavailableReplicas: replicas - ready,
	}
	w.ok(w.api.Status().Update(w.ctx(), d))
}

// podName of the i-th pod of a Deployment at its image.
func podName(d *appsv1.Deployment, i int) string {
	image, _, _ := strings.Cut(d.Spec.Template.Spec.Containers[0].Image, "@")
	_, tag, _ := strings.Cut(image, ":")
	return fmt.Sprintf("%s-%s-%d", d.Name, strings.ReplaceAll(tag, ".", "-"), i)
}

func (w *world) deployment(name string) *appsv1.Deployment {
	w.t.Helper()
	return get(w, &appsv1.Deployment{}, w.ns, name)
}

// pods of a release of Karpenter.
func (w *world) pods(releaseName string) []corev1.Pod {
	w.t.Helper()
	var found corev1.PodList
	w.ok(w.api.List(w.ctx(), &found, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/instance": releaseName}))
	return found.Items
}

// startPod starts a pod of Karpenter.
func (w *world) startPod(name string, labels map[string]string, ready bool, change ...func(*corev1.Pod)) {
	w.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: "system-1", Containers: []corev1.Container{{Name: "controller", Image: "controller"}}},
	}
	for _, c := range change {
		c(p)
	}
	w.ok(w.api.Create(w.ctx(), p))
	w.setReady(p, ready)
}

// setReady writes a pod's readiness, as the kubelet would.
func (w *world) setReady(p *corev1.Pod, ready bool) {
	w.t.Helper()
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.StartTime = ptr.To(w.now())
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	w.ok(w.api.Status().Update(w.ctx(), p))
}

// kill removes a pod of Karpenter at once.
func (w *world) kill(name string) {
	w.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
	w.ok(client.IgnoreNotFound(w.api.Delete(w.ctx(), p, client.GracePeriodSeconds(0))))
}

// elect renews the Lease for a holder that lives, and gives one that nobody holds to the first pod that is Ready.
func (w *world) elect() {
	w.t.Helper()
	l := w.lease()
	holder, candidates := "", append(w.pods(blueRelease), w.pods(greenRelease)...)
	for i := range candidates {
		if candidates[i].Name == lease.HolderPod(l) {
			holder = ptr.Deref(l.Spec.HolderIdentity, "")
		}
	}
	if lease.HolderPod(l) != "" && lease.FencedBy(l) == "" && holder == "" {
		w.pass(time.Second) // in which nobody renews it
	}
	if ptr.Deref(l.Spec.HolderIdentity, "") == "" && len(candidates) > 0 {
		holder = candidates[0].Name + "_0b5c6d7e-0000-4000-8000-000000000001"
	}
	if holder != "" {
		w.hold(holder)
	}
}

// lease of Karpenter; an empty one when there is none.
func (w *world) lease() *coordinationv1.Lease {
	w.t.Helper()
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: lease.Name}}
	w.ok(client.IgnoreNotFound(w.api.Get(w.ctx(), client.ObjectKeyFromObject(l), l)))
	return l
}

func (w *world) holder() string {
	w.t.Helper()
	return ptr.Deref(w.lease().Spec.HolderIdentity, "")
}

// hold gives the Lease to somebody, renewed now.
func (w *world) hold(identity string) {
	w.t.Helper()
	l := w.lease()
	l.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: &identity, LeaseDurationSeconds: ptr.To[int32](15),
		AcquireTime: ptr.To(metav1.NewMicroTime(w.clock.Now())), RenewTime: ptr.To(metav1.NewMicroTime(w.clock.Now())),
	}
	err := w.api.Update(w.ctx(), l)
	if apierrors.IsNotFound(err) || l.ResourceVersion == "" {
		l.ResourceVersion = ""
		err = client.IgnoreAlreadyExists(w.api.Create(w.ctx(), l))
	}
	w.ok(err)
}

// release makes the Deployment of a release of Karpenter as its chart names and labels it, without Helm, and plays its pods.
func (w *world) release(name, version string, replicas int) {
	w.t.Helper()
	labels := fmt.Sprintf("{app.kubernetes.io/name: karpenter, app.kubernetes.io/instance: %s}", name)
	w.create(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: %s, name: %s, labels: %s}
spec:
  replicas: %d
  selector: {matchLabels: %s}
  template:
    metadata: {labels: %s}
    spec: {containers: [{name: controller, image: "public.ecr.aws/karpenter/controller:%s"}]}
`, w.ns, name, labels, replicas, labels, labels, version))
	w.play()
}
