//go:build e2e && linux

package sandbox_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	awscontrol "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

const (
	karpenterNamespace = "kube-system"
	karpenterPods      = "app.kubernetes.io/name=karpenter"
	leaseName          = "karpenter-leader-election"
)

const poolV1 = `
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: KarpenterNodeRole-sandbox
  subnetSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
  securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
`

const poolV1beta1 = `
apiVersion: karpenter.k8s.aws/v1beta1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiFamily: AL2023
  role: KarpenterNodeRole-sandbox
  subnetSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
  securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
---
apiVersion: karpenter.sh/v1beta1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: default}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
`

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.29
        resources: {requests: {cpu: "1", memory: 512Mi}}
`

// Each version of the controllers is installed by its own charts and does its work, with nothing replaced but AWS.
func TestKarpenter(t *testing.T) {
	for _, c := range []struct{ version, pool, api string }{
		{"0.36.2", poolV1beta1, "v1beta1"},
		{"1.0.8", poolV1, "v1"},
		{"1.14.1", poolV1, "v1"},
	} {
		t.Run(c.version, func(t *testing.T) {
			name := "e2e-karpenter-" + strings.ReplaceAll(c.version, ".", "-")
			r := up(t, sandbox.Options{Name: name, Karpenter: []string{c.version}})
			r.Expect(r.sb.InstallKarpenter(t.Context(), sandbox.Karpenter{Version: c.version})).To(Succeed())
			r.eventually(r.readyPods(karpenterNamespace, karpenterPods), later).Should(Equal(2))
			r.oneLeads()
			r.launchesNodes(c.pool)
			if c.version == "1.0.8" {
				r.convertsBetweenVersions()
			}
			r.removesNodes(c.api)
			r.survivesACrash()
		})
	}
}

// holder is the process that holds the Lease, as <pod>_<random>; "" for none.
func (r *rig) holder() string {
	lease, err := r.client.CoordinationV1().Leases(karpenterNamespace).Get(r.t.Context(), leaseName, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// leader is the pod of the process that holds the Lease.
func (r *rig) leader() string {
	pod, _, _ := strings.Cut(r.holder(), "_")
	return pod
}

func (r *rig) oneLeads() {
	r.t.Helper()
	var names []string
	hosts := map[string]bool{}
	for _, p := range r.pods(karpenterNamespace, karpenterPods) {
		names = append(names, p.Name)
		hosts[p.Spec.NodeName] = true
		r.Expect(p.Status.PodIP).To(HavePrefix("10.88."))
	}
	r.Expect(hosts).To(HaveLen(2), "the replicas are on different hosts")
	r.eventually(r.leader, soon).Should(BeElementOf(names), "one of the pods, named as its host name is, leads")
}

// launchesNodes has pods pending until Karpenter has launched a node for them.
func (r *rig) launchesNodes(pool string) {
	r.t.Helper()
	r.apply(pool)
	r.apply(web)
	r.eventually(r.readyPods("default", "app=web"), later).Should(Equal(6))
	nodes := r.launchedNodes()
	r.Expect(nodes).NotTo(BeEmpty())
	instances := r.instances("running")
	r.Expect(instances).To(HaveLen(len(nodes)))
	for _, n := range nodes {
		r.Expect(n.Annotations).To(HaveKeyWithValue("kwok.x-k8s.io/node", "fake"))
		id := n.Spec.ProviderID[strings.LastIndex(n.Spec.ProviderID, "/")+1:]
		r.Expect(instances).To(ContainElement(HaveField("ID", id)))
	}
	requests, err := r.sb.AWS().Requests(r.t.Context(), awscontrol.RequestFilter{Action: "CreateFleet"})
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(requests.Requests).To(ContainElement(HaveField("Pod", r.leader())), "the request log names the leader's pod")
}

func (r *rig) launchedNodes() []corev1.Node {
	list, err := r.client.CoreV1().Nodes().List(r.t.Context(), metav1.ListOptions{LabelSelector: "karpenter.sh/nodepool"})
	r.Expect(err).NotTo(HaveOccurred())
	return list.Items
}

// instances are those in a state.
func (r *rig) instances(state string) []awscontrol.Instance {
	all, err := r.sb.AWS().State(r.t.Context())
	r.Expect(err).NotTo(HaveOccurred())
	var list []awscontrol.Instance
	for _, i := range all.Instances {
		if i.State == state {
			list = append(list, i)
		}
	}
	return list
}

// convertsBetweenVersions reads what was written as v1 through the conversion webhook of the pods.
func (r *rig) convertsBetweenVersions() {
	r.t.Helper()
	old := r.dynamic.Resource(schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1beta1", Resource: "nodepools"})
	pool, err := old.Get(r.t.Context(), "default", metav1.GetOptions{})
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(pool.GetAPIVersion()).To(Equal("karpenter.sh/v1beta1"))
	spec := pool.Object["spec"].(map[string]any)
	r.Expect(spec["disruption"]).To(HaveKeyWithValue("consolidationPolicy", "WhenUnderutilized"), "v1 calls it otherwise")
}

// removesNodes deletes the workload and the NodePool and expects everything to go, in AWS too.
func (r *rig) removesNodes(api string) {
	r.t.Helper()
	r.Expect(r.client.AppsV1().Deployments("default").Delete(r.t.Context(), "web", metav1.DeleteOptions{})).To(Succeed())
	pools := r.dynamic.Resource(schema.GroupVersionResource{Group: "karpenter.sh", Version: api, Resource: "nodepools"})
	r.Expect(pools.Delete(r.t.Context(), "default", metav1.DeleteOptions{})).To(Succeed())
	r.eventually(r.launchedNodes, later).Should(BeEmpty())
	r.eventually(func() int { return len(r.instances("running")) }, soon).Should(BeZero())
	r.eventually(func() int { return len(r.instances("terminated")) }, soon).ShouldNot(BeZero())
}

// survivesACrash kills the leader's process: it is started again in its pod and counted, and when its Lease has run out
// another process leads, which may be the one that was started again.
func (r *rig) survivesACrash() {
	r.t.Helper()
	before, dead := r.leader(), r.holder()
	log, err := r.logs(karpenterNamespace, before, nil)()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(log).To(ContainSubstring("Starting workers"))
	r.Expect(r.sb.KillPod(r.t.Context(), karpenterNamespace, before)).To(Succeed())
	r.eventually(r.pod(karpenterNamespace, before), soon).Should(HaveField("Status.ContainerStatuses", ConsistOf(And(
		HaveField("RestartCount", int32(1)),
		HaveField("LastTerminationState.Terminated", And(HaveField("ExitCode", int32(137)), HaveField("Signal", int32(9)))),
	))))
	r.eventually(r.holder, later).ShouldNot(BeElementOf(dead, ""))
	r.eventually(r.readyPods(karpenterNamespace, karpenterPods), later).Should(Equal(2))
	previous, err := r.logs(karpenterNamespace, before, &corev1.PodLogOptions{Previous: true})()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(previous).To(HavePrefix(log), "the log of the run that was killed")
	r.Expect(previous).To(ContainSubstring("Starting workers"))
}
