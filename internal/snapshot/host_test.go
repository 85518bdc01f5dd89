package snapshot

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestWhichHostsAPodMayGoTo(t *testing.T) {
	offNodePools := &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: labelNodePool, Operator: corev1.NodeSelectorOpDoesNotExist}}}},
	}}}
	critical := corev1.Taint{Key: "CriticalAddonsOnly", Value: "true", Effect: corev1.TaintEffectNoSchedule}
	for name, tc := range map[string]struct {
		host Host
		pod  corev1.PodSpec
		want bool
	}{
		"any":                     {want: true},
		"selected":                {host: Host{Labels: map[string]string{"role": "system"}}, pod: corev1.PodSpec{NodeSelector: map[string]string{"role": "system"}}, want: true},
		"not selected":            {pod: corev1.PodSpec{NodeSelector: map[string]string{"role": "system"}}},
		"of no NodePool":          {pod: corev1.PodSpec{Affinity: offNodePools}, want: true},
		"of a NodePool":           {host: Host{Labels: map[string]string{labelNodePool: "general"}}, pod: corev1.PodSpec{Affinity: offNodePools}},
		"tainted":                 {host: Host{Taints: []corev1.Taint{critical}}},
		"tainted softly":          {host: Host{Taints: []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectPreferNoSchedule}}}, want: true},
		"tolerated by its key":    {host: Host{Taints: []corev1.Taint{critical}}, pod: corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists}}}, want: true},
		"tolerated by its value":  {host: Host{Taints: []corev1.Taint{critical}}, pod: corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: "CriticalAddonsOnly", Value: "true"}}}, want: true},
		"another value tolerated": {host: Host{Taints: []corev1.Taint{critical}}, pod: corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: "CriticalAddonsOnly", Value: "false"}}}},
		"another effect tolerated": {host: Host{Taints: []corev1.Taint{critical}},
			pod: corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}}}},
		"everything tolerated": {host: Host{Taints: []corev1.Taint{critical}}, pod: corev1.PodSpec{Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := tc.host.Accepts(&tc.pod)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

func TestWhatAPodRequests(t *testing.T) {
	g := NewWithT(t)
	container := func(cpu, memory string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		}}}
	}
	sidecar := container("100m", "64Mi")
	sidecar.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	cpu, memory := Requests(&corev1.PodSpec{
		Containers: []corev1.Container{container("500m", "256Mi"), {}}, InitContainers: []corev1.Container{sidecar, container("50m", "1Gi")},
	})
	g.Expect(cpu).To(BeEquivalentTo(600), "the containers and the one that goes on running")
	g.Expect(memory).To(BeEquivalentTo(1<<30), "the largest that runs before them")
}

func TestWhichPodsKeepOffEachOther(t *testing.T) {
	g := NewWithT(t)
	pod := func(key string) *corev1.PodSpec {
		return &corev1.PodSpec{Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "karpenter"}}},
		}}}}
	}
	g.Expect(KeepsOff(pod(corev1.LabelHostname), map[string]string{"app": "karpenter"})).To(BeTrue())
	g.Expect(KeepsOff(pod(corev1.LabelHostname), map[string]string{"app": "web"})).To(BeFalse())
	g.Expect(KeepsOff(pod(corev1.LabelTopologyZone), map[string]string{"app": "karpenter"})).To(BeFalse(), "not by the node")
	g.Expect(KeepsOff(&corev1.PodSpec{}, map[string]string{"app": "karpenter"})).To(BeFalse())
}
