package record_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

func controller(namespace, name, version string) record.Controller {
	return record.Controller{
		UID: namespace + name, Key: record.Key{Namespace: namespace, Name: name}, Release: "karpenter", Version: version, Running: true,
	}
}

func stopping(c record.Controller) record.Controller {
	c.Stopping = true
	return c
}

// held is the Lease of a namespace, renewed now.
func (s *story) held(namespace, holder string) record.Lease {
	return record.Lease{Namespace: namespace, Holder: holder, Renewed: s.clock.Now(), Duration: 15 * time.Second}
}

var (
	blue  = controller("karpenter", "blue", "1.0.8")
	green = controller("karpenter", "green", "1.14.1")
	other = controller("other", "green", "1.14.1")
)

// led begins with blue leading and green standing by.
func led(t *testing.T) *story {
	t.Helper()
	s := begin(t, blue, green, other)
	s.now(s.held("karpenter", "blue_1"))
	return s
}

func TestHandover(t *testing.T) {
	s := led(t)
	s.after("2s", s.held("karpenter", "blue_1"))
	s.after("5s", stopping(blue))
	s.after("1s", record.ControllerGone{UID: blue.UID})
	s.after("2s")
	s.now(s.held("karpenter", "green_1"))
	s.after("10s", record.Tick{})

	r := s.report()
	s.Expect(r.LeaderlessSeconds).To(BeNumerically("~", 3, 0.001))
	s.Expect(r.Leaderless).To(HaveLen(1))
	s.Expect(r.Leaderless[0]).To(And(
		HaveField("From", Equal("karpenter/blue (1.0.8)")), HaveField("To", Equal("karpenter/green (1.14.1)")),
		HaveField("Seconds", BeNumerically("~", 3, 0.001)), HaveField("StoppingSeconds", BeNumerically("~", 1, 0.001))))
	s.Expect(r.TwoLeaderSeconds).To(BeZero())
	s.Expect(r.Leaders).To(HaveExactElements(
		And(HaveField("Pod", Equal("karpenter/blue")), HaveField("Version", Equal("1.0.8")), HaveField("Seconds", BeNumerically("~", 7, 0.001))),
		And(HaveField("Pod", Equal("karpenter/green")), HaveField("Version", Equal("1.14.1")), HaveField("Seconds", BeNumerically("~", 10, 0.001)))))
}

func TestLeaseThatExpires(t *testing.T) {
	s := led(t)
	s.after("60s", record.Tick{})
	s.Expect(s.report().LeaderlessSeconds).To(BeNumerically("~", 45, 0.001), "it led for the 15 s of its Lease")
	s.Expect(s.report().Leaderless[0].To).To(BeEmpty())
}

func TestProcessThatIsKilledLeadsNoMore(t *testing.T) {
	s := led(t)
	s.after("1s")
	crashed := blue
	crashed.Running = false
	s.now(crashed)
	s.after("1s")
	restarted := blue
	restarted.Restarts = 1
	s.now(restarted) // the Lease is still the old process'
	s.after("8s")
	s.now(s.held("karpenter", "blue_2"))
	s.after("1s", record.Tick{})
	s.Expect(s.report().LeaderlessSeconds).To(BeNumerically("~", 9, 0.001))
}

func TestRestartThatWasNotSeenStopped(t *testing.T) {
	s := led(t)
	restarted := blue
	restarted.Restarts = 1
	s.after("1s", restarted)
	s.after("2s", record.Tick{})
	s.Expect(s.report().LeaderlessSeconds).To(BeNumerically("~", 2, 0.001))
}

func TestFencedLeaseMakesNobodyLead(t *testing.T) {
	s := begin(t, blue, green)
	fence := s.held("karpenter", "upgrade-fence")
	fence.Duration = 365 * 24 * time.Hour
	s.now(fence)
	s.after("10s", record.Tick{})
	s.clean()
	s.Expect(s.report().Leaders).To(BeEmpty())
}

func TestTwoLeadersInTwoNamespaces(t *testing.T) {
	s := led(t)
	s.after("1s")
	s.now(s.held("other", "green_1"))
	s.after("2s", record.LeaseGone{Namespace: "other"})
	s.after("1s", record.Tick{})

	r := s.report()
	s.Expect(r.TwoLeaderSeconds).To(BeNumerically("~", 2, 0.001))
	s.Expect(r.Violations).To(ConsistOf(And(
		HaveField("Kind", Equal(report.TwoLeaders)), HaveField("Object", Equal("karpenter/blue (1.0.8), other/green (1.14.1)")),
		HaveField("Seconds", BeNumerically("~", 2, 0.001)))))
	s.Expect(r.LeaderlessSeconds).To(BeZero())
}

func TestLeaderThatWasToldToStopCountsAsTheSecondOne(t *testing.T) {
	s := led(t)
	s.after("1s", stopping(blue))
	s.now(s.held("other", "green_1"))
	s.after("3s", record.ControllerGone{UID: blue.UID})
	s.Expect(s.report().TwoLeaderSeconds).To(BeNumerically("~", 3, 0.001))
	s.Expect(s.report().LeaderlessSeconds).To(BeZero())
}

// sampled is a sample of a pod's metric that took 10 ms.
func (s *story) sampled(c record.Controller, leads bool) record.Sample {
	return record.Sample{UID: c.UID, Sent: s.clock.Now().Add(-10 * time.Millisecond), Received: s.clock.Now(), Read: true, Leads: leads}
}

func TestSecondLeaderByMetric(t *testing.T) {
	s := led(t)
	s.after("1s")
	s.now(s.sampled(green, true))
	s.after("1s")
	s.now(s.sampled(green, true))
	s.after("1s")
	s.now(s.sampled(green, false))
	s.Expect(s.report().TwoLeaderSeconds).To(BeNumerically("~", 0.99, 0.001), "between its two samples green led for sure")
}

func TestMetricProvesNothingAboutTheTimeAfterIt(t *testing.T) {
	s := led(t)
	s.now(s.sampled(blue, true))
	s.after("250ms")
	s.now(s.sampled(blue, true))
	s.after("100ms", record.Lease{Namespace: "karpenter"})
	s.now(s.held("karpenter", "green_1"))
	s.after("150ms")
	s.now(s.sampled(blue, false), s.sampled(green, true))
	s.after("250ms")
	s.now(s.sampled(blue, false), s.sampled(green, true))
	s.Expect(s.report().TwoLeaderSeconds).To(BeZero())
}

func TestMetricOfTheLeaderIsReported(t *testing.T) {
	s := led(t)
	for range 4 {
		s.after("250ms")
		s.now(s.sampled(blue, true))
	}
	s.Expect(s.report().Leaders).To(ConsistOf(HaveField("MetricSeconds", BeNumerically("~", 0.74, 0.001))))
}

func TestPodThatDoesNotAnswerLeadsByNoMetric(t *testing.T) {
	s := led(t)
	s.now(s.sampled(green, true))
	s.after("1s", record.Sample{UID: green.UID, Received: s.clock.Now()})
	s.after("1s")
	s.now(s.sampled(green, true))
	s.Expect(s.report().TwoLeaderSeconds).To(BeZero())
}
