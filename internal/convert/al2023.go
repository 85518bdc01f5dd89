package convert

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	aliasAL2    = "al2@"
	aliasAL2023 = "al2023@latest"
)

// AL2ToAL2023 changes a v1 EC2NodeClass of AL2 into one of AL2023. The user data stays: AL2023 runs shell scripts and MIME parts as
// AL2 does, before the node joins. What is in it that AL2023 does not have is a loss, a call of /etc/eks/bootstrap.sh with what to
// write instead. An EC2NodeClass of another family comes back as it is, without losses; one of AL2 whose terms choose the images
// comes back as it is too, with a Blocker, because only its owner knows which images to choose instead.
func AL2ToAL2023(class *unstructured.Unstructured) (*unstructured.Unstructured, []Loss, error) {
	r, in, err := read(class, nodeClassV1)
	if err != nil {
		return nil, nil, err
	}
	out := class.DeepCopy()
	family, terms := in.text("amiFamily"), in.sections("amiSelectorTerms")
	alias := ""
	if len(terms) == 1 {
		alias = terms[0].text("alias")
	}
	userData := in.text("userData")
	if r.err != nil {
		return nil, nil, r.err
	}
	switch {
	case strings.HasPrefix(alias, aliasAL2):
		in.toAL2023(out, family, alias, userData)
	case family == familyAL2:
		in.chosenImages(class)
	default:
		return out, nil, nil
	}
	return out, r.losses, nil
}

func (s *section) toAL2023(out *unstructured.Unstructured, family, alias, userData string) {
	spec := out.Object["spec"].(map[string]any)
	spec["amiSelectorTerms"] = []any{map[string]any{"alias": aliasAL2023}}
	if version := strings.TrimPrefix(alias, aliasAL2); version != "latest" {
		s.r.lose(Warning, s.at("amiSelectorTerms"), fmt.Sprintf("the version %s is one of AL2's images, so the newest of AL2023 is taken, and later ones drift the nodes", version),
			"pin a version of AL2023 that you have tested, as al2023@v20250101")
	}
	s.r.lose(Info, s.at("amiSelectorTerms"), "nodes of AL2023 use cgroup v2 and SELinux in permissive mode, and have no amazon-linux-extras",
		"try your workloads, and agents that run on the nodes, on one node first")
	switch family {
	case familyAL2:
		spec["amiFamily"] = familyAL2023
	case familyCustom:
		s.r.lose(Blocker, s.at("userData"), "with amiFamily Custom the user data alone has a node join, and on AL2023 that is done by nodeadm",
			"write a NodeConfig into it ("+nodeadmURL+"), or unset amiFamily and let Karpenter do it")
		return
	}
	if changed := s.checkUserData(userData); changed != userData {
		spec["userData"] = changed
	}
}

// chosenImages says what is to be done about images that terms choose.
func (s *section) chosenImages(class *unstructured.Unstructured) {
	if _, ubuntu := class.GetAnnotations()[AnnotationUbuntu]; ubuntu {
		s.r.lose(Blocker, s.at("amiSelectorTerms"), "its family was Ubuntu and is called AL2 only for its user data, so it cannot become AL2023", "leave it, or choose another family")
		return
	}
	s.r.lose(Blocker, s.at("amiSelectorTerms"), "its terms choose images of AL2, and which of AL2023 are to be used instead is not known",
		"write amiSelectorTerms that choose images of AL2023, or [{alias: "+aliasAL2023+"}], and set amiFamily AL2023")
}
