package convert

import (
	"encoding/base64"
	"testing"

	karpaws "github.com/aws/karpenter-provider-aws/pkg/apis/v1"
	"github.com/aws/karpenter-provider-aws/pkg/providers/amifamily/bootstrap"
	"github.com/aws/karpenter-provider-aws/pkg/providers/amifamily/bootstrap/mime"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
)

// launched is what Karpenter gives nodes of AL2023 for user data, without its own part.
func launched(t *testing.T, userData string) mime.Archive {
	t.Helper()
	g := NewWithT(t)
	script, err := bootstrap.Nodeadm{Options: bootstrap.Options{
		ClusterName: "sandbox", ClusterEndpoint: "https://example.com", ClusterCIDR: ptr.To("10.100.0.0/16"), CustomUserData: &userData,
		KubeletConfig: &karpaws.KubeletConfiguration{},
	}}.Script(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	decoded, err := base64.StdEncoding.DecodeString(script)
	g.Expect(err).NotTo(HaveOccurred())
	parts, err := mime.NewArchive(string(decoded))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parts).NotTo(BeEmpty())
	g.Expect(parts[len(parts)-1].ContentType).To(Equal(mime.ContentTypeNodeConfig))
	return parts[:len(parts)-1]
}

// What Karpenter itself makes of user data on AL2023 is what the conversion says of it.
func TestUserDataOnAL2023(t *testing.T) {
	const head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n--B\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n"
	for name, tc := range map[string]struct {
		userData string
		content  string // of the shell script that nodes are to run
		as       mime.ContentType
		blocked  bool
	}{
		"a script":               {"#!/bin/bash\necho hello", "echo hello", mime.ContentTypeShellScript, false},
		"a script that is YAML":  {"#!/bin/bash\n# nothing yet", "# nothing yet", mime.ContentTypeShellScript, false},
		"a MIME archive":         {head + "\n#!/bin/bash\necho hello\n--B--\n", "echo hello", mime.ContentTypeShellScript, false},
		"a part that is encoded": {head + "Content-Transfer-Encoding: base64\n\nZWNobyBoZWxsbwo=\n--B--\n", "ZWNobyBoZWxsbwo=", mime.ContentTypeShellScript, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			class := object(t, "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec: {amiSelectorTerms: [{alias: al2@latest}]}")
			spec := class.Object["spec"].(map[string]any)
			spec["userData"] = tc.userData
			got, losses, err := convert.AL2ToAL2023(class)
			g.Expect(err).NotTo(HaveOccurred())
			parts := launched(t, got.Object["spec"].(map[string]any)["userData"].(string))
			g.Expect(parts).To(HaveLen(1))
			g.Expect(parts[0].ContentType).To(Equal(tc.as))
			g.Expect(parts[0].Content).To(ContainSubstring(tc.content))
			if tc.blocked {
				g.Expect(losses).To(ContainElement(HaveField("Severity", convert.Blocker)))
			} else {
				g.Expect(losses).NotTo(ContainElement(HaveField("Severity", convert.Blocker)))
			}
		})
	}
	asItWas := launched(t, "#!/bin/bash\n# nothing yet")
	NewWithT(t).Expect(asItWas[0].ContentType).To(Equal(mime.ContentTypeNodeConfig), "so such a script has to be put into an archive")
}
