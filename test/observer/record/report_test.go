package record_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

func TestNodes(t *testing.T) {
	s := begin(t, record.Node{Name: "b1", Pool: "general"}, record.Node{Name: "b2", Pool: "general"})
	s.after("1s", record.Node{Name: "c", Pool: "run-canary-0", Canary: true})
	s.after("1s", record.NodeGone{Name: "c"})
	s.after("1s", record.Node{Name: "g1", Pool: "general-green"}, record.Node{Name: "g2", Pool: "general-green"})
	s.after("1s", record.NodeGone{Name: "b1"}, record.NodeGone{Name: "b2"})
	s.Expect(s.report().Nodes).To(Equal(report.Nodes{BlueBefore: 2, GreenAfter: 2, BlueAfter: 0, Peak: 4}))
}

func TestVersionsPhasesAndDuration(t *testing.T) {
	s := begin(t, record.Release{Version: "1.0.8"})
	s.after("30s")
	start := s.clock.Now()
	run := record.Run{Name: "up", Steps: []record.Step{{Name: "Preflight", State: "Running", Started: start}, {Name: "Backup", State: "Pending"}}}
	s.now(run)
	s.after("4s")
	run.Steps = []record.Step{{Name: "Preflight", State: "Done", Started: start, End: s.clock.Now()}, {Name: "Backup", State: "Running", Started: s.clock.Now()}}
	s.now(run)
	s.after("6s", record.Release{Version: "1.14.1"})
	s.Expect(s.recorder.RunEnded("up")).To(BeFalse())
	run.Ended = true
	s.now(run)
	s.after("50s", run)

	r := s.report()
	s.Expect(s.recorder.RunEnded("up")).To(BeTrue())
	s.Expect(s.recorder.RunEnded("another")).To(BeFalse())
	s.Expect(r.From).To(Equal("1.0.8"))
	s.Expect(r.To).To(Equal("1.14.1"))
	s.Expect(r.DurationSeconds).To(BeNumerically("~", 10, 0.001))
	s.Expect(r.Phases).To(HaveExactElements(
		report.Phase{Name: "Preflight", State: "Done", Seconds: 4}, HaveField("Name", Equal("Backup"))))
}

func TestSeriesHasEveryChangeButNotMoreThanFourASecond(t *testing.T) {
	s := begin(t, deployment("web", 1), replicaSet("web", "1"), readyPod("web-1", "a"))
	s.after("1s", record.Node{Name: "b1", Pool: "general"})
	s.after("100ms", record.Node{Name: "b2", Pool: "general"})
	s.after("100ms", record.Node{Name: "b3", Pool: "general"})
	s.after("250ms", record.Tick{})
	s.after("10s", record.Tick{})
	s.after("1s", record.NodeGone{Name: "b3"})
	s.Expect(s.report().Series).To(HaveExactElements(
		And(HaveField("T", BeZero()), HaveField("Blue", Equal(0)), HaveField("Ready", Equal(1)), HaveField("Wanted", Equal(1))),
		And(HaveField("T", BeNumerically("~", 1, 0.001)), HaveField("Blue", Equal(1))),
		And(HaveField("T", BeNumerically("~", 1.45, 0.001)), HaveField("Blue", Equal(3))),
		And(HaveField("T", BeNumerically("~", 12.45, 0.001)), HaveField("Blue", Equal(2)))))
}

func TestSeriesShowsTheNewestChangeAtOnce(t *testing.T) {
	s := begin(t)
	s.after("1s", record.Node{Name: "b1", Pool: "general"})
	s.after("10ms", record.Node{Name: "b2", Pool: "general"})
	series := s.report().Series
	s.Expect(series[len(series)-1].Blue).To(Equal(2))
}

func TestSeriesIsBounded(t *testing.T) {
	s := begin(t)
	for i := range 20_000 {
		s.after("300ms", record.Node{Name: fmt.Sprintf("n%d", i), Pool: "general"})
	}
	series := s.report().Series
	s.Expect(len(series)).To(And(BeNumerically(">", 500), BeNumerically("<=", 2000)))
	s.Expect(series[0].T).To(BeZero())
	s.Expect(series[len(series)-1].Blue).To(Equal(20_000))
}

func TestReportBeforeAnythingWasSeen(t *testing.T) {
	g := NewWithT(t)
	s := begin(t)
	r := record.New(record.Options{}).Report(s.clock.Now())
	g.Expect(r.DurationSeconds).To(BeZero())
	g.Expect(r.MarksLeft).To(Equal(-1), "nobody has looked for marks")
}
