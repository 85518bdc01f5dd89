package phases

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func TestNoNodeBeginsOutsideOfAWindow(t *testing.T) {
	w, p := migrateWorld(t)
	w.node("a", "general")
	opens := w.clock.Now().UTC().Add(time.Hour).Truncate(time.Minute)
	w.run.Spec.Windows = []v1alpha1.Window{{Schedule: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: metav1.Duration{Duration: time.Hour}}}
	w.ok(w.api.Update(w.ctx(), w.run))
	w.Eventually(func() string { return w.step(p.Run).Reason }).WithTimeout(patience).WithPolling(glance).Should(Equal(v1alpha1.ReasonOutsideWindow))
	w.Expect(w.draining()).To(BeEmpty())
	w.Expect(w.step(p.Run).Message).To(And(HavePrefix("1 left to be "), ContainSubstring("; no further node begins before the next of spec.windows opens, ")))

	w.pass(time.Hour)
	w.begun(p)
	w.Expect(w.draining()).To(Equal([]string{"a"}))
}
