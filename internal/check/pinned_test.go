package check

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func TestWhichWorkloadsNoGreenNodeHolds(t *testing.T) {
	for name, tc := range map[string]struct {
		pools []string
		want  bool
	}{
		"a NodePool that is replaced":  {[]string{"general"}, true},
		"two that are replaced":        {[]string{"general", "spot"}, true},
		"or its green copy":            {[]string{"general", "general-v1-14-1"}, false},
		"or one that stays":            {[]string{"general", "gpu"}, false},
		"one that stays":               {[]string{"gpu"}, false},
		"replaced, or there is none":   {[]string{"general", "gone"}, true},
		"one that nobody has":          {[]string{"gone"}, false},
		"the green copy of another is": {[]string{"spot-v1-14-1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, spec := healthy(t)
			s.NodePools = append(s.NodePools, nodePool(t, "spot", "}, spec: {weight: 5"), nodePool(t, "gpu", "}, spec: {replicas: 2"))
			spec.NodePools = &v1alpha1.NodePools{Exclude: []string{"gpu"}}
			s.Workloads = []snapshot.Workload{{Kind: "StatefulSet", Namespace: "shop", Name: "db", NodePools: tc.pools}}
			findings := run(t, s, spec)
			if !tc.want {
				g.Expect(findings).To(BeEmpty(), "a static NodePool that stays is none of the run's")
				return
			}
			g.Expect(findings).To(ConsistOf(And(HaveField("Code", "WorkloadPinned"), HaveField("Objects", ConsistOf("StatefulSet/shop/db")))))
			g.Expect(findings[0].Fix).To(ContainSubstring("general-v1-14-1"))
		})
	}
}
