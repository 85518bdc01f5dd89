package live

import (
	"context"
	"regexp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// platform reads what surrounds Karpenter. What cannot be read of it is in the Platform's Unread: no run fails for the want of it.
// It comes after the target, whose pods it looks for room for.
func (r *Reader) platform(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if refusal != nil {
		return nil
	}
	at := surroundings{Reader: r, run: run, source: source, in: s, out: &s.Platform}
	for _, part := range []struct {
		what string
		read func(context.Context) error
	}{
		{"the second release", at.standby},
		{"pods", at.pods},
		{"poddisruptionbudgets", at.budgets},
		{"nodes", at.hosts},
		{"nodeclaims.karpenter.sh", at.claims},
		{"webhookconfigurations", at.webhooks},
		{"configmaps", at.globalSettings},
		{"prometheusrules, servicemonitors and podmonitors", at.monitors},
		{"daemonsets and deployments in kube-system", at.addons},
		{"serviceaccounts", at.identity},
		{"aws", at.inspect},
	} {
		err := part.read(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		at.unread(part.what, err)
	}
	return nil
}

// surroundings are what the parts of platform read from and write to.
type surroundings struct {
	*Reader
	run    *v1alpha1.KarpenterUpgrade
	source *snapshot.Installation
	in     *snapshot.Snapshot
	out    *snapshot.Platform
	// pod is what a pod of the second release would be, with its environment, which is in no snapshot: it may hold secrets.
	pod *corev1.PodSpec
}

// requestID is in errors of AWS, and another one each time: a finding with it would change whenever it is looked for.
var requestID = regexp.MustCompile(`RequestID: [^,]*, `)

// unread notes an error, if there is one.
func (a *surroundings) unread(what string, err error) {
	if err != nil {
		a.out.Unread = append(a.out.Unread, snapshot.Problem{What: what, Error: requestID.ReplaceAllString(err.Error(), "")})
	}
}

// standby reads what the second release would run.
func (a *surroundings) standby(context.Context) error {
	d, err := deployment(a.in.Target.Green)
	if err != nil || d == nil {
		return err
	}
	a.out.Standby = &snapshot.Standby{
		Namespace: plan.GreenNamespace(a.source.Namespace, &a.run.Spec), Replicas: ptr.Deref(d.Spec.Replicas, 1),
		Labels: d.Spec.Template.Labels, Pod: placed(&d.Spec.Template.Spec),
	}
	a.pod = &d.Spec.Template.Spec
	return nil
}

// placed is what of a pod says where it goes.
func placed(pod *corev1.PodSpec) corev1.PodSpec {
	out := corev1.PodSpec{
		NodeSelector: pod.NodeSelector, Affinity: pod.Affinity, Tolerations: pod.Tolerations, TopologySpreadConstraints: pod.TopologySpreadConstraints,
		Overhead: pod.Overhead,
	}
	for i := range pod.Containers {
		out.Containers = append(out.Containers, corev1.Container{Name: pod.Containers[i].Name, Resources: pod.Containers[i].Resources})
	}
	for i := range pod.InitContainers {
		c := &pod.InitContainers[i]
		out.InitContainers = append(out.InitContainers, corev1.Container{Name: c.Name, Resources: c.Resources, RestartPolicy: c.RestartPolicy})
	}
	return out
}

// globalSettingsMap is the ConfigMap of settings that Karpenter read up to 0.32.
const globalSettingsMap = "karpenter-global-settings"

func (a *surroundings) globalSettings(ctx context.Context) error {
	var found corev1.ConfigMap
	err := a.Client.Get(ctx, client.ObjectKey{Namespace: a.source.Namespace, Name: globalSettingsMap}, &found)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	a.out.GlobalSettings = sortedKeys(found.Data)
	return nil
}

// known add-ons of EKS, and what they run as in kube-system.
var addons = []struct {
	name, container string
	object          client.Object
}{
	{"vpc-cni", "aws-node", &appsv1.DaemonSet{}},
	{"kube-proxy", "kube-proxy", &appsv1.DaemonSet{}},
	{"coredns", "coredns", &appsv1.Deployment{}},
	{"aws-load-balancer-controller", "aws-load-balancer-controller", &appsv1.Deployment{}},
}

func (a *surroundings) addons(ctx context.Context) error {
	for _, known := range addons {
		o, ok := known.object.DeepCopyObject().(client.Object)
		if !ok {
			continue
		}
		err := a.Client.Get(ctx, client.ObjectKey{Namespace: "kube-system", Name: known.container}, o)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		kind, pod := "Deployment", &corev1.PodSpec{}
		switch o := o.(type) {
		case *appsv1.DaemonSet:
			kind, pod = "DaemonSet", &o.Spec.Template.Spec
		case *appsv1.Deployment:
			pod = &o.Spec.Template.Spec
		}
		image := imageOf(pod, known.container)
		a.out.Addons = append(a.out.Addons, snapshot.Addon{
			Name: known.name, Object: kind + "/kube-system/" + known.container, Image: image, Version: version("", image),
		})
	}
	return nil
}

// imageOf is the image of a container by its name, or else of the first.
func imageOf(pod *corev1.PodSpec, name string) string {
	for i := range pod.Containers {
		if pod.Containers[i].Name == name {
			return pod.Containers[i].Image
		}
	}
	if len(pod.Containers) == 0 {
		return ""
	}
	return pod.Containers[0].Image
}
