package check

import (
	"maps"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// everythingAllowed is a role that may do all that the catalogue knows of.
func everythingAllowed(tb testing.TB) *snapshot.IAM {
	tb.Helper()
	c, err := catalog.Load()
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	out := &snapshot.IAM{Role: "arn:aws:iam::1:role/karpenter", Allowed: map[string]bool{"ec2:DescribeImages": true}}
	for _, row := range c.Rows() {
		for _, a := range row.IAM.Add {
			out.Allowed[action(a)] = true
		}
	}
	return out
}

// on is a change of what surrounds Karpenter.
func on(change func(*snapshot.Platform)) change {
	return func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { change(&s.Platform) }
}

// class makes the EC2NodeClass of the healthy cluster another one.
func class(rest string) change {
	return func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodeClasses[0] = parse(t, `{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: default}, `+rest+`}`)
	}
}

// crdStoring is a CRD that serves and stores one version.
func crdStoring(name, version string) apiextensionsv1.CustomResourceDefinition {
	c := crd(name, version)
	c.Status.StoredVersions = []string{version}
	return c
}

// pod is one of the release's, well kept unless changed.
func pod(name string, with ...func(*snapshot.ControllerPod)) snapshot.ControllerPod {
	p := snapshot.ControllerPod{
		Namespace: "karpenter", Name: name, Release: "karpenter", Node: "system-1", PriorityClass: "system-cluster-critical",
		Labels: map[string]string{"app.kubernetes.io/instance": "karpenter"},
	}
	for _, w := range with {
		w(&p)
	}
	return p
}

// standby is what the second release would run: two pods of a core and a GiB each, as the chart spreads them.
func standby() *snapshot.Standby {
	labels := map[string]string{"app.kubernetes.io/instance": "karpenter-green"}
	own := &metav1.LabelSelector{MatchLabels: labels}
	return &snapshot.Standby{Namespace: "karpenter", Replicas: 2, Labels: labels, Pod: corev1.PodSpec{
		Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi"),
		}}}},
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{TopologyKey: corev1.LabelHostname, LabelSelector: own},
		}}},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
			{TopologyKey: corev1.LabelTopologyZone, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: own},
		},
	}}
}

func host(name, zone string, cpu, memoryMiB, pods int64) snapshot.Host {
	return snapshot.Host{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone}, FreeCPU: cpu, FreeMemory: memoryMiB << 20, FreePods: pods}
}

var platformWrongs = map[string]change{
	"NodeClassNotReady": class(`status: {conditions: [{type: SubnetsReady, status: "False", message: nothing matches}, {type: Ready, status: "False"}]}`),
	"AL2Gone":           class(`spec: {amiSelectorTerms: [{alias: al2@v20250519}]}`),
	"AL2Ends":           class(`spec: {amiFamily: AL2, amiSelectorTerms: [{id: ami-1}]}`),
	"AMILatest":         class(`spec: {amiSelectorTerms: [{alias: al2023@latest}]}`),
	"SourceVersionBad": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "1.8.4"
		s.CRDs = append(s.CRDs, crdStoring("nodeoverlays.karpenter.sh", "v1alpha1"))
	},
	"CRDsBehind": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version = "1.8.6"
	},
	"CRDLeftover": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.CRDs = append(s.CRDs, crdStoring("provisioners.karpenter.sh", "v1alpha5"))
	},
	"ConversionElsewhere": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Conversions = []snapshot.Conversion{{CRD: "nodepools.karpenter.sh", Service: "kube-system/karpenter:8443"}}
	},
	"ChartHasHook": func(_ *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Version, spec.Target.Version, s.Kubernetes = "0.37.8", "1.0.0", "v1.30.4"
	},
	"GlobalSettingsIgnored": on(func(p *snapshot.Platform) { p.GlobalSettings = []string{"aws.clusterName", "batchMaxDuration"} }),
	"InterruptionQueueDropped": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Installations[0].Release.Values = map[string]any{"settings": map[string]any{"interruptionQueueName": "prod"}}
		s.Target.Values = map[string]any{"settings": map[string]any{"clusterName": "prod"}}
	},
	"InterruptionQueueUnset": func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Target.Values = map[string]any{}
	},
	"MetricsRenamed": on(func(p *snapshot.Platform) {
		p.Monitors = []snapshot.Monitor{{Object: "PrometheusRule/monitoring/karpenter", Texts: []string{"rate(karpenter_ignored_pod_count[5m]) > 0"}}}
	}),
	"AddonIncompatible": on(func(p *snapshot.Platform) {
		p.Addons = []snapshot.Addon{{Name: "kube-proxy", Object: "DaemonSet/kube-system/kube-proxy", Version: "1.34.0-eksbuild.1"}}
	}),
	"AddonOutdated": on(func(p *snapshot.Platform) {
		p.Addons = []snapshot.Addon{{Name: "coredns", Object: "Deployment/kube-system/coredns", Version: "1.11.4-eksbuild.2"}}
	}),
	"PlatformUnreadable": on(func(p *snapshot.Platform) { p.Unread = []snapshot.Problem{{What: "pods", Error: "forbidden"}} }),
	"ControllerOnOwnNodes": on(func(p *snapshot.Platform) {
		p.Budgets, p.Pods = []string{"karpenter/karpenter"}, []snapshot.ControllerPod{pod("a"), pod("b", func(p *snapshot.ControllerPod) { p.Node, p.NodePool = "n1", "general" })}
	}),
	"OperatorOnOwnNodes": on(func(p *snapshot.Platform) {
		p.Pods = []snapshot.ControllerPod{{Namespace: "ops", Name: "operator-1", Node: "n1", NodePool: "general"}}
	}),
	"ControllerKilled": on(func(p *snapshot.Platform) {
		p.Budgets, p.Pods = []string{"karpenter/karpenter"}, []snapshot.ControllerPod{pod("a", func(p *snapshot.ControllerPod) { p.Killed, p.Memory = 58, "1Gi" })}
	}),
	"ControllerUnprotected": on(func(p *snapshot.Platform) { p.Pods = []snapshot.ControllerPod{pod("a")} }),
	"NoRoomForSecondRelease": on(func(p *snapshot.Platform) {
		p.Standby, p.Hosts = standby(), []snapshot.Host{host("system-1", "a", 1500, 4096, 10), host("system-2", "b", 400, 4096, 10)}
	}),
	"WebhookUnreachable": on(func(p *snapshot.Platform) {
		p.Webhooks = []snapshot.Webhook{{Object: "ValidatingWebhookConfiguration/validation.webhook.karpenter.sh", Name: "validation.webhook.karpenter.sh",
			Service: "karpenter/karpenter:8443", Problem: "there is no such Service", Karpenter: true}}
	}),
	"WorkloadWebhookUnreachable": on(func(p *snapshot.Platform) {
		p.Webhooks = []snapshot.Webhook{{Object: "MutatingWebhookConfiguration/mesh", Name: "inject", Service: "mesh/mesh:443", Problem: "no pod behind the Service is ready at port 443", Others: []string{"pods"}, Narrowed: true}}
	}),
	"NodeClaimUnwritable": on(func(p *snapshot.Platform) {
		p.Claims = snapshot.Claims{Total: 40, Asked: 20, Refused: []snapshot.Refused{{Name: "general-1", Why: "spec.nodeClassRef.group: Required value"}}}
	}),
	"NodeClaimsNotTried": on(func(p *snapshot.Platform) { p.Claims = snapshot.Claims{Total: 40, Unasked: "forbidden"} }),
	"LaunchThrottled": on(func(p *snapshot.Platform) {
		p.Claims = snapshot.Claims{Total: 40, Throttled: []snapshot.Refused{{Name: "general-1", Why: "RequestLimitExceeded"}}}
	}),
	"IAMActionsDenied": on(func(p *snapshot.Platform) { p.IAM.Allowed["iam:ListInstanceProfiles"] = false }),
	"IAMActionsNeeded": on(func(p *snapshot.Platform) { p.IAM = nil }),
	"IdentityMissing": on(func(p *snapshot.Platform) {
		p.Identity = &snapshot.Identity{Namespace: "karpenter", ServiceAccount: "karpenter"}
	}),
}

// inAWS says what AWS has for the EC2NodeClass of the healthy cluster, whose NodePool has three nodes.
func inAWS(n snapshot.ClassNetwork) change {
	return func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		s.Platform.Network = &snapshot.Network{Classes: map[string]snapshot.ClassNetwork{"default": n}}
		s.Nodes = []snapshot.Node{{Name: "n1", NodePool: "general"}, {Name: "n2", NodePool: "general"}, {Name: "n3", NodePool: "general"}}
	}
}

var awsWrongs = map[string]change{
	"SelectorMatchesNothing":   inAWS(snapshot.ClassNetwork{SecurityGroups: []string{"sg-1"}}),
	"SubnetsFull":              inAWS(snapshot.ClassNetwork{SecurityGroups: []string{"sg-1"}, Subnets: []snapshot.Subnet{{ID: "subnet-1", Zone: "a", Free: 9}, {ID: "subnet-2", Zone: "b", Free: 20}}}),
	"NodeRoleMissing":          inAWS(snapshot.ClassNetwork{SecurityGroups: []string{"sg-1"}, Subnets: []snapshot.Subnet{{ID: "subnet-1", Free: 4000}}, MissingRole: "nodes"}),
	"InterruptionQueueMissing": on(func(p *snapshot.Platform) { p.Queue = &snapshot.Queue{Name: "prod", Missing: true} }),
}

func TestWhatAWSHasForAnEC2NodeClass(t *testing.T) {
	full := snapshot.ClassNetwork{SecurityGroups: []string{"sg-1"}, Subnets: []snapshot.Subnet{{ID: "subnet-1", Zone: "a", Free: 30}}}
	g := NewWithT(t)
	g.Expect(found(t, inAWS(full))).To(BeEmpty(), "ten for each of three nodes")
	g.Expect(found(t, on(func(p *snapshot.Platform) { p.Queue = &snapshot.Queue{Name: "prod"} }))).To(BeEmpty())

	f := found(t, inAWS(snapshot.ClassNetwork{}))
	g.Expect(codes(f)).To(Equal([]string{"SelectorMatchesNothing"}))
	g.Expect(f[0].Why).To(ContainSubstring("no subnet and no security group"))
	g.Expect(f[0].Objects).To(Equal([]string{"EC2NodeClass/default"}))
	f = found(t, inAWS(snapshot.ClassNetwork{Subnets: full.Subnets}))
	g.Expect(f[0].Why).To(And(ContainSubstring("no security group"), Not(ContainSubstring("no subnet"))))
	f = found(t, inAWS(snapshot.ClassNetwork{}), func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.NodePools = &v1alpha1.NodePools{NodeClassOverrides: []v1alpha1.Override{{Name: "default", Patch: &apiextensionsv1.JSON{Raw: []byte(`{"subnetSelectorTerms": [{"id": "subnet-9"}]}`)}}}}
	})
	g.Expect(f).To(BeEmpty(), "the run changes what it selects")

	f = found(t, awsWrongs["SubnetsFull"])
	g.Expect(f[0].Objects).To(Equal([]string{"EC2NodeClass/default", "subnet-1", "subnet-2"}))
	g.Expect(f[0].Why).To(And(ContainSubstring("3 nodes"), ContainSubstring("about 30 addresses"), ContainSubstring("29 are free (subnet-1 in a: 9, subnet-2 in b: 20)")))
	f = found(t, awsWrongs["NodeRoleMissing"])
	g.Expect(f[0].Objects).To(Equal([]string{"EC2NodeClass/default", "role nodes"}))
}

func init() {
	maps.Copy(wrongs, awsWrongs)
	maps.Copy(wrongs, platformWrongs)
}

// found are the findings of a healthy cluster after changes.
func found(t *testing.T, changes ...change) []v1alpha1.Finding {
	t.Helper()
	s, spec := healthy(t)
	for _, c := range changes {
		c(t, s, spec)
	}
	return run(t, s, spec)
}

func TestWhatIsWrongWithAnEC2NodeClass(t *testing.T) {
	patched := func(patch string) change {
		return func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			spec.NodePools = &v1alpha1.NodePools{NodeClassOverrides: []v1alpha1.Override{{Name: "default", Patch: &apiextensionsv1.JSON{Raw: []byte(patch)}}}}
		}
	}
	kubernetes := func(version string) change {
		return func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) { s.Kubernetes = version }
	}
	const al2 = `spec: {amiSelectorTerms: [{alias: al2@v20250519}]}`
	for name, tc := range map[string]struct {
		changes []change
		code    string // empty for none
		why     string
	}{
		"Ready": {changes: []change{class(`status: {subnets: [{id: subnet-1}], securityGroups: [{id: sg-1}], amis: [{id: ami-1}], conditions: [{type: Ready, status: "True"}]}`)}},
		"not Ready, and which of its conditions": {changes: []change{class(`status: {conditions: [{type: AMIsReady, status: "False", message: no AMI}, {type: SubnetsReady, status: "False", reason: SubnetsNotFound}]}`)},
			code: "NodeClassNotReady", why: "AMIsReady: no AMI; SubnetsReady: SubnetsNotFound"},
		"not Ready, and nothing says why":   {changes: []change{class(`status: {conditions: [{type: Ready, status: "False", message: because}]}`)}, code: "NodeClassNotReady", why: "because"},
		"refused by AWS":                    {changes: []change{class(`status: {conditions: [{type: ValidationSucceeded, status: "False", reason: RunInstancesAuthCheckFailed}]}`)}, code: "NodeClassNotReady", why: "ValidationSucceeded: RunInstancesAuthCheckFailed"},
		"found all but one":                 {changes: []change{class(`status: {subnets: [{id: subnet-1}], securityGroups: [{id: sg-1}]}`)}, code: "NodeClassNotReady", why: "its status has no amis"},
		"Karpenter has not looked yet":      {changes: []change{class(`spec: {}`)}},
		"AL2 by alias, on its last version": {changes: []change{class(al2), kubernetes("v1.32.8")}, code: "AL2Ends", why: "1.32"},
		"AL2 by alias, after it":            {changes: []change{class(al2), kubernetes("v1.33.1")}, code: "AL2Gone", why: "al2@v20250519"},
		"AL2 by alias, changed by the run":  {changes: []change{class(al2), patched(`{"amiSelectorTerms": [{"alias": "al2023@v20260810"}]}`)}},
		"not Ready, changed by the run":     {changes: []change{class(`status: {conditions: [{type: AMIsReady, status: "False"}]}`), patched(`{"amiSelectorTerms": [{"alias": "al2023@v20260810"}]}`)}},
		"AL2 by the family":                 {changes: []change{class(`spec: {amiFamily: AL2, amiSelectorTerms: [{tags: {a: b}}]}`)}, code: "AL2Ends", why: "Amazon Linux 2"},
		"AL2023, pinned":                    {changes: []change{class(`spec: {amiSelectorTerms: [{alias: al2023@v20260810}]}`)}},
		"Bottlerocket, not pinned":          {changes: []change{class(`spec: {amiSelectorTerms: [{alias: bottlerocket@latest}]}`)}, code: "AMILatest", why: "@latest"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			findings := found(t, tc.changes...)
			if tc.code == "" {
				g.Expect(findings).To(BeEmpty())
				return
			}
			g.Expect(findings).To(ConsistOf(And(HaveField("Code", tc.code), HaveField("Why", ContainSubstring(tc.why)), HaveField("Objects", Equal([]string{"EC2NodeClass/default"})))))
		})
	}
}

func TestAnEC2NodeClassThatNoReplacedNodePoolUsesIsNoMatter(t *testing.T) {
	g := NewWithT(t)
	g.Expect(found(t, func(t *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
		t.Helper()
		s.NodeClasses = append(s.NodeClasses, parse(t, `{kind: EC2NodeClass, metadata: {name: old}, spec: {amiSelectorTerms: [{alias: al2@latest}]}, status: {conditions: [{type: Ready, status: "False"}]}}`))
	})).To(BeEmpty())
}

func TestWhetherTheSecondReleaseHasRoom(t *testing.T) {
	roomy := []snapshot.Host{host("s1", "a", 2000, 4096, 10), host("s2", "b", 2000, 4096, 10)}
	for name, tc := range map[string]struct {
		hosts  []snapshot.Host
		change func(*snapshot.Platform)
		want   []string // parts of why; none for no finding
	}{
		"it has":                  {hosts: roomy},
		"no node at all":          {want: []string{"wants 2 pods of 1000m of CPU and 1Gi of memory each", "0 of them have a place", "there is no such node"}},
		"one node only":           {hosts: roomy[:1], want: []string{"1 of them", "s1 has one of them already"}},
		"no CPU left":             {hosts: []snapshot.Host{roomy[0], host("s2", "b", 250, 4096, 10)}, want: []string{"1 of them", "s2 has 250m of CPU free"}},
		"no memory left":          {hosts: []snapshot.Host{roomy[0], host("s2", "b", 2000, 512, 10)}, want: []string{"s2 has 512Mi of memory free"}},
		"no pod left":             {hosts: []snapshot.Host{roomy[0], host("s2", "b", 2000, 4096, 0)}, want: []string{"s2 has no room for another pod"}},
		"two nodes in one zone":   {hosts: []snapshot.Host{roomy[0], host("s2", "a", 2000, 4096, 10)}},
		"the other zone is full":  {hosts: []snapshot.Host{roomy[0], host("s2", "a", 2000, 4096, 10), host("s3", "b", 0, 0, 0)}, want: []string{"1 of them", "s2 is in zone a, which would be ahead of another by more than 1"}},
		"a pod that it avoids":    {hosts: []snapshot.Host{roomy[0], {Name: "s2", Labels: map[string]string{corev1.LabelTopologyZone: "b"}, FreeCPU: 9000, FreeMemory: 9 << 30, FreePods: 9, Conflict: "karpenter/karpenter-1"}}, want: []string{"s2 has karpenter/karpenter-1, which its anti-affinity keeps it off"}},
		"not all nodes were read": {hosts: roomy[:1], change: func(p *snapshot.Platform) { p.HostsUnread = 3 }},
		"Karpenter runs on Fargate": {change: func(p *snapshot.Platform) {
			p.Budgets, p.Pods = []string{"karpenter/karpenter"}, []snapshot.ControllerPod{pod("a", func(p *snapshot.ControllerPod) { p.Node = "fargate-ip-10-0-0-1" })}
		}},
		"nothing was rendered":      {change: func(p *snapshot.Platform) { p.Standby = nil }},
		"one replica, and one node": {hosts: roomy[:1], change: func(p *snapshot.Platform) { p.Standby.Replicas = 1 }},
		"many nodes, and all too small": {hosts: []snapshot.Host{host("s1", "a", 0, 0, 9), host("s2", "a", 0, 0, 9), host("s3", "a", 0, 0, 9), host("s4", "a", 0, 0, 9), host("s5", "a", 0, 0, 9), host("s6", "a", 0, 0, 9), host("s7", "a", 0, 0, 9)},
			want: []string{"s5 has 0m of CPU free, and 2 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			findings := found(t, on(func(p *snapshot.Platform) {
				p.Standby, p.Hosts = standby(), tc.hosts
				if tc.change != nil {
					tc.change(p)
				}
			}))
			if len(tc.want) == 0 {
				g.Expect(findings).To(BeEmpty())
				return
			}
			g.Expect(codes(findings)).To(Equal([]string{"NoRoomForSecondRelease"}))
			g.Expect(findings[0].Objects[0]).To(Equal("HelmRelease/karpenter/karpenter-green"))
			for _, part := range tc.want {
				g.Expect(findings[0].Why).To(ContainSubstring(part))
			}
		})
	}
}

func TestARunInPlaceNeedsNoRoomForASecondRelease(t *testing.T) {
	g := NewWithT(t)
	g.Expect(found(t, func(_ *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Strategy = v1alpha1.StrategyInPlace
		s.Platform.Standby = standby()
	})).To(BeEmpty())
}

func TestWhatKeepsKarpenterRunning(t *testing.T) {
	g := NewWithT(t)
	whole := []snapshot.ControllerPod{pod("a"), pod("b")}
	g.Expect(found(t, on(func(p *snapshot.Platform) { p.Pods, p.Budgets = whole, []string{"karpenter/karpenter"} }))).To(BeEmpty())
	g.Expect(found(t, on(func(p *snapshot.Platform) {
		p.Pods = []snapshot.ControllerPod{{Namespace: "other", Name: "x", Release: "karpenter", Node: "n1", NodePool: "general"}}
	}))).To(BeEmpty(), "it is of another release")
	f := found(t, on(func(p *snapshot.Platform) {
		p.Pods = []snapshot.ControllerPod{pod("a", func(p *snapshot.ControllerPod) { p.PriorityClass = "" })}
	}),
		func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
			s.Installations[0].Replicas, s.Installations[0].ReadyReplicas = 1, 1
		})
	g.Expect(codes(f)).To(Equal([]string{"ControllerUnprotected"}))
	g.Expect(f[0].Objects).To(Equal([]string{"Deployment/karpenter/karpenter"}))
	g.Expect(f[0].Why).To(And(ContainSubstring("one replica"), ContainSubstring("no PodDisruptionBudget"), ContainSubstring("no priority class")))
	g.Expect(f[0].Fix).To(ContainSubstring("replicas: 2, podDisruptionBudget.maxUnavailable: 1, priorityClassName: system-cluster-critical"))
}

func TestWhereKarpenterRunsIsNamed(t *testing.T) {
	g := NewWithT(t)
	f := found(t, platformWrongs["ControllerOnOwnNodes"])
	g.Expect(f[0].Objects).To(Equal([]string{"Pod/karpenter/b"}))
	g.Expect(f[0].Why).To(ContainSubstring("b on node n1 of NodePool general"))
	f = found(t, platformWrongs["ControllerKilled"])
	g.Expect(f[0].Why).To(ContainSubstring("a restarted 58 times at 1Gi"))
}

func TestWhichMetricsOfAlertsGo(t *testing.T) {
	for name, tc := range map[string]struct {
		from, text string
		want       string // empty for no finding
	}{
		"renamed on the way":               {"0.37.8", "increase(karpenter_nodes_created[5m]) > 10", "karpenter_nodes_created is karpenter_nodes_created_total"},
		"its new name":                     {"0.37.8", "increase(karpenter_nodes_created_total[5m]) > 10", ""},
		"renamed before":                   {"1.0.8", "increase(karpenter_nodes_created[5m]) > 10", ""},
		"gone":                             {"0.37.8", "karpenter_nodeclaims_launched", "karpenter_nodeclaims_launched is gone"},
		"of a family":                      {"0.37.8", "karpenter_disruption_eligible_nodes > 3", "karpenter_disruption_* is karpenter_voluntary_disruption_*"},
		"part of a histogram":              {"0.37.8", "rate(karpenter_pods_startup_time_seconds_bucket[5m])", "karpenter_pods_startup_time_seconds is"},
		"another label of it":              {"1.6.2", `karpenter_nodeclaims_disrupted_total{reason="drifted"}`, ""},
		"a label's value that is renamed":  {"1.6.2", `karpenter_nodeclaims_disrupted_total{reason="liveness"}`, "registration_timeout"},
		"somebody else's of a longer name": {"0.37.8", "my_karpenter_nodes_created", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, err := catalog.Load()
			g.Expect(err).NotTo(HaveOccurred())
			s, spec := healthy(t)
			s.Installations[0].Version = tc.from
			s.Platform.Monitors = []snapshot.Monitor{{Object: "PrometheusRule/ops/nodes", Texts: []string{tc.text}}}
			hits := metricsRenamed(Input{Snapshot: s, Spec: spec, Plan: &v1alpha1.Plan{}, Catalog: c})
			if tc.want == "" {
				g.Expect(hits).To(BeEmpty())
				return
			}
			g.Expect(hits).To(ConsistOf(And(HaveField("Objects", Equal([]string{"PrometheusRule/ops/nodes"})), HaveField("Why", ContainSubstring(tc.want)))))
		})
	}
}

func TestWhichActionsTheRoleLacks(t *testing.T) {
	g := NewWithT(t)
	f := found(t, on(func(p *snapshot.Platform) {
		p.IAM.Allowed["ec2:DescribeInstanceStatus"], p.IAM.Allowed["ec2:DescribeImages"] = false, false
	}))
	g.Expect(codes(f)).To(Equal([]string{"IAMActionsDenied"}))
	g.Expect(f[0].Objects).To(Equal([]string{"arn:aws:iam::1:role/karpenter"}))
	g.Expect(f[0].Why).To(HaveSuffix("ec2:DescribeImages, ec2:DescribeInstanceStatus (from 1.12 on)"))

	to := func(version string) change {
		return func(_ *testing.T, _ *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
			spec.Target.Version = version
		}
	}
	g.Expect(found(t, to("1.6.8"), platformWrongs["IAMActionsDenied"])).To(BeEmpty(), "1.6 does not list instance profiles")

	f = found(t, platformWrongs["IAMActionsNeeded"])
	g.Expect(f[0].Why).To(And(
		ContainSubstring("ec2:DescribeCapacityReservations (1.3), ec2:DescribeInstanceStatus (1.12), ec2:DescribePlacementGroups (1.11), iam:ListInstanceProfiles (1.7)"),
		ContainSubstring("1.9: the policy of the controller is split into five")))
	g.Expect(f[0].Fix).To(ContainSubstring("--action-names ec2:DescribeCapacityReservations ec2:DescribeInstanceStatus"))
	g.Expect(f[0].Objects).To(Equal([]string{"ServiceAccount/karpenter/karpenter"}))
	f = found(t, to("1.2.3"), platformWrongs["IAMActionsNeeded"])
	g.Expect(codes(f)).NotTo(ContainElement("IAMActionsNeeded"), "nothing is added on that way")
}

func TestHowTheSecondReleaseGetsItsRole(t *testing.T) {
	for name, tc := range map[string]struct {
		identity snapshot.Identity
		started  []string
		missing  bool
	}{
		"by the annotation":                         {identity: snapshot.Identity{Role: "arn:aws:iam::1:role/karpenter"}},
		"by an association":                         {identity: snapshot.Identity{PodIdentity: "arn:aws:iam::1:role/karpenter", Asked: true}},
		"by its environment":                        {identity: snapshot.Identity{Given: []string{"AWS_ACCESS_KEY_ID"}}},
		"as the pods that run got it":               {started: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI"}},
		"as the pods got it, and it was taken away": {started: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI"}, identity: snapshot.Identity{Asked: true}, missing: true},
		"not at all":                                {missing: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := found(t, on(func(p *snapshot.Platform) {
				tc.identity.Namespace, tc.identity.ServiceAccount = "karpenter", "karpenter"
				p.Identity, p.Budgets = &tc.identity, []string{"karpenter/karpenter"}
				p.Pods = []snapshot.ControllerPod{pod("a", func(p *snapshot.ControllerPod) { p.Credentials = tc.started })}
			}))
			if !tc.missing {
				g.Expect(f).To(BeEmpty())
				return
			}
			g.Expect(f).To(ConsistOf(And(HaveField("Code", "IdentityMissing"), HaveField("Objects", Equal([]string{"ServiceAccount/karpenter/karpenter"})))))
		})
	}
}

func TestTheInterruptionQueueIsCarriedOver(t *testing.T) {
	for name, before := range map[string]map[string]any{
		"since 0.33":    {"interruptionQueue": "prod"},
		"of 0.32":       {"interruptionQueueName": "prod"},
		"of up to 0.31": {"aws": map[string]any{"interruptionQueueName": "prod"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			with := func(after string) change {
				return func(_ *testing.T, s *snapshot.Snapshot, _ *v1alpha1.KarpenterUpgradeSpec) {
					s.Installations[0].Release.Values = map[string]any{"settings": before}
					s.Target.Values = map[string]any{"settings": map[string]any{"interruptionQueue": after}}
				}
			}
			g.Expect(found(t, with("prod"))).To(BeEmpty())
			f := found(t, with(""))
			g.Expect(codes(f)).To(Equal([]string{"InterruptionQueueDropped"}))
			g.Expect(f[0].Fix).To(ContainSubstring("settings.interruptionQueue: prod"))
		})
	}
}

func TestUnansweredWebhooksSayWhatIsRefused(t *testing.T) {
	g := NewWithT(t)
	f := found(t, platformWrongs["WebhookUnreachable"])
	g.Expect(f[0].Objects).To(Equal([]string{"ValidatingWebhookConfiguration/validation.webhook.karpenter.sh", "Service/karpenter/karpenter:8443"}))
	g.Expect(f[0].Why).To(And(ContainSubstring("there is no such Service"), ContainSubstring("every write of Karpenter's objects")))
	g.Expect(f[0].Fix).To(ContainSubstring("kubectl delete validatingwebhookconfiguration validation.webhook.karpenter.sh"))
	f = found(t, on(func(p *snapshot.Platform) {
		p.Webhooks = []snapshot.Webhook{{Object: "ValidatingWebhookConfiguration/policy", Name: "p", Service: "p/p:443", Problem: "x", Karpenter: true, Narrowed: true}}
	}))
	g.Expect(codes(f)).To(Equal([]string{"WorkloadWebhookUnreachable"}), "it may let Karpenter's objects through")
}

func TestNodeClaimsThatCannotBeWrittenAreNamed(t *testing.T) {
	g := NewWithT(t)
	f := found(t, platformWrongs["NodeClaimUnwritable"])
	g.Expect(f[0].Objects).To(Equal([]string{"NodeClaim/general-1"}))
	g.Expect(f[0].Why).To(And(ContainSubstring("the 20 oldest of 40 NodeClaims were tried"), ContainSubstring("spec.nodeClassRef.group: Required value")))
}

func TestAddonsAreJudgedByTheNodesThatThereAre(t *testing.T) {
	cni := on(func(p *snapshot.Platform) {
		p.Addons = []snapshot.Addon{{Name: "vpc-cni", Object: "DaemonSet/kube-system/aws-node", Version: "1.15.1"}}
	})
	g := NewWithT(t)
	g.Expect(found(t, cni)).To(BeEmpty())
	f := found(t, cni, class(`spec: {amiSelectorTerms: [{alias: al2023@v20260810}]}`))
	g.Expect(codes(f)).To(Equal([]string{"AddonIncompatible"}))
	g.Expect(f[0].Fix).To(ContainSubstring("1.16.2 or later"))
}
