package convert

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var nodeTemplateV1alpha1 = schema.GroupVersionKind{Group: groupAWS, Version: "v1alpha1", Kind: kindNodeTemplate}

// AWSNodeTemplateToV1beta1 converts an AWSNodeTemplate (v1alpha1) into an EC2NodeClass (v1beta1) of the same name. Selectors become
// terms, of which there is one for every combination of values that a selector names; settings that were global are written into it.
func AWSNodeTemplateToV1beta1(template *unstructured.Unstructured, settings Settings) (*unstructured.Unstructured, []Loss, error) {
	r, in, err := read(template, nodeTemplateV1alpha1)
	if err != nil {
		return nil, nil, err
	}
	class := successor(r, template, nodeClassV1beta1)
	class.Object["spec"] = in.nodeClassSpec(settings)
	losses, err := r.finish()
	if err != nil {
		return nil, nil, err
	}
	return class, losses, nil
}

// nodeClassSpec is the spec of an EC2NodeClass for that of an AWSNodeTemplate, or for a Provisioner's inline provider.
func (s *section) nodeClassSpec(settings Settings) map[string]any {
	out := map[string]any{"amiFamily": familyAL2}
	s.moveFull(out, "amiFamily")
	s.move(out, "userData", "context", "detailedMonitoring")
	out["subnetSelectorTerms"] = s.selector("subnetSelector")
	out["securityGroupSelectorTerms"] = s.selector("securityGroupSelector")
	put(out, "amiSelectorTerms", s.amiSelector(out["amiFamily"]))
	put(out, "blockDeviceMappings", s.blockDeviceMappings())
	put(out, "tags", s.tags(settings))
	s.alphaMetadataOptions(out)
	s.instanceProfile(out, settings)
	if name := s.text("launchTemplate"); name != "" {
		s.r.lose(Blocker, s.at("launchTemplate"), "Karpenter uses no launch templates but its own any more, so nothing of "+name+" is carried over",
			"write what it has (security groups, image, user data, volumes, instance profile) into the EC2NodeClass")
	}
	return out
}

// instanceProfile carries it over, or the global one.
func (s *section) instanceProfile(out map[string]any, settings Settings) {
	profile := s.text("instanceProfile")
	if profile == "" && settings.DefaultInstanceProfile != "" {
		profile = settings.DefaultInstanceProfile
		s.r.lose(Info, s.at("instanceProfile"), "aws.defaultInstanceProfile is no setting any more, so "+profile+" is written into the EC2NodeClass", "nothing is to be done")
	}
	if profile == "" {
		s.r.lose(Blocker, s.at("instanceProfile"), "neither it nor aws.defaultInstanceProfile names an instance profile, and an EC2NodeClass must have one, or a role",
			"set spec.role of the EC2NodeClass to the role of your nodes")
		return
	}
	out["instanceProfile"] = profile
}

// alphaMetadataOptions are written out: v1beta1 fills in other values than the old version did where some are given and some are not
// (aws/karpenter v0.31 pkg/apis/v1alpha1/provider.go).
func (s *section) alphaMetadataOptions(out map[string]any) {
	if s.rest["metadataOptions"] == nil {
		out["metadataOptions"] = betaMetadataOptions()
		return
	}
	in, options := s.section("metadataOptions"), map[string]any{}
	in.move(options, "httpEndpoint", "httpProtocolIPv6", "httpPutResponseHopLimit", "httpTokens")
	for name, value := range map[string]any{"httpEndpoint": "enabled", "httpProtocolIPv6": "disabled", "httpPutResponseHopLimit": int64(1), "httpTokens": "optional"} {
		if options[name] == nil {
			options[name] = value
		}
	}
	if _, given := in.rest["httpTokens"]; !given && options["httpTokens"] == "optional" {
		s.r.lose(Info, in.at("httpTokens"), "it is optional, so nodes answer requests of IMDSv1", "set it to required if nothing needs those")
	}
	out["metadataOptions"] = options
}

// restrictedTags are those that Karpenter sets itself and lets nobody else set, in v1beta1 or v1.
var restrictedTags = []string{"karpenter.sh/nodepool", "karpenter.sh/managed-by", "karpenter.sh/nodeclaim", "karpenter.k8s.aws/ec2nodeclass", clusterTag}

// tags are its own laid over the global ones, without those that are not allowed.
func (s *section) tags(settings Settings) map[string]any {
	out := map[string]any{}
	for name, value := range settings.Tags {
		out[name] = value
	}
	if len(out) > 0 {
		s.r.lose(Info, s.at("tags"), "aws.tags is no setting any more, so its tags are written into the EC2NodeClass", "nothing is to be done")
	}
	for name, value := range s.texts("tags") {
		out[name] = value
	}
	for _, name := range sortedKeys(out) {
		if slices.Contains(restrictedTags, name) || strings.HasPrefix(name, "kubernetes.io/cluster") {
			delete(out, name)
			s.r.lose(Warning, s.at("tags"), "Karpenter sets the tag "+name+" itself and allows no other, so it is left out", "nothing is to be done, unless something of yours reads it")
		}
	}
	return out
}
