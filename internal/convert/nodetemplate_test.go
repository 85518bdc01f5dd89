package convert

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const templateHead = `
apiVersion: karpenter.k8s.aws/v1alpha1
kind: AWSNodeTemplate
metadata: {name: t}
spec:
`

// fromTemplate converts a node template of which these fields are given beside selectors and an instance profile.
func fromTemplate(t *testing.T, spec string, settings Settings) (map[string]any, []Loss) {
	t.Helper()
	g := NewWithT(t)
	in := object(t, templateHead+"  {instanceProfile: i, subnetSelector: {a: b}, securityGroupSelector: {a: b}}")
	for k, v := range mapping(t, spec) {
		if v == nil {
			delete(in.Object["spec"].(map[string]any), k)
			continue
		}
		in.Object["spec"].(map[string]any)[k] = v
	}
	given := in.DeepCopy()
	class, losses, err := AWSNodeTemplateToV1beta1(in, settings)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(in).To(Equal(given), "the input is not changed")
	g.Expect(class.GroupVersionKind()).To(Equal(nodeClassV1beta1))
	g.Expect(class.GetName()).To(Equal("t"))
	expectComplete(t, losses)
	return class.Object["spec"].(map[string]any), losses
}

func TestAWSNodeTemplateToV1beta1(t *testing.T) {
	const options = "{httpEndpoint: enabled, httpProtocolIPv6: disabled, httpPutResponseHopLimit: 2, httpTokens: required}"
	base := "{amiFamily: AL2, instanceProfile: i, subnetSelectorTerms: [{tags: {a: b}}], securityGroupSelectorTerms: [{tags: {a: b}}], metadataOptions: " + options + "}"
	for name, tc := range map[string]struct {
		spec, want string // beside the base
		settings   Settings
		losses     []string
	}{
		"nothing is AL2": {"{}", "{}", Settings{}, []string{}},
		"what stays": {"{amiFamily: Bottlerocket, userData: u, context: c, detailedMonitoring: true, tags: {a: b}, blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 10Gi}}]}",
			"{amiFamily: Bottlerocket, userData: u, context: c, detailedMonitoring: true, tags: {a: b}, blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 10Gi}}]}", Settings{}, []string{}},
		"metadata options in part": {"{metadataOptions: {httpEndpoint: enabled}}",
			"{metadataOptions: {httpEndpoint: enabled, httpProtocolIPv6: disabled, httpPutResponseHopLimit: 1, httpTokens: optional}}", Settings{}, []string{"Info spec.metadataOptions.httpTokens"}},
		"metadata options in full": {"{metadataOptions: {httpEndpoint: disabled, httpProtocolIPv6: enabled, httpPutResponseHopLimit: 5, httpTokens: required}}",
			"{metadataOptions: {httpEndpoint: disabled, httpProtocolIPv6: enabled, httpPutResponseHopLimit: 5, httpTokens: required}}", Settings{}, []string{}},
		"the global instance profile": {"{instanceProfile: null}", "{instanceProfile: g}", Settings{DefaultInstanceProfile: "g"}, []string{"Info spec.instanceProfile"}},
		"its own before the global":   {"{}", "{}", Settings{DefaultInstanceProfile: "g"}, []string{}},
		"no instance profile":         {"{instanceProfile: null}", "{instanceProfile: null}", Settings{}, []string{"Blocker spec.instanceProfile"}},
		"global tags":                 {"{tags: {a: own}}", "{tags: {a: own, c: d}}", Settings{Tags: map[string]string{"a": "global", "c": "d"}}, []string{"Info spec.tags"}},
		"tags of Karpenter's": {"{tags: {kubernetes.io/cluster/x: owned, karpenter.sh/nodepool: x, eks:eks-cluster-name: x, karpenter.sh/discovery: x}}", "{tags: {karpenter.sh/discovery: x}}",
			Settings{}, []string{"Warning spec.tags", "Warning spec.tags", "Warning spec.tags"}},
		"a launch template": {"{launchTemplate: l}", "{}", Settings{}, []string{"Blocker spec.launchTemplate"}},
		"an unknown field":  {"{surprise: 1}", "{}", Settings{}, []string{"Warning spec.surprise"}},
		"Custom without images": {"{amiFamily: Custom}", "{amiFamily: Custom}",
			Settings{}, []string{"Blocker spec.amiSelector"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, losses := fromTemplate(t, tc.spec, tc.settings)
			want := mapping(t, base)
			for k, v := range mapping(t, tc.want) {
				if v == nil {
					delete(want, k)
					continue
				}
				want[k] = v
			}
			NewWithT(t).Expect(got).To(BeComparableTo(want))
			NewWithT(t).Expect(brief(losses)).To(Equal(tc.losses))
		})
	}
}

func TestSelectors(t *testing.T) {
	for name, tc := range map[string]struct {
		selector, want string
		losses         []string
	}{
		"tags":               {"{a: b, c: '*'}", "[{tags: {a: b, c: '*'}}]", []string{}},
		"values of a tag":    {"{a: 'x, w'}", "[{tags: {a: x}}, {tags: {a: w}}]", []string{}},
		"values of two tags": {"{a: 'x,w', b: '1,2', c: z}", "[{tags: {a: x, b: '1', c: z}}, {tags: {a: x, b: '2', c: z}}, {tags: {a: w, b: '1', c: z}}, {tags: {a: w, b: '2', c: z}}]", []string{}},
		"ids":                {"{aws-ids: 'i-1, i-2'}", "[{id: i-1}, {id: i-2}]", []string{}},
		"ids, spelled newly": {"{'aws::ids': i-1}", "[{id: i-1}]", []string{}},
		"ids both ways":      {"{'aws::ids': i-1, aws-ids: 'i-2,i-1'}", "[{id: i-2}, {id: i-1}]", []string{}},
		"ids and tags":       {"{aws-ids: i-1, a: b}", "[{id: i-1}]", []string{"Warning spec.subnetSelector"}},
		"nothing":            {"{}", "[]", []string{"Blocker spec.subnetSelector"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, losses := fromTemplate(t, "{subnetSelector: "+tc.selector+"}", Settings{})
			NewWithT(t).Expect(map[string]any{"t": got["subnetSelectorTerms"]}).To(BeComparableTo(mapping(t, "{t: "+tc.want+"}")))
			NewWithT(t).Expect(brief(losses)).To(Equal(tc.losses))
		})
	}
}

func TestAMISelectors(t *testing.T) {
	const note = "Info spec.amiSelector"
	for name, tc := range map[string]struct {
		selector, want string
		losses         []string
	}{
		"ids":             {"{aws-ids: 'ami-1,ami-2'}", "[{id: ami-1}, {id: ami-2}]", []string{}},
		"ids and owners":  {"{aws-ids: ami-1, 'aws::owners': self}", "[{id: ami-1}]", []string{"Warning spec.amiSelector"}},
		"names":           {"{'aws::name': 'a,b'}", "[{name: a}, {name: b}]", []string{note}},
		"names of owners": {"{'aws::name': 'a,b', 'aws::owners': 'self,123'}", "[{name: a, owner: self}, {name: b, owner: self}, {name: a, owner: '123'}, {name: b, owner: '123'}]", []string{note}},
		"tags of owners":  {"{x: 'w,z', 'aws::owners': self}", "[{tags: {x: w}, owner: self}, {tags: {x: z}, owner: self}]", []string{note}},
		"everything": {"{x: 'w,z', 'aws::name': m, 'aws::owners': 'self,amazon'}",
			"[{tags: {x: w}, name: m, owner: self}, {tags: {x: z}, name: m, owner: self}, {tags: {x: w}, name: m, owner: amazon}, {tags: {x: z}, name: m, owner: amazon}]", []string{note}},
	} {
		t.Run(name, func(t *testing.T) {
			got, losses := fromTemplate(t, "{amiSelector: "+tc.selector+"}", Settings{})
			NewWithT(t).Expect(map[string]any{"t": got["amiSelectorTerms"]}).To(BeComparableTo(mapping(t, "{t: "+tc.want+"}")))
			NewWithT(t).Expect(brief(losses)).To(Equal(tc.losses))
		})
	}
}

func TestTooManyTerms(t *testing.T) {
	var values []string
	for i := range 31 {
		values = append(values, fmt.Sprintf("v%d", i))
	}
	got, losses := fromTemplate(t, "{securityGroupSelector: {a: '"+strings.Join(values, ",")+"'}}", Settings{})
	NewWithT(t).Expect(got["securityGroupSelectorTerms"]).To(HaveLen(31))
	NewWithT(t).Expect(brief(losses)).To(Equal([]string{"Blocker spec.securityGroupSelector"}))
}
