package phases

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestPodsThatAcceptBlueNodesOnlyStopTheRun(t *testing.T) {
	w := preflightWorld(t)
	w.permitted()
	for kind, rest := range map[string]string{"Deployment": "replicas: 1", "StatefulSet": "serviceName: a"} {
		for name, selector := range map[string]string{"pinned": "{karpenter.sh/nodepool: general}", "free": "{karpenter.k8s.aws/instance-family: m7i}"} {
			w.create(fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {namespace: %s, name: %s}
spec:
  %s
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s}}
    spec: {nodeSelector: %s, containers: [{name: main, image: main}]}
`, kind, shopNS, name, rest, name, name, selector))
		}
	}
	w.Expect(w.findings(v1alpha1.SeverityBlocker)).To(ConsistOf(And(
		HaveField("Code", "WorkloadPinned"), HaveField("Objects", Equal([]string{"Deployment/shop/pinned", "StatefulSet/shop/pinned"})),
	)))
}
