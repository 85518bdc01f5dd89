package podrunner

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestImagesAreFoundByRepositoryAndTag(t *testing.T) {
	images := Images{
		{Repository: "karpenter/controller", Tag: "1.0.8", Program: "/bin/k108"},
		{Repository: "karpenter/controller", Tag: "1.14.*", Program: "/bin/k114"},
		{Repository: "operator", Tag: "*", Program: "/bin/operator"},
	}
	for image, want := range map[string]string{
		"public.ecr.aws/karpenter/controller:1.0.8":                    "/bin/k108",
		"public.ecr.aws/karpenter/controller:1.0.8@sha256:0123":        "/bin/k108",
		"localhost:5000/karpenter/controller:1.14.1":                   "/bin/k114",
		"karpenter/controller:1.0.8":                                   "/bin/k108",
		"ghcr.io/karpenter-upgrade/operator:v3":                        "/bin/operator",
		"ghcr.io/karpenter-upgrade/operator":                           "/bin/operator",
		"ghcr.io/karpenter-upgrade/operator@sha256:0123456789abcdef01": "/bin/operator",
	} {
		img, err := images.Find(image)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), image)
		NewWithT(t).Expect(img.Program).To(Equal(want), image)
	}
	for image, want := range map[string]string{
		"public.ecr.aws/karpenter/controller:1.0.9": `failed to pull image "public.ecr.aws/karpenter/controller:1.0.9": not found; the sandbox has karpenter/controller:1.0.8, karpenter/controller:1.14.*, operator:*`,
		"public.ecr.aws/other-operator:v1":          "not found",
		"public.ecr.aws/controller:1.0.8":           "not found",
		"nginx":                                     "not found",
		"":                                          "couldn't parse image name",
		"a b:c":                                     "couldn't parse image name",
		"x@notadigest":                              "couldn't parse image name",
	} {
		_, err := images.Find(image)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), image)
	}
}

func TestParseRef(t *testing.T) {
	for image, want := range map[string]Ref{
		"nginx":                       {Repository: "nginx", Tag: "latest"},
		"nginx:1.29":                  {Repository: "nginx", Tag: "1.29"},
		"localhost:5000/nginx":        {Repository: "localhost:5000/nginx", Tag: "latest"},
		"localhost:5000/nginx:1@a:b":  {Repository: "localhost:5000/nginx", Tag: "1"},
		"registry.k8s.io/pause@s:123": {Repository: "registry.k8s.io/pause"},
	} {
		NewWithT(t).Expect(ParseRef(image)).To(Equal(want), image)
	}
}
