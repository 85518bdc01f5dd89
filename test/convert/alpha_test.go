package convert

// alpha are old objects, without their names.
const alpha = `
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
spec: {providerRef: {name: default}}
---
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
spec:
  labels: {team: shop}
  annotations: {karpenter.sh/do-not-consolidate: "true", example.com/note: x}
  taints: [{key: dedicated, value: gpu, effect: NoSchedule}]
  startupTaints: [{key: node.cilium.io/agent-not-ready, value: "true", effect: NoExecute}]
  requirements:
  - {key: karpenter.k8s.aws/instance-category, operator: In, values: [c, m, r, t]}
  - {key: karpenter.k8s.aws/instance-pods, operator: Gt, values: ["20"]}
  - {key: karpenter.sh/capacity-type, operator: In, values: [spot]}
  - {key: beta.kubernetes.io/arch, operator: In, values: [arm64]}
  - {key: topology.kubernetes.io/zone, operator: In, values: [us-west-2a, us-west-2b]}
  kubeletConfiguration:
    clusterDNS: [10.0.1.100]
    containerRuntime: containerd
    maxPods: 20
    systemReserved: {cpu: 100m, memory: 100Mi, ephemeral-storage: 1Gi}
    kubeReserved: {cpu: 200m}
    evictionHard: {memory.available: 5%}
    evictionSoft: {memory.available: 500Mi}
    evictionSoftGracePeriod: {memory.available: 1m}
    imageGCHighThresholdPercent: 85
    imageGCLowThresholdPercent: 80
    cpuCFSQuota: true
  limits: {resources: {cpu: "1000", memory: 1000Gi}}
  consolidation: {enabled: true}
  ttlSecondsUntilExpired: 2592000
  weight: 10
  providerRef: {apiVersion: karpenter.k8s.aws/v1alpha1, kind: AWSNodeTemplate, name: default}
---
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
spec:
  ttlSecondsAfterEmpty: 30
  provider:
    apiVersion: extensions.karpenter.sh/v1alpha1
    kind: AWS
    amiFamily: Bottlerocket
    subnetSelector: {karpenter.sh/discovery: sandbox}
    securityGroupSelector: {karpenter.sh/discovery: sandbox}
    tags: {a: b}
    metadataOptions: {httpTokens: optional}
    blockDeviceMappings: [{deviceName: /dev/xvdb, ebs: {volumeSize: 100Gi, volumeType: gp3, encrypted: true}}]
---
apiVersion: karpenter.k8s.aws/v1alpha1
kind: AWSNodeTemplate
spec:
  subnetSelector: {karpenter.sh/discovery: sandbox}
  securityGroupSelector: {aws-ids: "sg-1, sg-2"}
---
apiVersion: karpenter.k8s.aws/v1alpha1
kind: AWSNodeTemplate
spec:
  amiFamily: Custom
  amiSelector: {aws::name: "mine-*,yours-*", aws::owners: "self,123456789012", stage: "prod,canary"}
  subnetSelector: {Name: "a,b", zone: "1,2", tier: "*"}
  securityGroupSelector: {karpenter.sh/discovery: sandbox}
  instanceProfile: mine
  userData: "#!/bin/bash\n/etc/eks/bootstrap.sh sandbox\n"
  context: fleet
  detailedMonitoring: true
  metadataOptions: {httpEndpoint: enabled, httpProtocolIPv6: disabled, httpPutResponseHopLimit: 2, httpTokens: required}
  blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 100Gi, volumeType: gp3, iops: 10000, throughput: 125, encrypted: true, deleteOnTermination: true}}]
  tags: {team: own, karpenter.sh/nodepool: x}
---
apiVersion: karpenter.k8s.aws/v1alpha1
kind: AWSNodeTemplate
spec:
  amiFamily: Ubuntu
  amiSelector: {aws-ids: "ami-1,ami-2"}
  subnetSelector: {"aws::ids": subnet-1}
  securityGroupSelector: {Name: nodes}
`
