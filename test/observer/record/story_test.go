package record_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

// story tells a Recorder what happens, at the times of a clock that it turns itself.
type story struct {
	*WithT
	clock    *testingclock.FakePassiveClock
	recorder *record.Recorder
}

// begin begins with a cluster in which these things exist.
func begin(t *testing.T, existing ...record.Event) *story {
	t.Helper()
	s := &story{
		WithT:    NewWithT(t),
		clock:    testingclock.NewFakePassiveClock(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)),
		recorder: record.New(record.Options{Platform: []string{"karpenter", "kube-system"}}),
	}
	s.now(existing...)
	s.after("0s", record.Synced{BluePools: []string{"general"}})
	return s
}

func (s *story) now(events ...record.Event) {
	for _, e := range events {
		s.recorder.Apply(s.clock.Now(), e)
	}
}

// after lets time pass before things happen.
func (s *story) after(d string, events ...record.Event) {
	duration, err := time.ParseDuration(d)
	s.Expect(err).NotTo(HaveOccurred())
	s.clock.SetTime(s.clock.Now().Add(duration))
	s.now(events...)
}

func (s *story) report() report.Report { return s.recorder.Report(s.clock.Now()) }

// clean expects a report in which nothing went wrong.
func (s *story) clean() {
	r := s.report()
	s.Expect(r.Violations).To(BeEmpty())
	s.Expect(r.Lost).To(BeEmpty())
	s.Expect(r.TwoLeaderSeconds).To(BeZero())
	s.Expect(r.LeaderlessSeconds).To(BeZero())
	s.Expect(r.PodSecondsBelowDesired).To(BeZero())
	s.Expect(r.LongestOutageSeconds).To(BeZero())
	s.Expect(r.SingletonDowntimeSeconds).To(BeZero())
}

func key(name string) record.Key { return record.Key{Namespace: "shop", Name: name} }

func deployment(name string, replicas int) record.Workload {
	return record.Workload{UID: name, Kind: "Deployment", Key: key(name), Desired: replicas}
}

// replicaSet is that of a deployment.
func replicaSet(deployment, revision string) record.ReplicaSet {
	return record.ReplicaSet{UID: deployment + "-" + revision, Deployment: deployment}
}

func readyPod(owner, name string) record.Pod {
	return record.Pod{UID: name, Key: key(name), Owner: owner, Ready: true}
}

func pendingPod(owner, name string) record.Pod {
	return record.Pod{UID: name, Key: key(name), Owner: owner, Pending: true}
}
