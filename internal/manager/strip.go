package manager

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// The cached copies of these kinds are read and never written back whole: patches are made from their metadata, or from the
// fields that are kept.

// stripPod keeps of a pod its identity, its node, which nodes it demands, and its readiness.
func stripPod(in any) (any, error) {
	if p, ok := in.(*corev1.Pod); ok {
		p.ManagedFields = nil
		kept := corev1.PodSpec{NodeName: p.Spec.NodeName, NodeSelector: p.Spec.NodeSelector}
		if a := p.Spec.Affinity; a != nil && a.NodeAffinity != nil {
			kept.Affinity = &corev1.Affinity{NodeAffinity: a.NodeAffinity}
		}
		p.Spec = kept
		p.Status = corev1.PodStatus{Phase: p.Status.Phase, Conditions: p.Status.Conditions, StartTime: p.Status.StartTime}
	}
	return in, nil
}

// stripNode drops the list of images, which is the bulk of a node.
func stripNode(in any) (any, error) {
	if n, ok := in.(*corev1.Node); ok {
		n.ManagedFields, n.Status.Images, n.Status.VolumesInUse, n.Status.VolumesAttached = nil, nil, nil, nil
	}
	return in, nil
}

func stripReplicaSet(in any) (any, error) {
	if r, ok := in.(*appsv1.ReplicaSet); ok {
		r.ManagedFields, r.Annotations, r.Spec.Template = nil, nil, corev1.PodTemplateSpec{}
	}
	return in, nil
}

func stripStatefulSet(in any) (any, error) {
	if s, ok := in.(*appsv1.StatefulSet); ok {
		s.ManagedFields, s.Annotations, s.Spec.Template, s.Spec.VolumeClaimTemplates = nil, nil, corev1.PodTemplateSpec{}, nil
	}
	return in, nil
}
