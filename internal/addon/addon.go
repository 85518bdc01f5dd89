// Package addon knows which versions of EKS's add-ons go with which versions of Kubernetes, as far as that is written down
// somewhere. What it does not know it says nothing of.
package addon

import (
	"fmt"

	"github.com/Masterminds/semver/v3"
)

// Names of add-ons, as EKS has them.
const (
	VPCCNI                 = "vpc-cni"
	KubeProxy              = "kube-proxy"
	CoreDNS                = "coredns"
	LoadBalancerController = "aws-load-balancer-controller"
)

// Cluster is what an add-on has to go with.
type Cluster struct {
	// Kubernetes is the version of the API server.
	Kubernetes *semver.Version
	// AL2023 says that nodes are, or will be, of Amazon Linux 2023.
	AL2023 bool
}

// Trouble is what is wrong with a version of an add-on.
type Trouble struct {
	// Certain says that it does not work, or that nobody supports it; otherwise it is only behind.
	Certain bool
	// Why, with the rule, and the Version to change it to, such as 1.16.2 or later.
	Why, Version string
}

// rule judges a version of an add-on; nil when there is nothing against it.
type rule struct {
	addon string
	judge func(version *semver.Version, c Cluster) *Trouble
}

var rules = []rule{
	// kubernetes.io, version skew policy, kube-proxy: never newer than the API server, and at most three minors older.
	{KubeProxy, kubeProxyNewer},
	{KubeProxy, kubeProxyOlder},
	// EKS user guide, "Upgrade from Amazon Linux 2 to Amazon Linux 2023", considerations: VPC CNI 1.16.2 or later.
	{VPCCNI, cniForAL2023},
	// kubernetes-sigs.github.io/aws-load-balancer-controller, installation, supported Kubernetes versions: 2.2.0 to 2.3.1 go up to
	// 1.21; 2.4.0 takes Ingress as networking.k8s.io/v1, the only one that 1.22 has.
	{LoadBalancerController, loadBalancers},
	// EKS user guide, "Manage CoreDNS for DNS in Amazon EKS clusters", table of the newest add-on for each Kubernetes.
	{CoreDNS, coreDNS},
}

// Judge says what is wrong with a version of an add-on in a cluster; nil when nothing is known against it.
func Judge(name, version string, c Cluster) *Trouble {
	v, err := semver.NewVersion(version)
	if err != nil || c.Kubernetes == nil {
		return nil
	}
	for _, r := range rules {
		if r.addon != name {
			continue
		}
		if t := r.judge(v, c); t != nil {
			return t
		}
	}
	return nil
}

func kubeProxyNewer(v *semver.Version, c Cluster) *Trouble {
	if v.Major() != c.Kubernetes.Major() || v.Minor() <= c.Kubernetes.Minor() {
		return nil
	}
	return &Trouble{Certain: true, Version: minor(c.Kubernetes), Why: fmt.Sprintf("kube-proxy %s is newer than the API server, which runs %s: Kubernetes does not support that", minor(v), minor(c.Kubernetes))}
}

// skew is how many minors kube-proxy may be older than the API server.
const skew = 3

func kubeProxyOlder(v *semver.Version, c Cluster) *Trouble {
	if v.Major() != c.Kubernetes.Major() || v.Minor()+skew >= c.Kubernetes.Minor() {
		return nil
	}
	return &Trouble{Certain: true, Version: minor(c.Kubernetes), Why: fmt.Sprintf("kube-proxy %s is more than %d minors older than the API server, which runs %s: Kubernetes does not support that", minor(v), skew, minor(c.Kubernetes))}
}

var (
	firstCNIForAL2023     = semver.New(1, 16, 2, "", "")
	firstWithIngressV1    = semver.New(2, 4, 0, "", "")
	firstWithoutIngressB1 = semver.New(1, 22, 0, "", "")
)

func cniForAL2023(v *semver.Version, c Cluster) *Trouble {
	if !c.AL2023 || !release(v).LessThan(firstCNIForAL2023) {
		return nil
	}
	return &Trouble{Certain: true, Version: firstCNIForAL2023.String() + " or later, one minor at a time", Why: fmt.Sprintf("VPC CNI %s does not support nodes of Amazon Linux 2023: it takes %s", v, firstCNIForAL2023)}
}

func loadBalancers(v *semver.Version, c Cluster) *Trouble {
	if c.Kubernetes.LessThan(firstWithoutIngressB1) || !release(v).LessThan(firstWithIngressV1) {
		return nil
	}
	return &Trouble{Certain: true, Version: firstWithIngressV1.String() + " or later", Why: fmt.Sprintf("AWS Load Balancer Controller %s reads Ingresses by an API that Kubernetes has not had since 1.22: it takes %s", v, firstWithIngressV1)}
}

// coreDNSOf is the minor of CoreDNS that EKS has for a minor of Kubernetes 1, from that one on.
var coreDNSOf = []struct{ kubernetes, coreDNS uint64 }{{33, 12}, {29, 11}, {27, 10}, {24, 9}}

func coreDNS(v *semver.Version, c Cluster) *Trouble {
	for _, row := range coreDNSOf {
		if c.Kubernetes.Minor() < row.kubernetes {
			continue
		}
		if v.Major() == 1 && v.Minor() < row.coreDNS {
			return &Trouble{Version: fmt.Sprintf("1.%d or later", row.coreDNS), Why: fmt.Sprintf("CoreDNS %s is older than what EKS has for Kubernetes %s, 1.%d", v, minor(c.Kubernetes), row.coreDNS)}
		}
		return nil
	}
	return nil
}

func minor(v *semver.Version) string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }

// release is a version without what follows it: EKS writes its builds as 1.16.2-eksbuild.1, which by the rules of semantic versions
// would be before 1.16.2.
func release(v *semver.Version) *semver.Version {
	return semver.New(v.Major(), v.Minor(), v.Patch(), "", "")
}
