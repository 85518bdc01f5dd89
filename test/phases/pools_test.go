package phases

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
)

// blueNodePool and blueNodeClass are as a user's Git has them, with what tools and Karpenter have written on them.
const (
	blueNodePool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: general
  labels:
    team: platform
    app.kubernetes.io/managed-by: Helm
    app.kubernetes.io/instance: pools
    kustomize.toolkit.fluxcd.io/name: pools
  annotations:
    cost-center: "42"
    argocd.argoproj.io/tracking-id: pools:karpenter.sh/NodePool:general
    meta.helm.sh/release-name: pools
    meta.helm.sh/release-namespace: infra
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    karpenter.sh/nodepool-hash: "123"
    karpenter.sh/nodepool-hash-version: v3
    karpenter.sh/stored-version-migrated: "true"
    compatibility.karpenter.sh/v1beta1-nodeclass-reference: "{}"
spec:
  weight: 10
  limits: {cpu: "1000", memory: 1000Gi}
  template:
    metadata:
      labels: {tier: web}
      annotations: {note: kept}
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      expireAfter: 720h
      terminationGracePeriod: 48h
      taints: [{key: dedicated, value: web, effect: NoSchedule}]
      requirements:
      - {key: kubernetes.io/arch, operator: In, values: [amd64]}
      - {key: karpenter.k8s.aws/instance-generation, operator: Gt, values: ["2"]}
  disruption:
    consolidationPolicy: WhenEmptyOrUnderutilized
    consolidateAfter: 5m
    budgets:
    - {nodes: 20%}
    - {nodes: "0", schedule: 0 9 * * *, duration: 8h}
`
	blueNodeClass = `
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata:
  name: default
  labels: {team: platform, argocd.argoproj.io/instance: pools}
  annotations: {cost-center: "42", karpenter.k8s.aws/ec2nodeclass-hash: "456", karpenter.k8s.aws/ec2nodeclass-hash-version: v3}
spec:
  amiFamily: AL2
  amiSelectorTerms: [{id: ami-0123456789abcdef0}]
  role: KarpenterNodeRole-sandbox
  subnetSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
  securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: sandbox}}]
  userData: "#!/bin/bash\necho AL2\n"
  tags: {team: platform}
  kubelet: {maxPods: 110}
  blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 100Gi, volumeType: gp3, encrypted: true, iops: 3000}}]
`
)

// blue makes the NodePool general and its EC2NodeClass default, both Ready.
func (w *world) blue() {
	w.t.Helper()
	w.create(blueNodeClass)
	w.create(blueNodePool)
	w.ready()
}

func (w *world) nodePool(name string) *unstructured.Unstructured {
	w.t.Helper()
	return get(w, phase.Object(phase.NodePoolKind, name), "", name)
}

func (w *world) nodeClass(name string) *unstructured.Unstructured {
	w.t.Helper()
	return get(w, phase.Object(phase.NodeClassKind, name), "", name)
}

// specOf is a part of an object's spec.
func specOf(o *unstructured.Unstructured, fields ...string) any {
	v, _, _ := unstructured.NestedFieldCopy(o.Object, append([]string{"spec"}, fields...)...)
	return v
}

// without drops fields of a copy of an object's spec.
func without(o *unstructured.Unstructured, fields ...[]string) any {
	c := o.DeepCopy()
	for _, f := range fields {
		unstructured.RemoveNestedField(c.Object, append([]string{"spec"}, f...)...)
	}
	return c.Object["spec"]
}

// nodePools begins a run with the usual plan and returns its phase NodePools.
func (w *world) nodePools(change ...func(*v1alpha1.KarpenterUpgradeSpec)) *nodepools.Phase {
	w.t.Helper()
	w.begin(plan(), change...)
	return &nodepools.Phase{Kit: w.kit}
}
