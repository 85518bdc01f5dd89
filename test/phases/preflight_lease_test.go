package phases

import (
	"testing"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
)

func TestTheOperatorMayWriteNoLeaseButKarpentersAndItsOwn(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.permitted()
	for key, allowed := range map[client.ObjectKey]bool{
		{Namespace: karpenterNS, Name: lease.Name}:                     true,
		{Namespace: karpenterNS, Name: "somebody-elses"}:               false,
		{Namespace: operatorNS, Name: "karpenter-upgrade-operator"}:    true,
		{Namespace: operatorNS, Name: "somebody-elses"}:                false,
		{Namespace: shopNS, Name: "karpenter-leader-election-of-shop"}: false,
	} {
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		w.ok(w.api.Create(w.ctx(), l))
		l.Spec.HolderIdentity = ptr.To("operator")
		err := w.kit.Live.Update(w.ctx(), l)
		if allowed {
			w.Expect(err).NotTo(HaveOccurred(), "%s", key)
			continue
		}
		w.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", key, err)
	}
}
