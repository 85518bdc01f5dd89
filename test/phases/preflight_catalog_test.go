package phases

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	cataloglive "github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog/live"
)

func TestRowsOfTheCatalogueWithAnErrorAreReportedAndNotUsed(t *testing.T) {
	w := preflightWorld(t)
	rows := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNS, Name: "rows", Labels: map[string]string{cataloglive.Label: cataloglive.LabelValue}},
		Data:       map[string]string{cataloglive.Key: `minors: [{minor: "1.14", bad: [{patch: 1, why: we do not trust it}]}]`},
	}
	w.ok(w.api.Create(w.ctx(), rows))
	t.Cleanup(func() { w.ok(w.api.Delete(context.WithoutCancel(w.ctx()), rows)) })
	w.Expect(w.blockers()).To(ContainElement("TargetVersionBad"), "rows of users hold")

	rows.Data[cataloglive.Key] = `minors: [{minor: "1.14", bad: [{patch: 1}]}]`
	w.ok(w.api.Update(w.ctx(), rows))
	w.Expect(w.blockers()).NotTo(ContainElement("TargetVersionBad"), "this operator has not seen what they said before")
	w.Expect(w.found(v1alpha1.SeverityWarning)).To(ContainElement(And(
		HaveField("Code", "CatalogConfigMapInvalid"),
		HaveField("Objects", []string{"ConfigMap/" + operatorNS + "/rows"}),
		HaveField("Why", ContainSubstring(`row "1.14", field bad[0]`)),
	)))
}
