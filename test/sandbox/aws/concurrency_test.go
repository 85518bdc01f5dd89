package aws_test

import (
	"context"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

func TestManyCallersAtOnce(t *testing.T) {
	g := NewWithT(t)
	b := &recorder{}
	e := start(t, func(c *aws.Config) { c.Booter = b })
	e.template(t, "launch", "x86_64")
	before := e.State().Subnets
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			api := e.ec2()
			for range 5 {
				out, err := api.CreateFleet(t.Context(), fleetInput("launch", "spot", 3, override("m5.large", subnetA, "us-west-2a")))
				if err != nil || len(launched(out)) != 3 {
					t.Errorf("launching: %v, %v", out, err)
					return
				}
				ids := launched(out)
				_, err = api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: ids, Tags: tags("round", "1")})
				_, err2 := api.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
				_, err3 := api.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids})
				if failed := lo.Compact([]error{err, err2, err3}); len(failed) > 0 {
					t.Errorf("using %v: %v", ids, failed)
				}
			}
		})
	}
	callers.Wait()
	all := e.State().Instances
	g.Expect(all).To(HaveLen(8 * 5 * 3))
	g.Expect(lo.UniqBy(all, func(i control.Instance) string { return i.ID })).To(HaveLen(len(all)))
	g.Eventually(func() []control.Subnet { return e.State().Subnets }, patience).Should(Equal(before), "every address comes back")
	boots := lo.CountValues(b.seen())
	g.Eventually(func() int { return lo.CountValues(b.seen())["shutdown"] }, patience).Should(Equal(boots["boot"]))
}

func TestServingEndsWhileCallersWait(t *testing.T) {
	g := NewWithT(t)
	var e *emulator
	polled := make(chan struct{})
	t.Run("an emulator with a poll under way", func(t *testing.T) {
		clk := clocktesting.NewFakeClock(today)
		e = start(t, func(c *aws.Config) { c.Clock = clk })
		api := sqs.NewFromConfig(e.config())
		go func() {
			defer close(polled)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, _ = api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: sdk.String(queueURL), WaitTimeSeconds: 20})
		}()
		g.Eventually(clk.HasWaiters, patience).Should(BeTrue())
	})
	// The emulator has ended with its test.
	g.Eventually(polled, 15*time.Second).Should(BeClosed())
	g.Expect(e.control.Healthy(t.Context())).NotTo(Succeed())
}
