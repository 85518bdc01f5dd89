package convert

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Annotations of EC2NodeClasses by which Karpenter 1.0 finds the way back to v1beta1.
const (
	// AnnotationAliasVersion, on a v1beta1 object, is the version of the alias that it has in v1.
	AnnotationAliasVersion = "compatibility.karpenter.k8s.aws/v1-alias-version"
	// AnnotationUbuntu, on a v1 object, says that its family was Ubuntu, and what was put in because of that.
	AnnotationUbuntu = "compatibility.karpenter.k8s.aws/v1beta1-ubuntu"
)

// Families of images.
const (
	familyAL2    = "AL2"
	familyAL2023 = "AL2023"
	familyUbuntu = "Ubuntu"
	familyCustom = "Custom"
)

// aliased are the families of v1beta1 that have an alias in v1.
var aliased = map[string]bool{familyAL2: true, familyAL2023: true, "Bottlerocket": true, "Windows2019": true, "Windows2022": true}

// clusterTag is a tag that v1beta1 lets a user set and v1 does not.
const clusterTag = "eks:eks-cluster-name"

// unregisteredTaint is the key of the taint with which every node must join from 1.0 on.
const unregisteredTaint = "karpenter.sh/unregistered"

// volumeSize is what v1 takes for the size of a volume (pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml at v1.0.8). v1beta1 up to
// 0.37 also takes plain bytes; and 18432Gi, which both take, is 18Ti in the canonical spelling, which neither does.
var volumeSize = regexp.MustCompile(`^((?:[1-9][0-9]{0,3}|[1-4][0-9]{4}|[5][0-8][0-9]{3}|59000)Gi|` +
	`(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|[6][0-3][0-9]{3}|64000)G|([1-9]||[1-5][0-7]|58)Ti|([1-9]||[1-5][0-9]|6[0-3]|64)T)$`)

var (
	nodeClassV1beta1 = schema.GroupVersionKind{Group: groupAWS, Version: "v1beta1", Kind: kindNodeClass}
	nodeClassV1      = schema.GroupVersionKind{Group: groupAWS, Version: "v1", Kind: kindNodeClass}
)

// EC2NodeClassToV1 converts an EC2NodeClass from v1beta1 to v1 as Karpenter 1.0 does: amiFamily without amiSelectorTerms becomes an
// alias, and Ubuntu, which v1 does not know, is bootstrapped as AL2.
func EC2NodeClassToV1(beta *unstructured.Unstructured) (*unstructured.Unstructured, []Loss, error) {
	r, in, err := read(beta, nodeClassV1beta1)
	if err != nil {
		return nil, nil, err
	}
	out := converted(beta, nodeClassV1)
	annotations := out.GetAnnotations()
	version := annotations[AnnotationAliasVersion]
	delete(annotations, AnnotationAliasVersion)

	v1 := map[string]any{}
	family := in.text("amiFamily")
	in.checkCustom(family)
	in.checkTags()
	v1["subnetSelectorTerms"] = in.terms("subnetSelectorTerms", "id")
	v1["securityGroupSelectorTerms"] = in.terms("securityGroupSelectorTerms", "id", "name")
	in.move(v1, "associatePublicIPAddress", "context", "detailedMonitoring", "instanceProfile", "instanceStorePolicy", "userData")
	in.moveFull(v1, "role", "tags")
	in.metadataOptions(v1)
	_, mapped := in.rest["blockDeviceMappings"]
	put(v1, "blockDeviceMappings", in.blockDeviceMappings())
	terms := in.amiTerms()
	switch {
	case aliased[family]:
		in.aliasedFamily(v1, family, version, terms)
	case family == familyUbuntu:
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[AnnotationUbuntu] = in.ubuntu(v1, mapped, terms)
	default:
		in.unknownFamily(family)
		v1["amiFamily"], v1["amiSelectorTerms"] = familyCustom, terms
	}
	out.Object["spec"] = v1
	out.SetAnnotations(annotations)
	losses, err := r.finish()
	if err != nil {
		return nil, nil, err
	}
	return out, losses, nil
}

// terms takes selector terms, which have tags and these fields.
func (s *section) terms(name string, fields ...string) []any {
	given := s.sections(name)
	out := make([]map[string]any, 0, len(given))
	for _, in := range given {
		term := map[string]any{}
		in.moveFull(term, append([]string{"tags"}, fields...)...)
		out = append(out, term)
	}
	return maplist(out)
}

// amiTerms takes amiSelectorTerms. v1 refuses an id beside other fields in any term, v1beta1 only when all terms were so.
func (s *section) amiTerms() []any {
	out := s.terms("amiSelectorTerms", "id", "name", "owner")
	for _, t := range out {
		if term := t.(map[string]any); term["id"] != nil && len(term) > 1 {
			s.r.lose(Blocker, s.at("amiSelectorTerms"), "a term has an id and other fields, which v1 refuses", "leave only the id in that term")
			break
		}
	}
	return out
}

// metadataOptions takes them, with what v1beta1 fills in: v1 fills in a hop limit of 1, with which pods do not reach the service.
func (s *section) metadataOptions(to map[string]any) {
	options := map[string]any{}
	in := s.section("metadataOptions")
	in.move(options, "httpEndpoint", "httpProtocolIPv6", "httpPutResponseHopLimit", "httpTokens")
	for name, value := range betaMetadataOptions() {
		if options[name] == nil {
			options[name] = value
		}
	}
	to["metadataOptions"] = options
}

// betaMetadataOptions is what the schema of v1beta1 fills in (pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml at v0.36.2).
func betaMetadataOptions() map[string]any {
	return map[string]any{"httpEndpoint": "enabled", "httpProtocolIPv6": "disabled", "httpPutResponseHopLimit": int64(2), "httpTokens": "required"}
}

func (s *section) blockDeviceMappings() []any {
	given := s.sections("blockDeviceMappings")
	out := make([]map[string]any, 0, len(given))
	for _, in := range given {
		mapping := map[string]any{}
		in.move(mapping, "deviceName")
		if root := in.take("rootVolume"); root != false {
			put(mapping, "rootVolume", root)
		}
		if in.rest["ebs"] != nil {
			mapping["ebs"] = in.section("ebs").blockDevice()
		}
		out = append(out, mapping)
	}
	return maplist(out)
}

func (s *section) blockDevice() map[string]any {
	out := map[string]any{}
	s.move(out, "deleteOnTermination", "encrypted", "iops", "kmsKeyID", "snapshotID", "throughput", "volumeType")
	s.moveQuantity(out, "volumeSize")
	if size, ok := out["volumeSize"].(string); ok && !volumeSize.MatchString(size) {
		s.r.lose(Blocker, s.at("volumeSize"), "it is "+size+" in v1, which does not accept that", "choose another size, in G, Gi, T or Ti")
	}
	return out
}

// aliasedFamily carries over a family that has an alias: the family stays where terms choose the images.
func (s *section) aliasedFamily(v1 map[string]any, family, version string, terms []any) {
	if len(terms) > 0 {
		v1["amiFamily"], v1["amiSelectorTerms"] = family, terms
		return
	}
	if version == "" {
		version = "latest"
	}
	v1["amiSelectorTerms"] = []any{map[string]any{"alias": strings.ToLower(family) + "@" + version}}
	if family == familyAL2 {
		s.r.lose(Warning, s.at("amiFamily"), "there are no AL2 images for Kubernetes 1.33 and later, where the alias finds none and no node can be launched",
			"go over to AL2023")
	}
}

// ubuntu carries over the family Ubuntu as AL2, and returns what the annotation says.
func (s *section) ubuntu(v1 map[string]any, mapped bool, terms []any) string {
	did := []string{"amiFamily"}
	v1["amiFamily"], v1["amiSelectorTerms"] = familyAL2, terms
	if !mapped {
		did = append(did, "blockDeviceMappings")
		v1["blockDeviceMappings"] = []any{map[string]any{"deviceName": "/dev/sda1", "rootVolume": true,
			"ebs": map[string]any{"encrypted": true, "volumeType": "gp3", "volumeSize": "20Gi"}}}
	}
	if len(terms) == 0 {
		did = append(did, "incompatible")
		v1["amiSelectorTerms"] = []any{map[string]any{"id": "ami-placeholder"}}
		s.r.lose(Blocker, s.at("amiFamily"), "v1 does not know Ubuntu and finds no images for it: the EC2NodeClass and its NodePools would not be Ready",
			"choose the images by amiSelectorTerms, or another amiFamily")
	} else {
		s.r.lose(Warning, s.at("amiFamily"), "v1 does not know Ubuntu; its nodes are bootstrapped as AL2, whose user data has the same form",
			"see that the images work so, or set amiFamily Custom with user data of your own")
	}
	return strings.Join(did, ",")
}

func (s *section) unknownFamily(family string) {
	if family != familyCustom {
		s.r.lose(Warning, s.at("amiFamily"), "v1 knows no "+family+", and it becomes Custom, which brings no user data of its own", "choose a family that v1 knows")
	}
}

// checkCustom looks whether nodes with user data of their own will be able to join.
func (s *section) checkCustom(family string) {
	userData, _ := s.rest["userData"].(string)
	if family == familyCustom && !strings.Contains(userData, unregisteredTaint) {
		s.r.lose(Warning, s.at("userData"), "from 1.0 on, a node that joins without the taint "+unregisteredTaint+":NoExecute does not register",
			"have the user data register the kubelet with it (--register-with-taints), unless the image does so itself")
	}
}

func (s *section) checkTags() {
	if tags, _ := s.rest["tags"].(map[string]any); tags[clusterTag] != nil {
		s.r.lose(Blocker, s.at("tags"), "v1 sets the tag "+clusterTag+" itself and refuses it", "remove it")
	}
}
