package lease

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func held(by string, renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "karpenter", Name: Name},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To(by), LeaseDurationSeconds: ptr.To[int32](15), RenewTime: ptr.To(metav1.NewMicroTime(renewed)),
		},
	}
}

func TestHolder(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		lease *coordinationv1.Lease
		pod   string
		valid bool
	}{
		"held":       {held("karpenter-5c9_0f6d2b0e", now.Add(-14*time.Second)), "karpenter-5c9", true},
		"expired":    {held("karpenter-5c9_0f6d2b0e", now.Add(-15*time.Second)), "karpenter-5c9", false},
		"vacant":     {held("", now), "", false},
		"no uuid":    {held("karpenter-5c9", now), "karpenter-5c9", true},
		"never held": {&coordinationv1.Lease{}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(HolderPod(tc.lease)).To(Equal(tc.pod))
			g.Expect(Valid(tc.lease, now)).To(Equal(tc.valid))
		})
	}
}

func TestAHolderThatRenewsIsNotSilent(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for ago, silent := range map[time.Duration]bool{-time.Second: false, 0: false, 4 * time.Second: false, 6 * time.Second: true, time.Hour: true} {
		g.Expect(Silent(held("karpenter-5c9_0f6d2b0e", now.Add(-ago)), now)).To(Equal(silent), ago.String())
	}
	g.Expect(Silent(&coordinationv1.Lease{}, now)).To(BeTrue(), "it was never renewed")
}

func TestVacateDoesNotTakeALeaseThatHasMovedOn(t *testing.T) {
	g := NewWithT(t)
	c := fake.NewClientBuilder().WithObjects(held("blue_1", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))).Build()
	seen, err := Get(t.Context(), c, "karpenter")
	g.Expect(err).NotTo(HaveOccurred())

	moved := seen.DeepCopy()
	moved.Spec.HolderIdentity = ptr.To("green_2")
	g.Expect(c.Update(t.Context(), moved)).To(Succeed())

	g.Expect(apierrors.IsConflict(Vacate(t.Context(), c, seen))).To(BeTrue())
	now, err := Get(t.Context(), c, "karpenter")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(HolderPod(now)).To(Equal("green"))

	g.Expect(Vacate(t.Context(), c, now)).To(Succeed())
	vacant, err := Get(t.Context(), c, "karpenter")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(HolderPod(vacant)).To(BeEmpty())
}
