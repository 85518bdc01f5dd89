package aws_test

import (
	"fmt"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

const queueURL = "https://sqs.us-west-2.amazonaws.com/123456789012/sandbox"

func TestLongPolling(t *testing.T) {
	g := NewWithT(t)
	clk := clocktesting.NewFakeClock(today)
	e := start(t, func(c *aws.Config) { c.Clock = clk })
	api := sqs.NewFromConfig(e.config())
	poll := func() <-chan int {
		got := make(chan int, 1)
		go func() {
			out, err := api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
				QueueUrl: sdk.String(queueURL), WaitTimeSeconds: 20, VisibilityTimeout: 30,
			})
			if err != nil {
				t.Errorf("receiving: %v", err)
				return
			}
			got <- len(out.Messages)
		}()
		g.Eventually(clk.HasWaiters, patience).Should(BeTrue())
		return got
	}

	got := poll()
	clk.Step(20 * time.Second)
	g.Eventually(got, patience).Should(Receive(Equal(0)), "nothing came")

	got = poll()
	_, err := e.Send(control.Message{Body: "hello"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(got, patience).Should(Receive(Equal(1)), "a message wakes the poll")
	g.Expect(e.State().Queues).To(ConsistOf(control.Queue{Name: "sandbox", InFlight: 1}))

	got = poll()
	clk.Step(20 * time.Second)
	g.Eventually(got, patience).Should(Receive(Equal(0)), "a received message is hidden")
	got = poll()
	clk.Step(10 * time.Second)
	g.Eventually(got, patience).Should(Receive(Equal(1)), "a message that nobody deleted comes back")
}

func TestMessagesAreTakenInBatches(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := sqs.NewFromConfig(e.config())
	for n := range 12 {
		_, err := e.Send(control.Message{Body: fmt.Sprint(n)})
		g.Expect(err).NotTo(HaveOccurred())
	}
	receive := func() *sqs.ReceiveMessageOutput {
		out, err := api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: sdk.String(queueURL), MaxNumberOfMessages: 10, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		g.Expect(err).NotTo(HaveOccurred())
		return out
	}
	first := receive()
	g.Expect(first.Messages).To(HaveLen(10))
	g.Expect(*first.Messages[0].Body).To(Equal("0"))
	g.Expect(first.Messages[0].Attributes).To(HaveKeyWithValue("ApproximateReceiveCount", "1"))
	g.Expect(receive().Messages).To(HaveLen(2))
	for range 2 {
		_, err := api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{
			QueueUrl: sdk.String(queueURL), ReceiptHandle: first.Messages[0].ReceiptHandle,
		})
		g.Expect(err).NotTo(HaveOccurred(), "deleting twice is no error")
	}
	g.Expect(e.State().Queues[0].InFlight).To(Equal(11))
	_, err := api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{
		QueueUrl: sdk.String("https://sqs.us-west-2.amazonaws.com/000000000000/sandbox"), ReceiptHandle: sdk.String("x"),
	})
	g.Expect(err).To(failWith("AWS.SimpleQueueService.NonExistentQueue"))
}

func TestEventsHaveTheFormOfEventBridge(t *testing.T) {
	e := start(t)
	for _, tc := range []struct {
		message control.Message
		parts   []string
	}{
		{control.Message{Kind: control.RebalanceRecommendation}, []string{`"detail-type":"EC2 Instance Rebalance Recommendation"`, `"source":"aws.ec2"`}},
		{control.Message{Kind: control.StateChange, State: "stopping"}, []string{`"detail-type":"EC2 Instance State-change Notification"`, `"state":"stopping"`}},
		{control.Message{Kind: control.ScheduledChange}, []string{`"source":"aws.health"`, `"service":"EC2"`, `"eventTypeCategory":"scheduledChange"`, `{"entityValue":"i-0123456789abcdef0"}`}},
	} {
		t.Run(string(tc.message.Kind), func(t *testing.T) {
			g := NewWithT(t)
			tc.message.InstanceID = "i-0123456789abcdef0"
			sent, err := e.Send(tc.message)
			g.Expect(err).NotTo(HaveOccurred())
			for _, p := range append(tc.parts, `"account":"123456789012"`, "i-0123456789abcdef0") {
				g.Expect(sent.Body).To(ContainSubstring(p))
			}
		})
	}
}
