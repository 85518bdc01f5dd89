package canary

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

const (
	// labelCanary names the canary that a pod belongs to.
	labelCanary = v1alpha1.MarkPrefix + "canary"
	// taintCanary keeps others off a canary's node.
	taintCanary = v1alpha1.MarkPrefix + "canary"
)

// deployment is a canary's Deployment: one pod that runs nowhere but on its NodePool, under the restricted pod security
// standard.
func deployment(run *v1alpha1.KarpenterUpgrade, name, namespace string, pool *unstructured.Unstructured) *appsv1.Deployment {
	labels := map[string]string{labelCanary: name, v1alpha1.LabelRun: run.Name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, OwnerReferences: []metav1.OwnerReference{ownerOf(run)}},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{labelCanary: name}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector:                  map[string]string{karpv1.NodePoolLabelKey: pool.GetName()},
					Tolerations:                   tolerations(pool),
					AutomountServiceAccountToken:  ptr.To(false),
					TerminationGracePeriodSeconds: ptr.To[int64](0),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{{
						Name: "canary", Image: run.Spec.Canary.Image, Resources: corev1.ResourceRequirements{Requests: run.Spec.Canary.Requests},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
							Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
						},
					}},
				},
			},
		},
	}
}

// tolerations let the canary's pod onto its nodes, whatever their taints.
func tolerations(pool *unstructured.Unstructured) []corev1.Toleration {
	taints, _, _ := unstructured.NestedSlice(pool.Object, "spec", "template", "spec", "taints")
	out := make([]corev1.Toleration, 0, len(taints))
	for _, t := range taints {
		taint, ok := t.(map[string]any)
		if !ok {
			continue
		}
		key, _, _ := unstructured.NestedString(taint, "key")
		effect, _, _ := unstructured.NestedString(taint, "effect")
		out = append(out, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffect(effect)})
	}
	return out
}
