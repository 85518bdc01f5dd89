package kubenode_test

import (
	"encoding/base64"
	"strings"
	"testing"

	karpaws "github.com/aws/karpenter-provider-aws/pkg/apis/v1"
	"github.com/aws/karpenter-provider-aws/pkg/providers/amifamily/bootstrap"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/kubenode"
)

var (
	unregistered = corev1.Taint{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}
	dedicated    = corev1.Taint{Key: "dedicated", Value: "web", Effect: corev1.TaintEffectNoSchedule}
	labels       = map[string]string{"karpenter.sh/nodepool": "blue", "karpenter.sh/capacity-type": "spot"}
)

// karpenterOptions are what Karpenter makes user data of.
func karpenterOptions() bootstrap.Options {
	return bootstrap.Options{
		ClusterName: "sandbox", ClusterEndpoint: "https://10.88.0.1:6443", ClusterCIDR: lo.ToPtr("10.96.0.0/16"),
		CABundle: lo.ToPtr(base64.StdEncoding.EncodeToString([]byte("ca"))), Labels: labels,
		Taints: []corev1.Taint{unregistered, dedicated},
		KubeletConfig: &karpaws.KubeletConfiguration{
			MaxPods: lo.ToPtr(int32(40)), ClusterDNS: []string{"10.96.0.10"},
			KubeReserved: map[string]string{"cpu": "200m", "memory": "1Gi"},
			EvictionHard: map[string]string{"memory.available": "5%"},
		},
	}
}

// The user data below is made by Karpenter v1.14.1 itself.
func TestUserDataOfKarpenterIsUnderstood(t *testing.T) {
	o := karpenterOptions()
	for _, tc := range []struct {
		name   string
		family aws.ImageFamily
		maker  bootstrap.Bootstrapper
	}{
		{"Amazon Linux 2", aws.AL2, bootstrap.EKS{Options: o}},
		{"Amazon Linux 2023", aws.AL2023, bootstrap.Nodeadm{Options: o}},
		{"Bottlerocket", aws.Bottlerocket, bootstrap.Bottlerocket{Options: o}},
		{"Amazon Linux 2 in a custom image", aws.CustomFamily, bootstrap.EKS{Options: o}},
		{"Amazon Linux 2023 in a custom image", aws.CustomFamily, bootstrap.Nodeadm{Options: o}},
		{"Bottlerocket in a custom image", aws.CustomFamily, bootstrap.Bottlerocket{Options: o}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			b, err := kubenode.DecodeUserData(tc.family, script(t, tc.maker))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.ClusterName).To(Equal("sandbox"))
			g.Expect(b.Labels).To(Equal(labels))
			g.Expect(b.Taints).To(ConsistOf(unregistered, dedicated))
			g.Expect(b.MaxPods).To(Equal(40))
			g.Expect(b.KubeReserved).To(Equal(map[string]string{"cpu": "200m", "memory": "1Gi"}))
			g.Expect(b.EvictionHard).To(Equal(map[string]string{"memory.available": "5%"}))
		})
	}
}

// script runs a maker of user data and decodes what it made.
func script(t *testing.T, maker bootstrap.Bootstrapper) []byte {
	t.Helper()
	g := NewWithT(t)
	encoded, err := maker.Script(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	raw, err := base64.StdEncoding.DecodeString(encoded)
	g.Expect(err).NotTo(HaveOccurred())
	return raw
}

func TestKarpenterMergesUserDataOfTheUser(t *testing.T) {
	g := NewWithT(t)
	o := karpenterOptions()
	o.KubeletConfig.MaxPods = nil
	o.CustomUserData = lo.ToPtr(`apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config: {maxPods: 17, podsPerCore: 4}
    flags: ["--node-labels=team=web"]
`)
	b, err := kubenode.DecodeUserData(aws.AL2023, script(t, bootstrap.Nodeadm{Options: o}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.MaxPods).To(Equal(17), "what Karpenter does not set stays")
	g.Expect(b.PodsPerCore).To(Equal(4))
	g.Expect(b.Labels).To(And(HaveKeyWithValue("team", "web"), HaveKeyWithValue("karpenter.sh/nodepool", "blue")))

	o.CustomUserData = lo.ToPtr("#!/bin/bash\necho before > /tmp/hello\n")
	b, err = kubenode.DecodeUserData(aws.AL2, script(t, bootstrap.EKS{Options: o}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.Taints).To(ConsistOf(unregistered, dedicated))
}

// shell wraps a shell script in a MIME archive, as v0.36.2 and v1.0.8 do.
func shell(body string) string {
	return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\n" +
		"Content-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/bash -xe\n" + body + "\n--//--\n"
}

func TestUserDataForms(t *testing.T) {
	for _, tc := range []struct {
		name     string
		family   aws.ImageFamily
		userData string
		expect   kubenode.Bootstrap
	}{
		{
			name: "v0.36.2 on Amazon Linux 2 with the pod limit of the kubelet", family: aws.AL2,
			userData: shell("exec > >(tee /var/log/user-data.log) 2>&1\n" +
				`/etc/eks/bootstrap.sh 'sandbox' --apiserver-endpoint 'https://e' --b64-cluster-ca 'Y2E=' \` + "\n" +
				`--dns-cluster-ip '10.96.0.10' \` + "\n" + `--use-max-pods false \` + "\n" +
				`--kubelet-extra-args '--node-labels="a=b,c=" --register-with-taints="dedicated=web:NoSchedule"'`),
			expect: kubenode.Bootstrap{
				ClusterName: "sandbox", Labels: map[string]string{"a": "b", "c": ""}, Taints: []corev1.Taint{dedicated},
				KubeletDefaultPods: true,
			},
		},
		{
			name: "a plain script with computed arguments", family: aws.CustomFamily,
			userData: "#!/bin/bash\nset -e\nID=$(curl -s http://169.254.169.254/latest/meta-data/instance-id)\n" +
				"/etc/eks/bootstrap.sh sandbox --kubelet-extra-args \"--node-labels=id=$ID,x=y --max-pods 20\"\n",
			expect: kubenode.Bootstrap{ClusterName: "sandbox", Labels: map[string]string{"id": "", "x": "y"}, MaxPods: 20},
		},
		{
			name: "a custom image that joins by itself", family: aws.CustomFamily, userData: "#cloud-config\nusers: []\n",
		},
		{name: "a custom image without user data", family: aws.CustomFamily},
		{
			name: "a bare NodeConfig", family: aws.AL2023,
			userData: "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster: {name: sandbox}\n" +
				"  kubelet:\n    flags: ['--node-labels=\"a=b\"']\n",
			expect: kubenode.Bootstrap{ClusterName: "sandbox", Labels: map[string]string{"a": "b"}},
		},
		{
			name: "Bottlerocket taints in the short form", family: aws.Bottlerocket,
			userData: "[settings.kubernetes]\ncluster-name = 'sandbox'\n[settings.kubernetes.node-taints]\n" +
				"dedicated = 'web:NoSchedule'\n'karpenter.sh/unregistered' = [':NoExecute']\n",
			expect: kubenode.Bootstrap{
				ClusterName: "sandbox", Labels: map[string]string{}, Taints: []corev1.Taint{dedicated, unregistered},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			b, err := kubenode.DecodeUserData(tc.family, []byte(tc.userData))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.Taints).To(ConsistOf(lo.ToAnySlice(tc.expect.Taints)...))
			g.Expect(b.Labels).To(HaveLen(len(tc.expect.Labels)))
			for key, value := range tc.expect.Labels {
				g.Expect(b.Labels).To(HaveKeyWithValue(key, value))
			}
			g.Expect(b.ClusterName).To(Equal(tc.expect.ClusterName))
			g.Expect(b.MaxPods).To(Equal(tc.expect.MaxPods))
			g.Expect(b.KubeletDefaultPods).To(Equal(tc.expect.KubeletDefaultPods))
		})
	}
}

func TestUserDataThatMakesNoNode(t *testing.T) {
	nodeConfig := "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {cluster: {name: sandbox}}\n"
	script := "#!/bin/bash\n/etc/eks/bootstrap.sh sandbox\n"
	for _, tc := range []struct {
		name     string
		family   aws.ImageFamily
		userData string
		reason   string
	}{
		{"Amazon Linux 2 has no nodeadm", aws.AL2, nodeConfig, "join a cluster"},
		{"Amazon Linux 2023 has no bootstrap script", aws.AL2023, script, "join a cluster"},
		{"Bottlerocket runs no scripts", aws.Bottlerocket, script, "Bottlerocket settings"},
		{"Bottlerocket without a cluster", aws.Bottlerocket, "[settings.host-containers.admin]\nenabled = true\n", "join a cluster"},
		{"nothing at all", aws.AL2, "", "join a cluster"},
		{"a script that only talks of the bootstrap", aws.AL2, "#!/bin/bash\necho /etc/eks/bootstrap.sh sandbox\n", "join a cluster"},
		{"an option without a value", aws.AL2, "#!/bin/bash\n/etc/eks/bootstrap.sh sandbox --kubelet-extra-args\n", "has no value"},
		{"a script with a syntax error", aws.AL2, "#!/bin/bash\nif true; then\n/etc/eks/bootstrap.sh sandbox\n", "parsing the shell script"},
		{"a taint without effect", aws.AL2, "#!/bin/bash\n/etc/eks/bootstrap.sh c --kubelet-extra-args '--register-with-taints=a=b'\n", `taint "a=b"`},
		{"a document of another kind", aws.AL2023, strings.Replace(nodeConfig, "node.eks.aws", "example.com", 1), "where a NodeConfig is expected"},
		{"an archive that breaks off", aws.AL2023, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\n", "join a cluster"},
		{"an archive without a content type", aws.AL2023, "MIME-Version: 1.0\n\nhello\n", "content type of the user data"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := kubenode.DecodeUserData(tc.family, []byte(tc.userData))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.reason)))
		})
	}
}
