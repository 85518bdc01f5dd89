package check

import (
	"testing"

	. "github.com/onsi/gomega"
)

const buffers = "capacitybuffers.autoscaling.x-k8s.io"

func TestWhoseCRDsMayBeWritten(t *testing.T) {
	own := map[string]string{"meta.helm.sh/release-name": "karpenter-crd", "meta.helm.sh/release-namespace": "karpenter"}
	other := map[string]string{"meta.helm.sh/release-name": "cluster-autoscaler", "meta.helm.sh/release-namespace": "kube-system"}
	for name, tc := range map[string]struct {
		crd        string
		owner      map[string]string
		noRelease  bool // no release has Karpenter's CRDs
		differs    bool // from the target's
		notInChart bool
		want       bool
	}{
		"the release's own":                     {crd: coreCRDs[0], owner: own, differs: true},
		"another release's":                     {crd: buffers, owner: other, differs: true, want: true},
		"another release's, and the same":       {crd: buffers, owner: other, want: true},
		"another's, that the target has not":    {crd: buffers, owner: other, notInChart: true},
		"nobody's, which Helm refuses":          {crd: buffers, differs: true, want: true},
		"nobody's of Karpenter's own, the same": {crd: coreCRDs[0], want: true},
		"no release: Karpenter's own group":     {crd: coreCRDs[0], noRelease: true, differs: true},
		"no release: a group of others":         {crd: buffers, noRelease: true, differs: true, want: true},
		"no release: nothing changes":           {crd: buffers, noRelease: true},
		"no release: another release's":         {crd: buffers, noRelease: true, owner: other, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, spec := healthy(t)
			if tc.noRelease {
				s.CRDReleases = nil
				for i := range s.CRDs {
					s.CRDs[i].Annotations = nil
				}
			}
			if tc.crd == buffers {
				s.CRDs = append(s.CRDs, crd(buffers, "v1"))
				if !tc.notInChart {
					s.Target.CRDs = append(s.Target.CRDs, crd(buffers, "v1"))
				}
			}
			c := s.CRD(tc.crd)
			c.Annotations = tc.owner
			if tc.differs {
				c.Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "another"
			}
			findings := run(t, s, spec)
			if !tc.want {
				g.Expect(findings).To(BeEmpty())
				return
			}
			g.Expect(findings).To(ConsistOf(And(HaveField("Code", "CRDForeignOwner"), HaveField("Objects", ConsistOf("CustomResourceDefinition/"+tc.crd)))))
		})
	}
}
