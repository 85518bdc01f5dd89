package aws_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"
)

// raw sends a request as it stands, signed for a service in a region unless that is empty.
func (e *emulator) raw(t *testing.T, method, path, body, scope string, headers map[string]string) (int, http.Header, string) {
	t.Helper()
	g := NewWithT(t)
	req, err := http.NewRequestWithContext(t.Context(), method, e.url+path, strings.NewReader(body))
	g.Expect(err).NotTo(HaveOccurred())
	if scope != "" {
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20261121/"+scope+"/aws4_request, SignedHeaders=host, Signature=0")
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return resp.StatusCode, resp.Header, string(answer)
}

var (
	form   = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	ec2URL = "Version=2016-11-15&Action="
)

func TestRefusalsHaveTheShapeOfTheirProtocol(t *testing.T) {
	e := start(t)
	target := func(name string) map[string]string {
		return map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": name}
	}
	for _, tc := range []struct {
		name, method, path, body, scope string
		headers                         map[string]string
		status                          int
		parts                           []string
	}{
		{
			name: "EC2: an unknown action", method: "POST", path: "/", body: ec2URL + "DescribeHosts", scope: "us-west-2/ec2", headers: form,
			status: 400, parts: []string{"<Response><Errors><Error><Code>InvalidAction</Code>", "DescribeHosts", "<RequestID>"},
		},
		{
			name: "EC2: an unknown version", method: "POST", path: "/", body: "Action=DescribeSubnets&Version=2009-04-04", scope: "us-west-2/ec2",
			headers: form, status: 400, parts: []string{"<Code>NoSuchVersion</Code>", "2009-04-04"},
		},
		{
			name: "EC2: an unknown parameter", method: "POST", path: "/", body: ec2URL + "DescribeSubnets&Colour=blue", scope: "us-west-2/ec2",
			headers: form, status: 400, parts: []string{"<Code>UnknownParameter</Code>", "The parameter Colour is not recognized"},
		},
		{
			name: "EC2: a malformed number", method: "POST", path: "/", body: ec2URL + "DescribeSubnets&MaxResults=many", scope: "us-west-2/ec2",
			headers: form, status: 400, parts: []string{"<Code>InvalidParameterValue</Code>", "Value (many) for parameter MaxResults"},
		},
		{
			name: "EC2: a malformed query", method: "POST", path: "/", body: "Action=%zz", scope: "us-west-2/ec2", headers: form,
			status: 400, parts: []string{"<Code>MalformedQueryString</Code>"},
		},
		{
			name: "EC2: no signature", method: "POST", path: "/", body: ec2URL + "DescribeSubnets", headers: form,
			status: 403, parts: []string{"<Code>MissingAuthenticationToken</Code>"},
		},
		{
			name: "EC2: another region", method: "POST", path: "/", body: ec2URL + "DescribeSubnets", scope: "eu-west-1/ec2", headers: form,
			status: 400, parts: []string{"<Code>SignatureDoesNotMatch</Code>", "eu-west-1"},
		},
		{
			name: "IAM: an unknown action", method: "POST", path: "/", body: "Action=CreateUser&Version=2010-05-08", scope: "us-east-1/iam",
			headers: form, status: 400, parts: []string{"<ErrorResponse xmlns=", "<Type>Sender</Type>", "<Code>InvalidAction</Code>", "<RequestId>"},
		},
		{
			name: "IAM: an absent thing", method: "POST", path: "/", scope: "us-east-1/iam", headers: form,
			body:   "Action=GetInstanceProfile&Version=2010-05-08&InstanceProfileName=x",
			status: 404, parts: []string{"<Code>NoSuchEntity</Code>"},
		},
		{
			name: "SSM: an unknown action", method: "POST", path: "/", body: "{}", scope: "us-west-2/ssm", headers: target("AmazonSSM.PutParameter"),
			status: 400, parts: []string{`"__type":"UnknownOperationException"`, "PutParameter"},
		},
		{
			name: "SSM: an unknown parameter", method: "POST", path: "/", body: `{"Name":"a","Colour":1}`, scope: "us-west-2/ssm",
			headers: target("AmazonSSM.GetParameter"), status: 400, parts: []string{`"__type":"ValidationException"`, "Colour"},
		},
		{
			name: "SSM: no JSON", method: "POST", path: "/", body: "Name=a", scope: "us-west-2/ssm", headers: target("AmazonSSM.GetParameter"),
			status: 400, parts: []string{`"__type":"SerializationException"`},
		},
		{
			name: "SSM: JSON of another type", method: "POST", path: "/", body: `{"Name":[1]}`, scope: "us-west-2/ssm",
			headers: target("AmazonSSM.GetParameter"), status: 400, parts: []string{`"__type":"SerializationException"`},
		},
		{
			name: "SQS: an absent parameter", method: "POST", path: "/", body: `{}`, scope: "us-west-2/sqs", headers: target("AmazonSQS.GetQueueUrl"),
			status: 400, parts: []string{`"__type":"com.amazonaws.sqs#ValidationException"`, "QueueName"},
		},
		{
			name: "EKS: an unknown operation", method: "POST", path: "/clusters", scope: "us-west-2/eks",
			status: 404, parts: []string{`"message":"There is no operation POST /clusters"`},
		},
		{
			name: "EKS: an unknown parameter", method: "GET", path: "/clusters/sandbox/node-groups?colour=blue", scope: "us-west-2/eks",
			status: 400, parts: []string{"colour"},
		},
		{
			name: "an unknown service that speaks JSON", method: "POST", path: "/", body: "{}", scope: "us-west-2/kms",
			headers: target("TrentService.Decrypt"), status: 400, parts: []string{`"__type":"UnknownOperationException"`, "kms"},
		},
		{
			name: "an unknown service that speaks query", method: "POST", path: "/", body: "Action=ListTopics", scope: "us-west-2/sns",
			headers: form, status: 400, parts: []string{"<ErrorResponse", "sns"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			status, header, answer := e.raw(t, tc.method, tc.path, tc.body, tc.scope, tc.headers)
			g.Expect(status).To(Equal(tc.status), answer)
			for _, p := range tc.parts {
				g.Expect(answer).To(ContainSubstring(p))
			}
			g.Expect(header.Get("X-Amzn-Requestid")).NotTo(BeEmpty())
		})
	}
}

func TestAnswersOfEC2HaveItsNamespaceAndARequestID(t *testing.T) {
	g := NewWithT(t)
	_, header, answer := start(t).raw(t, "POST", "/", ec2URL+"DescribeVpcs", "us-west-2/ec2", form)
	g.Expect(answer).To(HavePrefix(`<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>`))
	g.Expect(answer).To(ContainSubstring(header.Get("X-Amzn-Requestid")))
	g.Expect(header.Get("Content-Type")).To(HavePrefix("text/xml"))
}

func TestValuesThatAWSRefuses(t *testing.T) {
	e := start(t)
	api, cfg := e.ec2(), e.config()
	for name, tc := range map[string]struct {
		call func(ctx context.Context) error
		code string
		text string
	}{
		"an unknown filter": {func(ctx context.Context) error {
			_, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("colour", "blue")}})
			return err
		}, "InvalidParameterValue", "The filter 'colour' is invalid"},
		"a filter on tags where there are none": {func(ctx context.Context) error {
			_, err := api.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{where("tag:a", "b")}})
			return err
		}, "InvalidParameterValue", "tag:a"},
		"a filter without values": {func(ctx context.Context) error {
			_, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("state")}})
			return err
		}, "InvalidParameterValue", "no values"},
		"too many filter values": {func(ctx context.Context) error {
			_, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{where("state", make([]string, 201)...)}})
			return err
		}, "FilterLimitExceeded", "200"},
		"too large a page": {func(ctx context.Context) error {
			_, err := api.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{MaxResults: sdk.Int32(101)})
			return err
		}, "InvalidParameterValue", "from 5 to 100"},
		"a token that is none": {func(ctx context.Context) error {
			_, err := api.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{NextToken: sdk.String("abc")})
			return err
		}, "InvalidNextToken", "abc"},
		"a page size with IDs": {func(ctx context.Context) error {
			_, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}, MaxResults: sdk.Int32(5)})
			return err
		}, "InvalidParameterCombination", "instancesSet"},
		"a malformed instance ID": {func(ctx context.Context) error {
			_, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"web-1"}})
			return err
		}, "InvalidInstanceID.Malformed", "web-1"},
		"absent instances": {func(ctx context.Context) error {
			_, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0", "i-0123456789abcdef1"}})
			return err
		}, "InvalidInstanceID.NotFound", "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist"},
		"an absent subnet": {func(ctx context.Context) error {
			_, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-1"}})
			return err
		}, "InvalidSubnetID.NotFound", "subnet-1"},
		"an absent group": {func(ctx context.Context) error {
			_, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"web"}})
			return err
		}, "InvalidGroup.NotFound", "web"},
		"an absent image": {func(ctx context.Context) error {
			_, err := api.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{"ami-1"}})
			return err
		}, "InvalidAMIID.NotFound", "ami-1"},
		"an absent instance type": {func(ctx context.Context) error {
			_, err := api.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{"p5.48xlarge"}})
			return err
		}, "InvalidInstanceType", "p5.48xlarge"},
		"a location type without locations": {func(ctx context.Context) error {
			_, err := api.DescribeInstanceTypeOfferings(ctx, &ec2.DescribeInstanceTypeOfferingsInput{LocationType: "outpost"})
			return err
		}, "InvalidParameterValue", "outpost"},
		"an absent cluster": {func(ctx context.Context) error {
			_, err := eks.NewFromConfig(cfg).ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: sdk.String("other")})
			return err
		}, "ResourceNotFoundException", "other"},
		"an absent node group": {func(ctx context.Context) error {
			_, err := eks.NewFromConfig(cfg).DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: sdk.String("sandbox"), NodegroupName: sdk.String("other")})
			return err
		}, "ResourceNotFoundException", "other"},
		"an absent SSM parameter": {func(ctx context.Context) error {
			_, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: sdk.String("/a")})
			return err
		}, "ParameterNotFound", "/a"},
		"an absent role": {func(ctx context.Context) error {
			_, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: sdk.String("nobody")})
			return err
		}, "NoSuchEntity", "nobody"},
		"prices of another service": {func(ctx context.Context) error {
			_, err := pricing.NewFromConfig(cfg).GetProducts(ctx, &pricing.GetProductsInput{ServiceCode: sdk.String("AmazonS3")})
			return err
		}, "NotFoundException", "AmazonS3"},
		"an unknown price attribute": {func(ctx context.Context) error {
			_, err := pricing.NewFromConfig(cfg).GetProducts(ctx, &pricing.GetProductsInput{ServiceCode: sdk.String("AmazonEC2"), Filters: []pricingtypes.Filter{
				{Type: "TERM_MATCH", Field: sdk.String("colour"), Value: sdk.String("blue")},
			}})
			return err
		}, "InvalidParameterException", "colour"},
		"too many messages": {func(ctx context.Context) error {
			_, err := sqs.NewFromConfig(cfg).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: sdk.String("https://x/123456789012/sandbox"), MaxNumberOfMessages: 11})
			return err
		}, "InvalidParameterValue", "MaxNumberOfMessages"},
		"a session that is too long": {func(ctx context.Context) error {
			_, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{
				RoleArn: sdk.String("arn:aws:iam::123456789012:role/sandbox-node"), RoleSessionName: sdk.String("s"), DurationSeconds: sdk.Int32(50000),
			})
			return err
		}, "ValidationError", "43200"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(tc.call(t.Context())).To(failWith(tc.code, tc.text))
		})
	}
}
