package phases

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
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

func TestAWaivedBlockerIsShownAndStopsNothing(t *testing.T) {
	w := preflightWorld(t)
	w.permitted()
	w.create(`
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: ` + shopNS + `, name: pinned}
spec:
  selector: {matchLabels: {app: pinned}}
  template:
    metadata: {labels: {app: pinned}}
    spec: {nodeSelector: {karpenter.sh/nodepool: general}, containers: [{name: main, image: main}]}
`)
	w.Expect(w.step(w.preflight().Run)).To(HaveField("Reason", v1alpha1.ReasonPreflightBlocked))
	w.run.Spec.Waivers = []v1alpha1.Waiver{{Code: "WorkloadPinned", Objects: []string{"Deployment/shop/*"}, Reason: "changed on Monday"}}
	w.Expect(w.step(w.preflight().Run)).To(HaveField("Kind", engine.KindDone))
	w.Expect(w.run.Status.Findings).To(ContainElement(And(HaveField("Code", "WorkloadPinned"), HaveField("Waived", "changed on Monday"))))
}
