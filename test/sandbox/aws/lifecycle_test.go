package aws_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// recorder is a Booter that writes down its calls.
type recorder struct {
	mu    sync.Mutex
	calls []string
	// failures is how many calls are going to fail.
	failures int
	last     aws.Instance
}

func (r *recorder) record(what string, i aws.Instance) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = i
	if r.failures > 0 {
		r.failures--
		r.calls = append(r.calls, what+" fails")
		return errors.New("not yet")
	}
	r.calls = append(r.calls, what)
	return nil
}

// Boot implements aws.Booter.
func (r *recorder) Boot(_ context.Context, i aws.Instance) error { return r.record("boot", i) }

// Shutdown implements aws.Booter.
func (r *recorder) Shutdown(_ context.Context, i aws.Instance) error { return r.record("shutdown", i) }

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// slow starts an emulator on a clock that the test moves.
func slow(t *testing.T, b *recorder) (*emulator, *clocktesting.FakeClock) {
	t.Helper()
	clk := clocktesting.NewFakeClock(today)
	return start(t, func(c *aws.Config) {
		seconds := func(n int) metav1.Duration { return metav1.Duration{Duration: time.Duration(n) * time.Second} }
		c.Clock, c.Booter = clk, b
		c.Settings = &control.Settings{
			PendingDelay: seconds(5), LaunchDelay: seconds(30), ShutdownDelay: seconds(3), TerminatedVisible: seconds(600), AMIGeneration: 1,
		}
	}), clk
}

// step waits until something waits on the clock, and moves it.
func step(t *testing.T, clk *clocktesting.FakeClock, d time.Duration) {
	t.Helper()
	NewWithT(t).Eventually(clk.HasWaiters, patience).Should(BeTrue())
	clk.Step(d)
}

func TestTheLifeOfAnInstance(t *testing.T) {
	g := NewWithT(t)
	b := &recorder{}
	e, clk := slow(t, b)
	id := e.launch(t, "m5.large", subnetA, "us-west-2a", 1)[0]
	state := e.state(t, id)
	g.Expect(state()).To(Equal("pending"))
	step(t, clk, 4*time.Second)
	g.Consistently(state, 50*time.Millisecond).Should(Equal("pending"))
	step(t, clk, time.Second)
	g.Eventually(state, patience).Should(Equal("running"))
	step(t, clk, 24*time.Second)
	g.Consistently(b.seen, 50*time.Millisecond).Should(BeEmpty(), "the launch delay counts from the launch")
	step(t, clk, time.Second)
	g.Eventually(b.seen, patience).Should(Equal([]string{"boot"}))
	g.Expect(b.last.ID).To(Equal(id))
	g.Expect(string(b.last.UserData)).To(Equal("#!/bin/bash\n"))
	g.Eventually(func() bool { return e.State().Instances[0].Booted }, patience).Should(BeTrue())

	_, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(state()).To(Equal("shutting-down"))
	step(t, clk, 3*time.Second)
	g.Eventually(state, patience).Should(Equal("terminated"))
	g.Eventually(b.seen, patience).Should(Equal([]string{"boot", "shutdown"}))
	i := e.describe(t, id)
	g.Expect(*i.StateTransitionReason).To(HavePrefix("User initiated ("))
	g.Expect(i.PrivateIpAddress).To(BeNil(), "a terminated instance has no network")
	again, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	g.Expect(err).NotTo(HaveOccurred(), "terminating twice is no error")
	g.Expect(again.TerminatingInstances[0].PreviousState.Name).To(BeEquivalentTo("terminated"))

	step(t, clk, 10*time.Minute)
	g.Eventually(func() error {
		_, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		return err
	}, patience).Should(failWith("InvalidInstanceID.NotFound"))
	_, err = e.ec2().CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags("a", "b")})
	g.Expect(err).To(failWith("InvalidInstanceID.NotFound"))
}

func TestAnInstanceThatIsTerminatedEarlyNeverBoots(t *testing.T) {
	g := NewWithT(t)
	b := &recorder{}
	e, clk := slow(t, b)
	id := e.launch(t, "m5.large", subnetA, "us-west-2a", 1)[0]
	_, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	g.Expect(err).NotTo(HaveOccurred())
	step(t, clk, 3*time.Second)
	g.Eventually(e.state(t, id), patience).Should(Equal("terminated"))
	step(t, clk, time.Minute)
	g.Expect(b.seen()).To(BeEmpty(), "no boot, and so no shutdown either")
}

func TestABooterThatFailsIsCalledAgain(t *testing.T) {
	g := NewWithT(t)
	b := &recorder{failures: 2}
	e, clk := slow(t, b)
	e.launch(t, "m5.large", subnetA, "us-west-2a", 1)
	step(t, clk, 5*time.Second)
	g.Eventually(func() string { return e.State().Instances[0].State }, patience).Should(Equal("running"))
	step(t, clk, 25*time.Second)
	for n := range 2 {
		g.Eventually(b.seen, patience).Should(HaveLen(n + 1))
		g.Expect(e.State().Instances[0].Booted).To(BeFalse())
		step(t, clk, time.Second)
	}
	g.Eventually(b.seen, patience).Should(Equal([]string{"boot fails", "boot fails", "boot"}))
}

func TestInstancesThatAWSTakesAway(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	e.template(t, "launch", "x86_64")
	out := e.fleet(t, "spot", 1, override("m5.large", subnetA, "us-west-2a"))
	id := launched(out)[0]
	g.Expect(e.control.TerminateInstance(t.Context(), id)).To(Succeed())
	g.Eventually(e.state(t, id), patience).Should(Equal("terminated"))
	g.Expect(*e.describe(t, id).StateReason.Code).To(Equal("Server.SpotInstanceTermination"))
	g.Expect(e.control.TerminateInstance(t.Context(), "i-0000000000000000a")).To(MatchError(ContainSubstring("InvalidInstanceID.NotFound")))
}

func TestHealthOfInstances(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	ids := e.launch(t, "m5.large", subnetA, "us-west-2a", 2)
	for _, id := range ids {
		g.Eventually(e.state(t, id), patience).Should(Equal("running"))
	}
	list := func(f ec2types.Filter) []ec2types.InstanceStatus {
		out, err := e.ec2().DescribeInstanceStatus(t.Context(), &ec2.DescribeInstanceStatusInput{Filters: []ec2types.Filter{f}})
		g.Expect(err).NotTo(HaveOccurred())
		return out.InstanceStatuses
	}
	impaired := where("instance-status.status", "impaired")
	g.Expect(list(impaired)).To(BeEmpty())
	g.Expect(list(where("system-status.status", "ok"))).To(HaveLen(2))

	g.Expect(e.control.SetInstanceHealth(t.Context(), ids[0], control.Health{InstanceImpaired: true, Event: "instance-retirement"})).To(Succeed())
	found := list(impaired)
	g.Expect(found).To(HaveLen(1))
	g.Expect(*found[0].InstanceId).To(Equal(ids[0]))
	g.Expect(found[0].InstanceStatus.Details[0].Status).To(BeEquivalentTo("failed"))
	g.Expect(*found[0].InstanceStatus.Details[0].ImpairedSince).To(BeTemporally(">=", *e.describe(t, ids[0]).LaunchTime))
	g.Expect(list(where("event.code", "instance-retirement", "instance-stop"))).To(HaveLen(1))
}
