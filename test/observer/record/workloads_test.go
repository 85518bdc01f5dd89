package record_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

func TestPodSecondsAndOutages(t *testing.T) {
	s := begin(t,
		deployment("web", 2), replicaSet("web", "1"), readyPod("web-1", "a"), readyPod("web-1", "b"),
	)
	s.after("10s")
	s.clean()

	leaving := readyPod("web-1", "a")
	leaving.Terminating = true
	s.after("1s", leaving)                  // one of two
	s.after("2s", record.PodGone{UID: "b"}) // none
	s.after("3s", record.PodGone{UID: "a"}) // still none: it did not count any more
	s.after("1s", readyPod("web-1", "c"))   // one of two
	s.after("5s", pendingPod("web-1", "d")) // still one
	s.after("1s", readyPod("web-1", "d"))   // complete again
	s.after("100s", record.Tick{})          // and nothing happens

	r := s.report()
	s.Expect(r.PodSecondsBelowDesired).To(BeNumerically("~", 1*2+2*4+1*6, 0.001))
	s.Expect(r.LongestOutageSeconds).To(BeNumerically("~", 4, 0.001))
	s.Expect(r.SingletonDowntimeSeconds).To(BeZero(), "it is no singleton")
	s.Expect(r.Outages).To(HaveLen(1))
	s.Expect(r.Outages[0].Workload).To(Equal("Deployment/shop/web"))
	s.Expect(r.Lost).To(BeEmpty())
}

func TestSingletonDown(t *testing.T) {
	s := begin(t, deployment("billing", 1), replicaSet("billing", "1"), readyPod("billing-1", "a"))
	s.after("10s", record.PodGone{UID: "a"})
	s.after("1500ms", readyPod("billing-1", "b"))
	s.after("10s", record.PodGone{UID: "b"})
	s.after("500ms", readyPod("billing-1", "c"))
	s.Expect(s.report().SingletonDowntimeSeconds).To(BeNumerically("~", 2, 0.001))
	s.Expect(s.report().LongestOutageSeconds).To(BeNumerically("~", 1.5, 0.001))
}

func TestSingletonThatSurgesIsNeverDown(t *testing.T) {
	s := begin(t, deployment("billing", 1), replicaSet("billing", "1"), readyPod("billing-1", "a"))
	// The pods of the new ReplicaSet may be seen before it.
	s.after("1s", pendingPod("billing-2", "b"))
	s.after("1s", replicaSet("billing", "2"))
	s.after("5s", readyPod("billing-2", "b"))
	s.after("1s", record.PodGone{UID: "a"})
	s.after("1s", record.Tick{})
	s.clean()
}

func TestWhatDoesNotCount(t *testing.T) {
	s := begin(t,
		// not complete yet
		deployment("new", 3), replicaSet("new", "1"), pendingPod("new-1", "n1"),
		// the platform's own
		record.Workload{UID: "karpenter", Kind: "Deployment", Key: record.Key{Namespace: "karpenter", Name: "karpenter"}, Desired: 2},
		// pods of a DaemonSet are missing whenever a node is new
		record.Workload{UID: "agent", Kind: "DaemonSet", Key: key("agent"), Desired: 1}, readyPod("agent", "agent-a"),
		// deleted by its user
		deployment("old", 1), replicaSet("old", "1"), readyPod("old-1", "o1"),
	)
	s.after("5s", readyPod("new-1", "n1"), readyPod("new-1", "n2"), readyPod("new-1", "n3"))
	s.after("1s", record.Workload{UID: "agent", Kind: "DaemonSet", Key: key("agent"), Desired: 2})
	s.after("9s", readyPod("agent", "agent-b"))
	s.after("1s", record.WorkloadGone{UID: "old"})
	s.after("1s", record.PodGone{UID: "o1"})
	s.after("10s", record.Tick{})
	s.clean()
}

func TestLosses(t *testing.T) {
	s := begin(t,
		readyPod("", "debug"), readyPod("", "moved"), readyPod("", "finished"),
		deployment("web", 2), replicaSet("web", "1"), readyPod("web-1", "a"), readyPod("web-1", "b"),
		record.Job{UID: "old", Key: key("old"), Failed: "BackoffLimitExceeded"},
		record.Job{UID: "report", Key: key("report")},
	)
	s.clean()
	s.after("1s", record.PodGone{UID: "debug"}, record.PodGone{UID: "moved"}, record.PodGone{UID: "b"})
	again := readyPod("", "moved")
	again.UID = "another"
	ended := readyPod("", "finished")
	ended.Ready, ended.Ended = false, true
	s.after("1s", again, ended)
	s.after("1s", record.PodGone{UID: "finished"}, record.Job{UID: "report", Key: key("report"), Failed: "BackoffLimitExceeded"})

	r := s.report()
	s.Expect(r.PodsLost).To(Equal(3))
	s.Expect(r.Lost).To(ConsistOf(
		HaveField("Kind", Equal(report.BarePodGone)), HaveField("Kind", Equal(report.JobFailed)), HaveField("Kind", Equal(report.Incomplete))))
	s.Expect(r.Lost).To(ConsistOf(
		HaveField("Object", Equal("Pod/shop/debug")), HaveField("Object", Equal("Job/shop/report")), HaveField("Object", Equal("Deployment/shop/web"))))
}
