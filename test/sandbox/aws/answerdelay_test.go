package aws_test

import (
	"net/http"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// TestLongAnswersReachAnUnmodifiedSDK fails without the answer delay: the SDK then loses four in ten of the long answers
// and asks again. A few may be lost on a busy machine all the same.
func TestLongAnswersReachAnUnmodifiedSDK(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) { c.AnswerDelay = 0 })
	e.launch(t, "m5.large", subnetA, "us-west-2a", 30)
	const calls, tolerated = 60, 5
	for range calls {
		cfg := e.config()
		cfg.HTTPClient = &http.Client{Transport: &http.Transport{}}
		cfg.Retryer = func() sdk.Retryer { return retry.NewStandard() }
		out, err := ec2.NewFromConfig(cfg).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(instances(out)).To(HaveLen(30))
	}
	made := len(e.Requests(control.RequestFilter{Action: "DescribeInstances"}).Requests)
	g.Expect(made).To(BeNumerically("<=", calls+tolerated), "calls that were made again")
}
