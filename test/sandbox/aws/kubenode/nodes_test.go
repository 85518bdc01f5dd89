package kubenode_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	karpaws "github.com/aws/karpenter-provider-aws/pkg/apis/v1"
	"github.com/aws/karpenter-provider-aws/pkg/providers/amifamily/bootstrap"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/kubenode"
)

const nodeName = "ip-192-168-0-10.us-west-2.compute.internal"

// instance is an m5.large that Karpenter launched.
func instance(t *testing.T) aws.Instance {
	t.Helper()
	return aws.Instance{
		ID: "i-0123456789abcdef0", ReservationID: "r-0123456789abcdef0", Region: "us-west-2",
		Type: aws.InstanceType{
			Name: "m5.large", Architecture: "x86_64", VCPUs: 2, MemoryMiB: 8192, ENIs: 3, IPsPerENI: 10,
		},
		Zone: aws.Zone{Name: "us-west-2a", ID: "usw2-az1"}, Image: aws.Image{Family: aws.AL2023},
		Profile: &aws.ProfileRef{Name: "p", Role: "r"}, PrivateIP: netip.MustParseAddr("192.168.0.10"),
		PrivateDNSName: nodeName, LaunchTime: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		UserData: script(t, bootstrap.Nodeadm{Options: karpenterOptions()}),
	}
}

// setup makes a booter on a fake cluster that may have objects already.
func setup(t *testing.T, objects ...corev1.Node) (*kubenode.Booter, *fake.Clientset, *clocktesting.FakeClock) {
	t.Helper()
	client := fake.NewClientset()
	for _, o := range objects {
		_, err := client.CoreV1().Nodes().Create(t.Context(), &o, metav1.CreateOptions{})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	clk := clocktesting.NewFakeClock(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
	b, err := kubenode.New(kubenode.Config{
		Client: client, ClusterName: "sandbox", KubeletVersion: "v1.36.3", Clock: clk,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return b, client, clk
}

func TestBootRegistersTheNodeThatAKubeletWould(t *testing.T) {
	g := NewWithT(t)
	b, client, _ := setup(t)
	g.Expect(b.Boot(t.Context(), instance(t))).To(Succeed())

	node, err := client.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(node.Spec.ProviderID).To(Equal("aws:///us-west-2a/i-0123456789abcdef0"))
	g.Expect(node.Spec.Taints).To(ConsistOf(unregistered, dedicated))
	g.Expect(node.Annotations).To(HaveKeyWithValue("kwok.x-k8s.io/node", "fake"))
	for key, value := range map[string]string{
		"kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
		"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/zone": "us-west-2a",
		"topology.kubernetes.io/region": "us-west-2", "topology.k8s.aws/zone-id": "usw2-az1",
		"karpenter.sh/nodepool": "blue", "karpenter.sh/capacity-type": "spot",
	} {
		g.Expect(node.Labels).To(HaveKeyWithValue(key, value))
	}
	g.Expect(node.Status.NodeInfo.KubeletVersion).To(Equal("v1.36.3"))
	g.Expect(node.Status.Addresses).To(ContainElement(corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "192.168.0.10"}))
	g.Expect(node.Status.Conditions).To(ContainElement(And(
		HaveField("Type", corev1.NodeReady), HaveField("Status", corev1.ConditionFalse))), "KWOK makes it ready")
}

func TestNodesHaveRoomForWhatTheirTypeAndUserDataSay(t *testing.T) {
	kubelet := func(change func(*bootstrap.Options)) []byte {
		o := karpenterOptions()
		change(&o)
		return script(t, bootstrap.Nodeadm{Options: o})
	}
	// An m5.large has 8192 MiB, of which its operating system sees 7700.
	for _, tc := range []struct {
		name     string
		userData []byte
		pods     int64
		cpu      string
		memory   string
	}{
		{
			name: "what the kubelet settings reserve, and 5% for evictions", userData: kubelet(func(*bootstrap.Options) {}),
			pods: 40, cpu: "1800m", memory: "6291Mi",
		},
		{
			name:     "without settings: as many pods as the network interfaces have addresses for, and what the AMI reserves",
			userData: kubelet(func(o *bootstrap.Options) { o.KubeletConfig = &karpaws.KubeletConfiguration{} }),
			pods:     3*(10-1) + 2, cpu: "1930m", memory: "7026Mi",
		},
		{
			name: "pods per core",
			userData: kubelet(func(o *bootstrap.Options) {
				o.KubeletConfig.MaxPods, o.KubeletConfig.PodsPerCore = nil, lo.ToPtr(int32(4))
			}),
			pods: 8, cpu: "1800m", memory: "6291Mi",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			b, client, _ := setup(t)
			i := instance(t)
			i.UserData = tc.userData
			g.Expect(b.Boot(t.Context(), i)).To(Succeed())
			node, err := client.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(node.Status.Capacity.Cpu().Value()).To(BeEquivalentTo(2))
			g.Expect(node.Status.Capacity.Memory().Value()).To(BeEquivalentTo(7700 * 1024 * 1024))
			g.Expect(node.Status.Allocatable.Pods().Value()).To(Equal(tc.pods))
			g.Expect(node.Status.Allocatable.Cpu().String()).To(Equal(tc.cpu))
			g.Expect(node.Status.Allocatable.Memory().String()).To(Equal(tc.memory))
		})
	}
}

func TestBootBearsRepetition(t *testing.T) {
	g := NewWithT(t)
	b, _, _ := setup(t)
	g.Expect(b.Boot(t.Context(), instance(t))).To(Succeed())
	g.Expect(b.Boot(t.Context(), instance(t))).To(Succeed())
}

func TestBootWaitsWhileTheNameIsTaken(t *testing.T) {
	g := NewWithT(t)
	old := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Spec: corev1.NodeSpec{ProviderID: "aws:///us-west-2a/i-old"},
	}
	b, client, _ := setup(t, old)
	g.Expect(b.Boot(t.Context(), instance(t))).To(MatchError(ContainSubstring("still taken by aws:///us-west-2a/i-old")))
	g.Expect(client.CoreV1().Nodes().Delete(t.Context(), nodeName, metav1.DeleteOptions{})).To(Succeed())
	g.Expect(b.Boot(t.Context(), instance(t))).To(Succeed())
}

func TestInstancesThatNeverJoin(t *testing.T) {
	for name, change := range map[string]func(*aws.Instance){
		"no instance profile":              func(i *aws.Instance) { i.Profile = nil },
		"an instance profile without role": func(i *aws.Instance) { i.Profile.Role = "" },
		"another cluster's user data":      func(i *aws.Instance) { i.UserData = []byte(otherCluster) },
		"user data of another AMI family":  func(i *aws.Instance) { i.Image.Family = aws.AL2 },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b, client, _ := setup(t)
			i := instance(t)
			change(&i)
			g.Expect(b.Boot(t.Context(), i)).To(Succeed(), "AWS sees no error either")
			nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(nodes.Items).To(BeEmpty())
		})
	}
}

const otherCluster = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {cluster: {name: production}}\n"

func TestShutdownDeletesTheNodeAfterADelay(t *testing.T) {
	g := NewWithT(t)
	b, client, clk := setup(t)
	i := instance(t)
	g.Expect(b.Boot(t.Context(), i)).To(Succeed())
	done := make(chan error)
	go func() { done <- b.Shutdown(t.Context(), i) }()

	g.Eventually(clk.HasWaiters, 30*time.Second).Should(BeTrue())
	clk.Step(4 * time.Second)
	_, err := client.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
	g.Expect(err).NotTo(HaveOccurred(), "deleted too early")
	clk.Step(time.Second)
	g.Eventually(done, 30*time.Second).Should(Receive(BeNil()))
	_, err = client.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
}

func TestShutdownLeavesOthersAlone(t *testing.T) {
	other := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Spec: corev1.NodeSpec{ProviderID: "aws:///us-west-2a/i-new"},
	}
	for name, objects := range map[string][]corev1.Node{"the node is gone": nil, "the name has a new owner": {other}} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b, client, clk := setup(t, objects...)
			done := make(chan error)
			go func() { done <- b.Shutdown(t.Context(), instance(t)) }()
			g.Eventually(clk.HasWaiters, 30*time.Second).Should(BeTrue())
			clk.Step(time.Minute)
			g.Eventually(done, 30*time.Second).Should(Receive(BeNil()))
			nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(nodes.Items).To(HaveLen(len(objects)))
		})
	}
}

func TestABooterNeedsAClusterAndAVersion(t *testing.T) {
	_, err := kubenode.New(kubenode.Config{})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("Client and KubeletVersion are required")))
}
