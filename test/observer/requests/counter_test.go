package requests

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func reading(g *WithT, counts map[string]int) Totals {
	var text strings.Builder
	for schema, n := range counts {
		fmt.Fprintf(&text, "%s{flow_schema=%q,priority_level=\"workload-low\"} %d\n", dispatched, schema, n)
	}
	totals, err := parse(strings.NewReader(text.String()))
	g.Expect(err).NotTo(HaveOccurred())
	return totals
}

func TestCounter(t *testing.T) {
	g := NewWithT(t)
	var c Counter
	g.Expect(c.ByClient()).To(BeEmpty())
	c.Add(reading(g, map[string]int{"observer-operator": 100, "exempt": 7, "service-accounts": 5}))
	g.Expect(c.ByClient()).To(BeEmpty(), "what was before does not count")
	c.Add(reading(g, map[string]int{"observer-operator": 110, "exempt": 7, "service-accounts": 6, "kube-scheduler": 3, "kube-controller-manager": 4}))
	g.Expect(c.ByClient()).To(Equal(map[string]int64{Operator: 10, Others: 1, KubeSystem: 7}))

	// The API server was started again.
	c.Add(reading(g, map[string]int{"observer-operator": 2, "exempt": 9}))
	g.Expect(c.ByClient()).To(Equal(map[string]int64{Operator: 12, Others: 1, KubeSystem: 7, Privileged: 2}))
}
