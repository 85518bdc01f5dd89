package lease

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestFence(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, before := range map[string]*coordinationv1.Lease{
		"no Lease": nil, "one that nobody holds": held("", now), "one that somebody holds": held("blue_1", now), "a fence": held("karpenter-upgrade-operator/before", now),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := fake.NewClientBuilder().Build()
			if before != nil {
				g.Expect(c.Create(t.Context(), before)).To(Succeed())
			}
			g.Expect(Fence(t.Context(), c, "karpenter", before, "up", now, false)).To(Succeed())
			l, err := Get(t.Context(), c, "karpenter")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(FencedBy(l)).To(Equal("up"))
			g.Expect(Valid(l, now.Add(300*24*time.Hour))).To(BeTrue(), "no run is that long")
			g.Expect(Settled(l, now.Add(14*time.Second))).To(BeFalse(), "whoever led may act on")
			g.Expect(Settled(l, now.Add(15*time.Second))).To(BeTrue())

			g.Expect(Fence(t.Context(), c, "karpenter", l, "up", now, true)).To(Succeed())
			l, err = Get(t.Context(), c, "karpenter")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(Settled(l, now)).To(BeTrue(), "nobody led")

			g.Expect(Vacate(t.Context(), c, l)).To(Succeed())
			l, err = Get(t.Context(), c, "karpenter")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(FencedBy(l)).To(BeEmpty())
		})
	}
}

func TestAFenceIsNotWrittenOverWhatNobodySaw(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := fake.NewClientBuilder().WithObjects(held("", now)).Build()
	seen, err := Get(t.Context(), c, "karpenter")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Update(t.Context(), func() *coordinationv1.Lease { l := seen.DeepCopy(); l.Spec = held("green_1", now).Spec; return l }())).To(Succeed())
	g.Expect(apierrors.IsConflict(Fence(t.Context(), c, "karpenter", seen, "up", now, true))).To(BeTrue())
	g.Expect(apierrors.IsAlreadyExists(Fence(t.Context(), c, "karpenter", nil, "up", now, true))).To(BeTrue())
	l, err := Get(t.Context(), c, "karpenter")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(HolderPod(l)).To(Equal("green"))
	g.Expect(FencedBy(l)).To(BeEmpty())
}
