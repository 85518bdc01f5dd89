package release

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

func TestHelmsErrorsSayTheirCause(t *testing.T) {
	const forbidden = `clusterroles.rbac.authorization.k8s.io "x" is forbidden: User "u" cannot delete resource "clusterroles"`
	for name, tc := range map[string]struct {
		lines []string
		err   string
		want  string
		class fault.Class
	}{
		"nothing said":              {err: "no", want: "no"},
		"what went well":            {lines: []string{`Starting delete for "x" ClusterRole`, "checking 8 resources for changes"}, err: "no", want: "no"},
		"the cause is in the log":   {lines: []string{"uninstall: Failed to delete release: [" + forbidden + "]"}, err: "failed to delete release: x", want: "failed to delete release: x; uninstall: Failed to delete release: [" + forbidden + "]", class: fault.Denied},
		"the cause is in the error": {lines: []string{forbidden}, err: "cannot patch: " + forbidden, want: "cannot patch: " + forbidden, class: fault.Denied},
		"only the last ones":        {lines: []string{"error 1", "error 2", "error\n\t3"}, err: "no", want: "no; error 2; error 3"},
		"a namespace that goes":     {err: `secrets "x" is forbidden: unable to create new content in namespace k because it is being terminated`, want: `secrets "x" is forbidden: unable to create new content in namespace k because it is being terminated`},
	} {
		t.Run(name, func(t *testing.T) {
			g, j := NewWithT(t), &journal{}
			for _, line := range tc.lines {
				j.notef("%s", line)
			}
			err := j.explain(errors.New(tc.err))
			g.Expect(err).To(MatchError(tc.want))
			g.Expect(fault.Classify(err)).To(Equal(tc.class))
		})
	}
}
