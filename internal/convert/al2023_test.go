package convert

import (
	"testing"

	. "github.com/onsi/gomega"
)

const v1ClassHead = "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec:\n"

func TestAL2ToAL2023(t *testing.T) {
	const info = "Info spec.amiSelectorTerms"
	for name, tc := range map[string]struct {
		spec, want string
		losses     []string
	}{
		"latest":       {"{amiSelectorTerms: [{alias: al2@latest}], role: r}", "{amiSelectorTerms: [{alias: al2023@latest}], role: r}", []string{info}},
		"pinned":       {"{amiSelectorTerms: [{alias: al2@v20240807}]}", "{amiSelectorTerms: [{alias: al2023@latest}]}", []string{info, "Warning spec.amiSelectorTerms"}},
		"with family":  {"{amiFamily: AL2, amiSelectorTerms: [{alias: al2@latest}]}", "{amiFamily: AL2023, amiSelectorTerms: [{alias: al2023@latest}]}", []string{info}},
		"as Custom":    {"{amiFamily: Custom, amiSelectorTerms: [{alias: al2@latest}]}", "{amiFamily: Custom, amiSelectorTerms: [{alias: al2023@latest}]}", []string{"Blocker spec.userData", info}},
		"terms":        {"{amiFamily: AL2, amiSelectorTerms: [{id: ami-1}]}", "{amiFamily: AL2, amiSelectorTerms: [{id: ami-1}]}", []string{"Blocker spec.amiSelectorTerms"}},
		"AL2023":       {"{amiSelectorTerms: [{alias: al2023@latest}]}", "{amiSelectorTerms: [{alias: al2023@latest}]}", []string{}},
		"Bottlerocket": {"{amiFamily: Bottlerocket, amiSelectorTerms: [{name: b}], userData: /etc/eks/bootstrap.sh}", "{amiFamily: Bottlerocket, amiSelectorTerms: [{name: b}], userData: /etc/eks/bootstrap.sh}", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			class := object(t, v1ClassHead+"  "+tc.spec)
			given := class.DeepCopy()
			got, losses, err := AL2ToAL2023(class)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(class).To(Equal(given), "the input is not changed")
			g.Expect(got.Object["spec"]).To(BeComparableTo(mapping(t, tc.want)))
			g.Expect(brief(losses)).To(Equal(tc.losses))
			expectComplete(t, losses)
		})
	}
}

func TestUbuntuDoesNotBecomeAL2023(t *testing.T) {
	class := object(t, v1ClassHead+"  {amiFamily: AL2, amiSelectorTerms: [{name: u}]}")
	class.SetAnnotations(map[string]string{AnnotationUbuntu: "amiFamily"})
	got, losses, err := AL2ToAL2023(class)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(got).To(Equal(class))
	NewWithT(t).Expect(losses).To(ConsistOf(And(HaveField("Severity", Blocker), HaveField("Why", ContainSubstring("Ubuntu")))))
}

func TestUserDataForAL2023(t *testing.T) {
	const mimeHead = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n--B\n"
	for name, tc := range map[string]struct {
		userData, want string // want "" means unchanged
		losses         []string
		fix            string
	}{
		"none":          {"", "", nil, ""},
		"a script":      {"#!/bin/bash\necho hello\n", "", nil, ""},
		"MIME":          {mimeHead + "Content-Type: text/x-shellscript; charset=\"us-ascii\"\n\necho hello\n--B--\n", "", nil, ""},
		"MIME, encoded": {mimeHead + "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\nZWNobwo=\n--B--\n", "", []string{"Blocker spec.userData"}, "plain text"},
		"MIME, merged":  {mimeHead + "Content-Type: text/cloud-config\nMerge-Type: list(append)\n\n#cloud-config\n--B--\n", "", []string{"Warning spec.userData"}, "do without it"},
		"a script that is YAML as well, which Karpenter would take for a NodeConfig": {"#!/bin/bash\n# nothing\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/bash\n# nothing\n\n--//--\n", nil, ""},
		"bootstrap.sh": {"#!/bin/bash\n/etc/eks/bootstrap.sh my-cluster\n", "", []string{"Blocker spec.userData"}, "Karpenter makes by itself"},
		"bootstrap.sh with arguments": {"#!/bin/bash\nset -e\n/etc/eks/bootstrap.sh my-cluster \\\n  --dns-cluster-ip 172.20.0.10 \\\n  --kubelet-extra-args '--node-labels=a=b --max-pods=20'\necho done\n",
			"", []string{"Blocker spec.userData"}, "kind: NodeConfig\nspec:\n  kubelet:\n    config:\n      clusterDNS:\n      - 172.20.0.10\n    flags:\n    - --node-labels=a=b\n    - --max-pods=20\n"},
		"bootstrap.sh in MIME":    {mimeHead + "Content-Type: text/x-shellscript\n\nsudo /etc/eks/bootstrap.sh c --kubelet-extra-args \"--v=2\"\n--B--\n", "", []string{"Blocker spec.userData"}, "- --v=2\n"},
		"bootstrap.sh, edited":    {"#!/bin/bash\nsed -i s/a/b/ /etc/eks/bootstrap.sh\n", "", []string{"Blocker spec.userData"}, "do it in a NodeConfig"},
		"packages":                {"#!/bin/bash\namazon-linux-extras install epel\n", "", []string{"Warning spec.userData"}, "dnf"},
		"kubelet's configuration": {"#!/bin/bash\njq . /etc/kubernetes/kubelet/kubelet-config.json\n", "", []string{"Warning spec.userData"}, "spec.kubelet"},
		"kubelet's flags":         {"#!/bin/bash\necho KUBELET_EXTRA_ARGS=x > /etc/sysconfig/kubelet\n", "", []string{"Warning spec.userData"}, "spec.kubelet.flags"},
		"containerd":              {"#!/bin/bash\ncat x >> /etc/containerd/config.toml\n", "", []string{"Warning spec.userData"}, "spec.containerd.config"},
		"docker":                  {"#!/bin/bash\ndocker pull x\n", "", []string{"Warning spec.userData"}, "containerd"},
		"python":                  {"#!/bin/bash\npython2 x\n", "", []string{"Warning spec.userData"}, "python3"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			class := object(t, v1ClassHead+"  amiSelectorTerms: [{alias: al2@latest}]")
			spec := class.Object["spec"].(map[string]any)
			spec["userData"] = tc.userData
			got, losses, err := AL2ToAL2023(class)
			g.Expect(err).NotTo(HaveOccurred())
			if tc.want == "" {
				tc.want = tc.userData
			}
			g.Expect(got.Object["spec"]).To(HaveKeyWithValue("userData", tc.want))
			var others []Loss
			for _, l := range losses {
				if l.Field != "spec.amiSelectorTerms" {
					others = append(others, l)
				}
			}
			g.Expect(brief(others)).To(HaveExactElements(tc.losses))
			expectComplete(t, losses)
			if tc.fix != "" {
				g.Expect(others[0].Fix).To(ContainSubstring(tc.fix))
			}
		})
	}
}

func TestUserDataThatKarpenterCouldNotReadEither(t *testing.T) {
	for _, userData := range []string{"Content-Type: text/x-shellscript\n\necho", "MIME-Version: 1.0\nnonsense"} {
		class := object(t, v1ClassHead+"  amiSelectorTerms: [{alias: al2@latest}]")
		class.Object["spec"].(map[string]any)["userData"] = userData
		got, losses, err := AL2ToAL2023(class)
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Object["spec"]).To(HaveKeyWithValue("userData", userData))
		g.Expect(losses).To(ContainElement(And(HaveField("Severity", Blocker), HaveField("Why", ContainSubstring("launch no node with it")))))
		expectComplete(t, losses)
	}
}
