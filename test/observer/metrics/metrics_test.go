package metrics_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/metrics"
)

const exposed = `# HELP dispatched_total Requests.
# TYPE dispatched_total counter
dispatched_total{flow_schema="a",note="with \"quotes\" and {braces}"} 3
dispatched_total{flow_schema="b"} 1.2e+03
# TYPE dispatched_total_seconds histogram
dispatched_total_seconds_bucket{le="+Inf"} 9
# TYPE leads gauge
leads 1
`

func TestSelect(t *testing.T) {
	g := NewWithT(t)
	samples, err := metrics.Select(strings.NewReader(exposed), "dispatched_total")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(samples).To(ConsistOf(
		metrics.Sample{Labels: map[string]string{"flow_schema": "a", "note": `with "quotes" and {braces}`}, Value: 3},
		metrics.Sample{Labels: map[string]string{"flow_schema": "b"}, Value: 1200},
	))
	samples, err = metrics.Select(strings.NewReader(exposed), "leads")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(samples).To(ConsistOf(metrics.Sample{Labels: map[string]string{}, Value: 1}))
	g.Expect(metrics.Select(strings.NewReader(exposed), "absent")).To(BeEmpty())
}

func TestSelectSaysWhatIsWrong(t *testing.T) {
	g := NewWithT(t)
	_, err := metrics.Select(strings.NewReader("leads one\n"), "leads")
	g.Expect(err).To(MatchError(ContainSubstring("leads")))
	_, err = metrics.Select(iotest.ErrReader(errors.New("cut off")), "leads")
	g.Expect(err).To(MatchError(ContainSubstring("cut off")))
}
