package live

import (
	"context"
	"errors"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// Labels and annotations of Helm and of Karpenter's chart (charts/karpenter/templates/_helpers.tpl of the provider).
const (
	labelName                  = "app.kubernetes.io/name"
	labelInstance              = "app.kubernetes.io/instance"
	labelVersion               = "app.kubernetes.io/version"
	annotationReleaseName      = "meta.helm.sh/release-name"
	annotationReleaseNamespace = "meta.helm.sh/release-namespace"
	chartName                  = "karpenter"
)

func (r *Reader) installations(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	var found appsv1.DeploymentList
	if err := r.Client.List(ctx, &found, client.MatchingLabels{labelName: chartName}); err != nil {
		return err
	}
	for i := range found.Items {
		in, err := r.installation(ctx, &found.Items[i])
		if err != nil {
			return err
		}
		s.Installations = append(s.Installations, in)
	}
	slices.SortFunc(s.Installations, func(a, b snapshot.Installation) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return nil
}

func (r *Reader) installation(ctx context.Context, d *appsv1.Deployment) (snapshot.Installation, error) {
	in := snapshot.Installation{
		Namespace: d.Namespace, Name: d.Name, Labels: d.Labels, Annotations: d.Annotations, Replicas: ptr.Deref(d.Spec.Replicas, 1), ReadyReplicas: d.Status.ReadyReplicas,
		ServiceAccount: d.Spec.Template.Spec.ServiceAccountName, ManagedFields: d.ManagedFields,
	}
	if c := controller(d); c != nil {
		in.Image, in.ClusterName = c.Image, env(c, "CLUSTER_NAME")
		more, err := r.variables(ctx, d.Namespace, c)
		if err != nil {
			return in, err
		}
		in.ElectionSettings = electionSettings(d.Namespace, c, more)
	}
	in.Version = version(d.Labels[labelVersion], in.Image)

	name, namespace := d.Annotations[annotationReleaseName], d.Annotations[annotationReleaseNamespace]
	if name == "" {
		return in, nil
	}
	found, err := r.Releases.Get(ctx, namespace, name)
	if errors.Is(err, release.ErrNotFound) {
		return in, nil
	}
	if err != nil {
		return in, err
	}
	in.Release = fromRelease(found)
	in.Release.Manifest = found.Manifest
	return in, nil
}

// greenRelease looks whether the name of the second release is free.
func (r *Reader) greenRelease(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	source, refusal := plan.Source(s, &run.Spec)
	if refusal != nil {
		return nil
	}
	found, err := r.Releases.Get(ctx, plan.GreenNamespace(source.Namespace, &run.Spec), plan.GreenRelease(source.Release.Name))
	if errors.Is(err, release.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s.GreenRelease = fromRelease(found)
	return nil
}

func fromRelease(r *release.Release) *snapshot.Release {
	return &snapshot.Release{
		Namespace: r.Namespace, Name: r.Name, Chart: r.Chart, Version: r.Version, Status: r.Status, Revision: r.Revision,
		Values: r.Values, Run: r.Labels[v1alpha1.LabelRun],
	}
}

// controller is the container that runs Karpenter: the one with its cluster's name, or else the first.
func controller(d *appsv1.Deployment) *corev1.Container {
	containers := d.Spec.Template.Spec.Containers
	if at := slices.IndexFunc(containers, func(c corev1.Container) bool { return env(&c, "CLUSTER_NAME") != "" }); at >= 0 {
		return &containers[at]
	}
	if len(containers) == 0 {
		return nil
	}
	return &containers[0]
}

func env(c *corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// version is the version of an installation: its image's tag, since GitOps may set another one than the chart's, or else the
// chart's label.
func version(label, image string) string {
	image, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		if tag := strings.TrimPrefix(image[at+1:], "v"); tag != "" && tag[0] >= '0' && tag[0] <= '9' {
			return tag
		}
	}
	return strings.TrimPrefix(label, "v")
}
