package convert

import (
	"testing"

	. "github.com/onsi/gomega"
)

const betaClassHead = `
apiVersion: karpenter.k8s.aws/v1beta1
kind: EC2NodeClass
metadata: {name: c}
spec:
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{name: sg}]
  role: r
`

const betaClassRest = `
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{name: sg}]
  role: r
  metadataOptions: {httpEndpoint: enabled, httpProtocolIPv6: disabled, httpPutResponseHopLimit: 2, httpTokens: required}
`

func TestFamiliesToV1(t *testing.T) {
	for name, tc := range map[string]struct {
		spec, want string
		losses     []string
	}{
		"AL2":                {"amiFamily: AL2", "amiSelectorTerms: [{alias: al2@latest}]", []string{"Warning spec.amiFamily"}},
		"AL2023":             {"amiFamily: AL2023", "amiSelectorTerms: [{alias: al2023@latest}]", []string{}},
		"Bottlerocket":       {"amiFamily: Bottlerocket", "amiSelectorTerms: [{alias: bottlerocket@latest}]", []string{}},
		"Windows2019":        {"amiFamily: Windows2019", "amiSelectorTerms: [{alias: windows2019@latest}]", []string{}},
		"Windows2022":        {"amiFamily: Windows2022", "amiSelectorTerms: [{alias: windows2022@latest}]", []string{}},
		"AL2023, with terms": {"{amiFamily: AL2023, amiSelectorTerms: [{name: x, owner: self}]}", "{amiFamily: AL2023, amiSelectorTerms: [{name: x, owner: self}]}", []string{}},
		"AL2, with terms":    {"{amiFamily: AL2, amiSelectorTerms: [{id: ami-1}, {tags: {k: v}}]}", "{amiFamily: AL2, amiSelectorTerms: [{id: ami-1}, {tags: {k: v}}]}", []string{}},
		"Custom": {"{amiFamily: Custom, amiSelectorTerms: [{id: ami-1}]}", "{amiFamily: Custom, amiSelectorTerms: [{id: ami-1}]}",
			[]string{"Warning spec.userData"}},
		"Custom whose kubelet registers as 1.0 wants it": {
			"{amiFamily: Custom, amiSelectorTerms: [{id: ami-1}], userData: '--register-with-taints=karpenter.sh/unregistered:NoExecute'}",
			"{amiFamily: Custom, amiSelectorTerms: [{id: ami-1}], userData: '--register-with-taints=karpenter.sh/unregistered:NoExecute'}", []string{}},
		"unknown": {"{amiFamily: Plan9, amiSelectorTerms: [{id: ami-1}]}", "{amiFamily: Custom, amiSelectorTerms: [{id: ami-1}]}", []string{"Warning spec.amiFamily"}},
		"an id beside other fields": {"{amiFamily: AL2023, amiSelectorTerms: [{id: ami-1, owner: self}, {name: x}]}",
			"{amiFamily: AL2023, amiSelectorTerms: [{id: ami-1, owner: self}, {name: x}]}", []string{"Blocker spec.amiSelectorTerms"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, losses := toV1(t, tc.spec)
			want := mapping(t, "\n"+betaClassRest)
			for k, v := range mapping(t, "\n"+indented(tc.want)) {
				want[k] = v
			}
			g.Expect(got.spec).To(BeComparableTo(want))
			g.Expect(got.annotations).To(BeEmpty())
			g.Expect(brief(losses)).To(Equal(tc.losses))
			expectComplete(t, losses)
		})
	}
}

type convertedClass struct {
	spec        map[string]any
	annotations map[string]string
}

// toV1 converts an EC2NodeClass of which these fields are given beside those that each has.
func toV1(t *testing.T, spec string) (convertedClass, []Loss) {
	t.Helper()
	g := NewWithT(t)
	beta := object(t, betaClassHead)
	for k, v := range mapping(t, "\n"+indented(spec)) {
		beta.Object["spec"].(map[string]any)[k] = v
	}
	given := beta.DeepCopy()
	got, losses, err := EC2NodeClassToV1(beta)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(beta).To(Equal(given), "the input is not changed")
	g.Expect(got.GetAPIVersion()).To(Equal("karpenter.k8s.aws/v1"))
	return convertedClass{got.Object["spec"].(map[string]any), got.GetAnnotations()}, losses
}

func TestUbuntuToV1(t *testing.T) {
	const injected = "[{deviceName: /dev/sda1, rootVolume: true, ebs: {encrypted: true, volumeType: gp3, volumeSize: 20Gi}}]"
	for name, tc := range map[string]struct {
		spec, annotation, terms, mappings, loss string
	}{
		"with terms": {"{amiFamily: Ubuntu, amiSelectorTerms: [{name: u}]}", "amiFamily,blockDeviceMappings", "[{name: u}]", injected, "Warning spec.amiFamily"},
		"with terms and volumes": {"{amiFamily: Ubuntu, amiSelectorTerms: [{name: u}], blockDeviceMappings: [{deviceName: /dev/x}]}",
			"amiFamily", "[{name: u}]", "[{deviceName: /dev/x}]", "Warning spec.amiFamily"},
		"without terms": {"{amiFamily: Ubuntu}", "amiFamily,blockDeviceMappings,incompatible", "[{id: ami-placeholder}]", injected, "Blocker spec.amiFamily"},
		"without terms, with volumes": {"{amiFamily: Ubuntu, blockDeviceMappings: [{deviceName: /dev/x}]}",
			"amiFamily,incompatible", "[{id: ami-placeholder}]", "[{deviceName: /dev/x}]", "Blocker spec.amiFamily"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, losses := toV1(t, tc.spec)
			g.Expect(got.annotations).To(Equal(map[string]string{AnnotationUbuntu: tc.annotation}))
			g.Expect(got.spec).To(HaveKeyWithValue("amiFamily", "AL2"))
			g.Expect(map[string]any{"t": got.spec["amiSelectorTerms"], "m": got.spec["blockDeviceMappings"]}).
				To(BeComparableTo(mapping(t, "{t: "+tc.terms+", m: "+tc.mappings+"}")))
			g.Expect(brief(losses)).To(Equal([]string{tc.loss}))
		})
	}
}

func TestFieldsToV1(t *testing.T) {
	for name, tc := range map[string]struct {
		spec, want string
		losses     []string
	}{
		"what stays": {`
associatePublicIPAddress: false
context: x
detailedMonitoring: true
instanceStorePolicy: RAID0
tags: {team: a}
userData: "#!/bin/bash"
blockDeviceMappings: [{deviceName: /dev/xvda, rootVolume: true, ebs: {volumeSize: 2048Gi, volumeType: gp3, iops: 3000, throughput: 125,
  encrypted: true, deleteOnTermination: false, kmsKeyID: k, snapshotID: s}}]
metadataOptions: {httpEndpoint: disabled, httpProtocolIPv6: enabled, httpPutResponseHopLimit: 3, httpTokens: optional}`, `
associatePublicIPAddress: false
context: x
detailedMonitoring: true
instanceStorePolicy: RAID0
tags: {team: a}
userData: "#!/bin/bash"
blockDeviceMappings: [{deviceName: /dev/xvda, rootVolume: true, ebs: {volumeSize: 2Ti, volumeType: gp3, iops: 3000, throughput: 125,
  encrypted: true, deleteOnTermination: false, kmsKeyID: k, snapshotID: s}}]
metadataOptions: {httpEndpoint: disabled, httpProtocolIPv6: enabled, httpPutResponseHopLimit: 3, httpTokens: optional}`, []string{}},
		"a hop limit that v1beta1 fills in": {"{metadataOptions: {httpTokens: optional}}",
			"{metadataOptions: {httpEndpoint: enabled, httpProtocolIPv6: disabled, httpPutResponseHopLimit: 2, httpTokens: optional}}", []string{}},
		"what is empty":   {"{tags: {}, blockDeviceMappings: [{deviceName: a, rootVolume: false}]}", "{blockDeviceMappings: [{deviceName: a}]}", []string{}},
		"a tag of v1's":   {"{tags: {eks:eks-cluster-name: x}}", "{tags: {eks:eks-cluster-name: x}}", []string{"Blocker spec.tags"}},
		"a size in bytes": {"{blockDeviceMappings: [{ebs: {volumeSize: 21474836481}}]}", "{blockDeviceMappings: [{ebs: {volumeSize: '21474836481'}}]}", []string{"Blocker spec.blockDeviceMappings[0].ebs.volumeSize"}},
		"a size whose canonical spelling v1 refuses": {"{blockDeviceMappings: [{ebs: {volumeSize: 18432Gi}}]}", "{blockDeviceMappings: [{ebs: {volumeSize: 18Ti}}]}",
			[]string{"Blocker spec.blockDeviceMappings[0].ebs.volumeSize"}},
		"an unknown field": {"{surprise: 1}", "{}", []string{"Warning spec.surprise"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plain, _ := toV1(t, "amiFamily: AL2023")
			want := plain.spec
			for k, v := range mapping(t, "\n"+indented(tc.want)) {
				want[k] = v
			}
			beta := mapping(t, "\n"+indented(tc.spec))
			beta["amiFamily"] = "AL2023"
			got, losses := toV1(t, marshal(t, beta))
			g.Expect(got.spec).To(BeComparableTo(want))
			g.Expect(brief(losses)).To(Equal(tc.losses))
			expectComplete(t, losses)
		})
	}
}

func TestAnInstanceProfileStaysOne(t *testing.T) {
	beta := object(t, betaClassHead+"  amiFamily: AL2023\n  instanceProfile: p\n")
	delete(beta.Object["spec"].(map[string]any), "role")
	got, _, err := EC2NodeClassToV1(beta)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(got.Object["spec"]).To(And(HaveKeyWithValue("instanceProfile", "p"), Not(HaveKey("role"))))
}

func TestTheAliasOfAnEarlierConversion(t *testing.T) {
	beta := object(t, betaClassHead+"  amiFamily: Bottlerocket\n")
	beta.SetAnnotations(map[string]string{AnnotationAliasVersion: "v1.10.0", "a": "b"})
	got, _, err := EC2NodeClassToV1(beta)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(got.Object["spec"]).To(HaveKeyWithValue("amiSelectorTerms", []any{map[string]any{"alias": "bottlerocket@v1.10.0"}}))
	NewWithT(t).Expect(got.GetAnnotations()).To(Equal(map[string]string{"a": "b"}))
}
