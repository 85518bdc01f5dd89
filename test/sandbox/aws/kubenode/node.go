package kubenode

import (
	"fmt"
	"math"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
)

const (
	// kwokAnnotation makes KWOK play the kubelet of a Node.
	kwokAnnotation = "kwok.x-k8s.io/node"
	// zoneIDLabel is the label in which the AWS cloud controller manager puts the ID of the zone.
	zoneIDLabel = "topology.k8s.aws/zone-id"
	// memoryLost is the part of an instance's memory that its operating system does not see.
	memoryLost = 0.06
	// kubeletPods is the kubelet's default of --max-pods.
	kubeletPods = 110
	// rootDisk is the size of the root volume.
	rootDisk = "20Gi"
)

// osImages is what nodes of each family call their operating system.
var osImages = map[aws.ImageFamily]string{
	aws.AL2: "Amazon Linux 2", aws.AL2023: "Amazon Linux 2023", aws.Bottlerocket: "Bottlerocket OS", aws.CustomFamily: "Linux",
}

// providerID is how the AWS cloud provider names an instance.
func providerID(i aws.Instance) string { return fmt.Sprintf("aws:///%s/%s", i.Zone.Name, i.ID) }

// newNode makes the Node that the kubelet of an instance registers and the cloud controller manager completes.
func newNode(i aws.Instance, b Bootstrap, kubeletVersion string) (*corev1.Node, error) {
	capacity := capacityOf(i.Type, b)
	allocatable, err := allocatableOf(i.Type, b, capacity)
	if err != nil {
		return nil, err
	}
	ip := i.PrivateIP.String()
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: i.PrivateDNSName, Labels: labelsOf(i, b),
			Annotations: map[string]string{kwokAnnotation: "fake", "alpha.kubernetes.io/provided-node-ip": ip},
		},
		Spec: corev1.NodeSpec{ProviderID: providerID(i), Taints: b.Taints},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: allocatable,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: ip},
				{Type: corev1.NodeInternalDNS, Address: i.PrivateDNSName},
				{Type: corev1.NodeHostName, Address: i.PrivateDNSName},
			},
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady",
				Message:           "container runtime network not ready",
				LastHeartbeatTime: metav1.NewTime(i.LaunchTime), LastTransitionTime: metav1.NewTime(i.LaunchTime),
			}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: "ec2" + strings.TrimPrefix(i.ID, "i-"), SystemUUID: "ec2" + strings.TrimPrefix(i.ID, "i-"),
				BootID: i.ReservationID, KernelVersion: "6.12.0-kwok.amzn", OSImage: osImages[i.Image.Family],
				ContainerRuntimeVersion: "containerd://2.1.0", KubeletVersion: kubeletVersion, OperatingSystem: "linux",
				Architecture: i.Type.KubernetesArchitecture(),
			},
		},
	}, nil
}

// labelsOf puts together the kubelet's own labels, those of the user data, and those of the cloud controller manager.
func labelsOf(i aws.Instance, b Bootstrap) map[string]string {
	arch := i.Type.KubernetesArchitecture()
	return lo.Assign(map[string]string{
		corev1.LabelHostname: i.PrivateDNSName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: arch,
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": arch,
	}, b.Labels, map[string]string{
		corev1.LabelInstanceTypeStable: i.Type.Name, corev1.LabelInstanceType: i.Type.Name,
		corev1.LabelTopologyZone: i.Zone.Name, corev1.LabelFailureDomainBetaZone: i.Zone.Name,
		corev1.LabelTopologyRegion: i.Region, corev1.LabelFailureDomainBetaRegion: i.Region, zoneIDLabel: i.Zone.ID,
	})
}

// podsOf is the number of pods that a node takes.
func podsOf(t aws.InstanceType, b Bootstrap) int {
	pods := t.Pods()
	switch {
	case b.MaxPods > 0:
		pods = b.MaxPods
	case b.KubeletDefaultPods:
		pods = kubeletPods
	}
	if b.PodsPerCore > 0 {
		pods = min(pods, b.PodsPerCore*t.VCPUs)
	}
	return pods
}

func capacityOf(t aws.InstanceType, b Bootstrap) corev1.ResourceList {
	memory := int64(math.Floor(float64(t.MemoryMiB)*(1-memoryLost))) * 1024 * 1024
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(t.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(podsOf(t, b)), resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.MustParse(rootDisk),
		"hugepages-1Gi":                 *resource.NewQuantity(0, resource.DecimalSI),
		"hugepages-2Mi":                 *resource.NewQuantity(0, resource.DecimalSI),
	}
}

// allocatableOf takes from the capacity what is reserved, and what must stay free lest pods be evicted.
func allocatableOf(t aws.InstanceType, b Bootstrap, capacity corev1.ResourceList) (corev1.ResourceList, error) {
	out := capacity.DeepCopy()
	kube := lo.Assign(defaultKubeReserved(t, podsOf(t, b)), b.KubeReserved)
	eviction := lo.Assign(map[string]string{"memory.available": "100Mi", "nodefs.available": "10%"}, b.EvictionHard)
	kept := map[string]string{"memory": eviction["memory.available"], "ephemeral-storage": eviction["nodefs.available"]}
	for _, reserved := range []map[string]string{kube, b.SystemReserved, kept} {
		for name, text := range reserved {
			have, ok := out[corev1.ResourceName(name)]
			if !ok { // The pid reserve has no counterpart in the capacity.
				continue
			}
			q, err := quantity(text, capacity[corev1.ResourceName(name)])
			if err != nil {
				return nil, fmt.Errorf("reserving %s: %w", name, err)
			}
			have.Sub(q)
			if have.Sign() < 0 {
				have = *resource.NewQuantity(0, have.Format)
			}
			out[corev1.ResourceName(name)] = have
		}
	}
	return out, nil
}

// quantity reads a quantity, or a percentage of a whole.
func quantity(text string, whole resource.Quantity) (resource.Quantity, error) {
	percent, ok := strings.CutSuffix(text, "%")
	if !ok {
		return resource.ParseQuantity(text)
	}
	var p float64
	if _, err := fmt.Sscanf(percent, "%g", &p); err != nil {
		return resource.Quantity{}, fmt.Errorf("percentage %q: %w", text, err)
	}
	return *resource.NewQuantity(int64(whole.AsApproximateFloat64()*p/100), whole.Format), nil
}

// defaultKubeReserved is what the AMIs reserve for the kubelet: a share of each vCPU that shrinks with their number,
// and memory by the number of pods.
// Source: https://github.com/awslabs/amazon-eks-ami, templates/al2/runtime/bootstrap.sh and nodeadm's kubelet config.
func defaultKubeReserved(t aws.InstanceType, pods int) map[string]string {
	shares := []float64{60, 10, 5, 5} // Thousandths of the first four vCPUs.
	var milli float64
	for n := range t.VCPUs {
		if n < len(shares) {
			milli += shares[n]
		} else {
			milli += 2.5
		}
	}
	return map[string]string{
		"cpu": fmt.Sprintf("%dm", int(milli)), "memory": fmt.Sprintf("%dMi", 11*pods+255), "ephemeral-storage": "1Gi",
	}
}
