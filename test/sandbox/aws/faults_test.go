package aws_test

import (
	"context"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// subnets calls DescribeSubnets.
func (e *emulator) subnets(ctx context.Context, change ...func(*sdk.Config)) error {
	cfg := e.config()
	for _, c := range change {
		c(&cfg)
	}
	_, err := ec2.NewFromConfig(cfg).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	return err
}

func TestThrottlingThatEnds(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	f, err := e.control.AddFault(t.Context(), control.Fault{Service: "ec2", Action: "Describe*", Code: "RequestLimitExceeded", Count: 2})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.subnets(t.Context())).To(failWith("RequestLimitExceeded", f.ID))
	g.Expect(e.subnets(t.Context(), func(c *sdk.Config) {
		c.Retryer = func() sdk.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		}
	})).To(Succeed(), "the SDK takes the error for throttling, tries again, and succeeds")
	faults, err := e.control.Faults(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(faults).To(HaveLen(1))
	g.Expect(faults[0].Hits).To(Equal(2))
}

func TestFaultsSpeakEveryProtocol(t *testing.T) {
	e := start(t)
	cfg := e.config()
	e.AddFaultFor(t, control.Fault{Code: "AccessDeniedException", Message: "no means no", Status: 403})
	for name, call := range map[string]func(ctx context.Context) error{
		"ec2": e.subnetsOnly,
		"iam": func(ctx context.Context) error {
			_, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: sdk.String("x")})
			return err
		},
		"eks": func(ctx context.Context) error {
			_, err := eks.NewFromConfig(cfg).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: sdk.String("x")})
			return err
		},
		"ssm": func(ctx context.Context) error {
			_, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: sdk.String("x")})
			return err
		},
		"sqs": func(ctx context.Context) error {
			_, err := sqs.NewFromConfig(cfg).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: sdk.String("x")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(call(t.Context())).To(failWith("AccessDeniedException", "no means no"))
		})
	}
}

// AddFaultFor puts a fault in force.
func (e *emulator) AddFaultFor(t *testing.T, f control.Fault) control.Fault {
	t.Helper()
	f, err := e.AddFault(f)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return f
}

func (e *emulator) subnetsOnly(ctx context.Context) error { return e.subnets(ctx) }

func TestFaultsHitThoseTheyAreAimedAt(t *testing.T) {
	as := func(key string) func(*sdk.Config) {
		return func(c *sdk.Config) { c.Credentials = credentials.NewStaticCredentialsProvider(key, "secret", "") }
	}
	for name, tc := range map[string]struct {
		fault control.Fault
		hits  bool
	}{
		"everything":                     {control.Fault{}, true},
		"the service and action":         {control.Fault{Service: "ec2", Action: "DescribeSubnets"}, true},
		"another service":                {control.Fault{Service: "iam"}, false},
		"another action":                 {control.Fault{Service: "ec2", Action: "DescribeImages"}, false},
		"the access key":                 {control.Fault{Principal: "AKIDBLUE"}, true},
		"another access key":             {control.Fault{Principal: "AKIDGREEN"}, false},
		"the pod":                        {control.Fault{Principal: "karpenter-*"}, true},
		"another pod":                    {control.Fault{Principal: "karpenter-green-*"}, false},
		"half of the calls, this one":    {control.Fault{Probability: 0.6}, true},
		"half of the calls, not this on": {control.Fault{Probability: 0.4}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			e := start(t, func(c *aws.Config) {
				c.Pod = func(key string) string { return map[string]string{"AKIDBLUE": "karpenter-7f9c-x2"}[key] }
				c.Random = func() float64 { return 0.5 }
			})
			tc.fault.Code = "UnauthorizedOperation"
			e.AddFaultFor(t, tc.fault)
			err := e.subnets(t.Context(), as("AKIDBLUE"))
			if tc.hits {
				g.Expect(err).To(failWith("UnauthorizedOperation"))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestLatency(t *testing.T) {
	g := NewWithT(t)
	clk := clocktesting.NewFakeClock(today)
	e := start(t, func(c *aws.Config) { c.Clock = clk })
	e.AddFaultFor(t, control.Fault{Action: "DescribeSubnets", Latency: metav1.Duration{Duration: time.Minute}})
	done := make(chan error, 1)
	go func() { done <- e.subnets(t.Context()) }()
	g.Eventually(clk.HasWaiters, patience).Should(BeTrue())
	clk.Step(59 * time.Second)
	g.Consistently(done, 50*time.Millisecond).ShouldNot(Receive())
	clk.Step(time.Second)
	g.Eventually(done, patience).Should(Receive(BeNil()), "without a code the call goes on")
	g.Eventually(func() []control.Request { return e.Requests(control.RequestFilter{}).Requests }, patience).Should(HaveLen(1))
	g.Expect(e.Requests(control.RequestFilter{}).Requests[0].DurationMillis).To(BeNumerically(">=", 60000))
}

func TestFaultsAreRemoved(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	f := e.AddFaultFor(t, control.Fault{Code: "InternalError"})
	g.Expect(e.subnets(t.Context())).To(failWith("InternalError"))
	g.Expect(e.control.RemoveFault(t.Context(), f.ID)).To(Succeed())
	g.Expect(e.control.RemoveFault(t.Context(), f.ID)).To(MatchError(ContainSubstring("there is none of that id")))
	g.Expect(e.subnets(t.Context())).To(Succeed())
	e.AddFaultFor(t, control.Fault{Code: "InternalError"})
	g.Expect(e.control.ClearFaults(t.Context())).To(Succeed())
	g.Expect(e.subnets(t.Context())).To(Succeed())
}

func TestFaultsThatCannotBe(t *testing.T) {
	e := start(t)
	for name, f := range map[string]control.Fault{
		"nothing to do":        {Service: "ec2"},
		"a negative count":     {Code: "X", Count: -1},
		"a sure probability":   {Code: "X", Probability: 1.5},
		"a status of success":  {Code: "X", Status: 200},
		"a latency backwards ": {Latency: metav1.Duration{Duration: -time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.control.AddFault(t.Context(), f)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}
