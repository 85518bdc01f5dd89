package addon

import (
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
)

func TestJudge(t *testing.T) {
	for name, tc := range map[string]struct {
		addon, version, kubernetes string
		al2023                     bool
		// want is a part of why; empty for no trouble.
		want    string
		certain bool
	}{
		"kube-proxy of the same minor":            {addon: KubeProxy, version: "1.33.4-eksbuild.2", kubernetes: "v1.33.0-eks-1"},
		"kube-proxy three minors behind":          {addon: KubeProxy, version: "1.30.0", kubernetes: "1.33.0"},
		"kube-proxy four minors behind":           {addon: KubeProxy, version: "1.29.9", kubernetes: "1.33.0", want: "kube-proxy 1.29 is more than 3 minors older than the API server, which runs 1.33", certain: true},
		"kube-proxy ahead":                        {addon: KubeProxy, version: "1.34.0", kubernetes: "1.33.9", want: "kube-proxy 1.34 is newer", certain: true},
		"an old CNI and Amazon Linux 2023":        {addon: VPCCNI, version: "1.15.5-eksbuild.1", kubernetes: "1.29.0", al2023: true, want: "it takes 1.16.2", certain: true},
		"an old CNI and other nodes":              {addon: VPCCNI, version: "1.15.5", kubernetes: "1.29.0"},
		"EKS's build of the first CNI that does":  {addon: VPCCNI, version: "1.16.2-eksbuild.1", kubernetes: "1.29.0", al2023: true},
		"a load balancer controller too old":      {addon: LoadBalancerController, version: "2.3.1", kubernetes: "1.22.0", want: "it takes 2.4.0", certain: true},
		"a load balancer controller of its time":  {addon: LoadBalancerController, version: "2.3.1", kubernetes: "1.21.0"},
		"a load balancer controller of now":       {addon: LoadBalancerController, version: "2.8.2", kubernetes: "1.33.0"},
		"CoreDNS of EKS":                          {addon: CoreDNS, version: "1.12.4-eksbuild.1", kubernetes: "1.33.0"},
		"CoreDNS newer than EKS has":              {addon: CoreDNS, version: "1.13.1", kubernetes: "1.29.0"},
		"CoreDNS left behind":                     {addon: CoreDNS, version: "1.11.4-eksbuild.24", kubernetes: "1.34.0", want: "EKS has for Kubernetes 1.34, 1.12"},
		"CoreDNS left behind before":              {addon: CoreDNS, version: "1.9.3", kubernetes: "1.28.0", want: "1.10"},
		"a Kubernetes older than the table":       {addon: CoreDNS, version: "1.6.0", kubernetes: "1.20.0"},
		"a version that is none":                  {addon: KubeProxy, version: "latest", kubernetes: "1.33.0"},
		"an add-on that nothing is known of":      {addon: "metrics-server", version: "0.1.0", kubernetes: "1.33.0"},
		"EKS's build of a kube-proxy of the same": {addon: KubeProxy, version: "1.33.0-minimal-eksbuild.2", kubernetes: "1.33.0"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got := Judge(tc.addon, tc.version, Cluster{Kubernetes: semver.MustParse(tc.kubernetes), AL2023: tc.al2023})
			if tc.want == "" {
				g.Expect(got).To(BeNil())
				return
			}
			g.Expect(got).To(HaveValue(And(HaveField("Why", ContainSubstring(tc.want)), HaveField("Certain", tc.certain), HaveField("Version", Not(BeEmpty())))))
		})
	}
	NewWithT(t).Expect(Judge(KubeProxy, "1.30.0", Cluster{})).To(BeNil(), "nothing is known of the cluster")
}
