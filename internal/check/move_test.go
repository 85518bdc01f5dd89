package check

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// moved makes a healthy cluster one whose release is to move to kube-system, changed.
func moved(with func(*snapshot.Snapshot)) change {
	return func(_ *testing.T, s *snapshot.Snapshot, spec *v1alpha1.KarpenterUpgradeSpec) {
		spec.Target.Namespace = "kube-system"
		s.Destination = &snapshot.Destination{Namespace: "kube-system", Exists: true, MakesAccount: true, RunsAs: "karpenter"}
		if with != nil {
			with(s)
		}
	}
}

func account(labels, annotations map[string]string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations}}
}

func TestTheServiceAccountWhereTheReleaseMovesTo(t *testing.T) {
	helm := map[string]string{"app.kubernetes.io/managed-by": "Helm"}
	own := map[string]string{"meta.helm.sh/release-name": "karpenter", "meta.helm.sh/release-namespace": "kube-system"}
	other := map[string]string{"meta.helm.sh/release-name": "karpenter", "meta.helm.sh/release-namespace": "karpenter"}
	for name, tc := range map[string]struct {
		makes   bool
		runsAs  string
		account *corev1.ServiceAccount
		why     string
	}{
		"made by the release":                    {true, "karpenter", nil, ""},
		"made by the run of before":              {true, "karpenter", account(helm, own), ""},
		"there, and somebody's own":              {true, "karpenter", account(nil, nil), "Helm refuses to take it over"},
		"there, and another release's":           {true, "karpenter", account(helm, other), "Helm refuses to take it over"},
		"not made by the release, and there":     {false, "karpenter", account(nil, nil), ""},
		"not made by the release, and not there": {false, "karpenter", nil, "serviceAccount.create is false"},
		"another one in the end":                 {true, "autoscaler", nil, "as karpenter until then"},
		"not known, for nothing was rendered":    {true, "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, spec := healthy(t)
			moved(func(s *snapshot.Snapshot) {
				s.Destination.MakesAccount, s.Destination.RunsAs, s.Destination.Account = tc.makes, tc.runsAs, tc.account
			})(t, s, spec)
			findings := run(t, s, spec)
			if tc.why == "" {
				g.Expect(codes(findings)).To(Equal([]string{"MoveTrustNeeded"}))
				return
			}
			g.Expect(findings[0]).To(And(HaveField("Code", "MoveServiceAccount"), HaveField("Why", ContainSubstring(tc.why))))
		})
	}
}

func TestTheTrustThatAMoveNeeds(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	moved(nil)(t, s, spec)
	s.Installations[0].ClusterName = "prod"
	g.Expect(run(t, s, spec)[0].Fix).To(HavePrefix(
		"aws eks create-pod-identity-association --cluster-name prod --namespace kube-system --service-account karpenter --role-arn ROLE"))
	s.Destination.Role = "arn:aws:iam::1:role/karpenter"
	g.Expect(run(t, s, spec)[0].Fix).To(HavePrefix(
		"allow system:serviceaccount:kube-system:karpenter in the trust policy of arn:aws:iam::1:role/karpenter"))

	spec.Target.Namespace = "karpenter"
	g.Expect(run(t, s, spec)).To(BeEmpty(), "it is there already: nothing moves")
}

func TestAFenceIsNoLeader(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	moved(nil)(t, s, spec)
	fence := snapshot.Leader{Namespace: "kube-system", Lease: leaseName, Identity: "karpenter-upgrade-operator/before", FencedBy: "before"}
	s.Leaders = append(s.Leaders, fence)
	g.Expect(codes(run(t, s, spec))).To(Equal([]string{"MoveTrustNeeded"}), "the run takes it over")

	fence.Namespace = "karpenter"
	s.Leaders = []snapshot.Leader{fence}
	found := run(t, s, spec)[0]
	g.Expect(found).To(And(HaveField("Code", "LeaderMissing"), HaveField("Why", ContainSubstring("KarpenterUpgrade before holds it"))))
	g.Expect(found.Fix).To(ContainSubstring("kubectl delete lease -n karpenter karpenter-leader-election"))
}

func TestThePermissionsOfAMoveAreAskedForByName(t *testing.T) {
	g := NewWithT(t)
	s, spec := healthy(t)
	moved(func(s *snapshot.Snapshot) {
		s.MissingForHelm = []string{"create leases.coordination.k8s.io kube-system/karpenter-leader-election"}
	})(t, s, spec)
	g.Expect(run(t, s, spec)[0].Fix).To(Equal(
		"upgrade this operator's chart with --set karpenter.namespace=karpenter,karpenter.release=karpenter,karpenter.targetNamespace=kube-system"))
}
