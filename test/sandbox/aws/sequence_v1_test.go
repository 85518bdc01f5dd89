package aws_test

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	sdkv1 "github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	ec2v1 "github.com/aws/aws-sdk-go/service/ec2"
	eksv1 "github.com/aws/aws-sdk-go/service/eks"
	iamv1 "github.com/aws/aws-sdk-go/service/iam"
	pricingv1 "github.com/aws/aws-sdk-go/service/pricing"
	sqsv1 "github.com/aws/aws-sdk-go/service/sqs"
	ssmv1 "github.com/aws/aws-sdk-go/service/ssm"
	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// The tests below make the calls of Karpenter v0.36.2 and v1.0.8, whose sets are the same, with SDK version 1: it knows
// no other endpoints than those of AWS, and is brought here by a proxy and a CA bundle.

// sessionV1 starts an emulator and returns it with a session of SDK version 1.
func sessionV1(t *testing.T) (*emulator, *session.Session) {
	t.Helper()
	g := NewWithT(t)
	var bundle string
	e := start(t, func(c *aws.Config) {
		bundle = filepath.Join(t.TempDir(), "ca.crt")
		g.Expect(os.WriteFile(bundle, pemOf(c.CA), 0o600)).To(Succeed())
	})
	t.Setenv("AWS_CA_BUNDLE", bundle)
	proxy, err := url.Parse(e.url)
	g.Expect(err).NotTo(HaveOccurred())
	s, err := session.NewSession(&sdkv1.Config{
		Region: sdkv1.String(region), MaxRetries: sdkv1.Int(0), Credentials: credentials.NewStaticCredentials(principal, "secret", ""),
		HTTPClient: &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	return e, s
}

// codeV1 is the AWS error code of an error of SDK version 1.
func codeV1(err error) string {
	var e awserr.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return ""
}

func TestStartOfKarpenterV1_0(t *testing.T) {
	g := NewWithT(t)
	_, s := sessionV1(t)
	api := ec2v1.New(s)
	_, err := api.DescribeInstanceTypesWithContext(t.Context(), &ec2v1.DescribeInstanceTypesInput{DryRun: sdkv1.Bool(true)})
	g.Expect(codeV1(err)).To(Equal("DryRunOperation"))
	cluster, err := eksv1.New(s).DescribeClusterWithContext(t.Context(), &eksv1.DescribeClusterInput{Name: sdkv1.String("sandbox")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*cluster.Cluster.Endpoint).To(HavePrefix("https://"))
	_, err = eksv1.New(s).DescribeClusterWithContext(t.Context(), &eksv1.DescribeClusterInput{Name: sdkv1.String("other")})
	g.Expect(codeV1(err)).To(Equal("ResourceNotFoundException"))

	types := 0
	g.Expect(api.DescribeInstanceTypesPagesWithContext(t.Context(), &ec2v1.DescribeInstanceTypesInput{
		Filters: []*ec2v1.Filter{
			{Name: sdkv1.String("supported-virtualization-type"), Values: sdkv1.StringSlice([]string{"hvm"})},
			{Name: sdkv1.String("processor-info.supported-architecture"), Values: sdkv1.StringSlice([]string{"x86_64", "arm64"})},
		},
	}, func(page *ec2v1.DescribeInstanceTypesOutput, _ bool) bool {
		types += len(page.InstanceTypes)
		return true
	})).To(Succeed())
	g.Expect(types).To(BeNumerically(">=", 60))
	offerings, err := api.DescribeInstanceTypeOfferingsWithContext(t.Context(), &ec2v1.DescribeInstanceTypeOfferingsInput{
		LocationType: sdkv1.String("availability-zone"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(offerings.InstanceTypeOfferings).To(HaveLen(3 * types))

	products, err := pricingv1.New(s, sdkv1.NewConfig().WithRegion("us-east-1")).GetProductsWithContext(t.Context(), &pricingv1.GetProductsInput{
		ServiceCode: sdkv1.String("AmazonEC2"), Filters: []*pricingv1.Filter{
			{Type: sdkv1.String("TERM_MATCH"), Field: sdkv1.String("tenancy"), Value: sdkv1.String("Dedicated")},
		},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(products.PriceList).NotTo(BeEmpty(), "an empty list is an error loop")
	spot, err := api.DescribeSpotPriceHistoryWithContext(t.Context(), &ec2v1.DescribeSpotPriceHistoryInput{
		ProductDescriptions: sdkv1.StringSlice([]string{"Linux/UNIX", "Linux/UNIX (Amazon VPC)"}), StartTime: sdkv1.Time(today),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(spot.SpotPriceHistory).To(HaveLen(3 * types))
}

func TestProvisioningOfKarpenterV1_0(t *testing.T) {
	g := NewWithT(t)
	e, s := sessionV1(t)
	api := ec2v1.New(s)
	ids, err := ssmv1.New(s).GetParameterWithContext(t.Context(), &ssmv1.GetParameterInput{
		Name: sdkv1.String("/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	images, err := api.DescribeImagesWithContext(t.Context(), &ec2v1.DescribeImagesInput{
		Filters:    []*ec2v1.Filter{{Name: sdkv1.String("image-id"), Values: []*string{ids.Parameter.Value}}},
		MaxResults: sdkv1.Int64(500),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*images.Images[0].Architecture).To(Equal("x86_64"))
	_, err = time.Parse(time.RFC3339, *images.Images[0].CreationDate)
	g.Expect(err).NotTo(HaveOccurred())

	name := sdkv1.String("sandbox_1")
	profiles := iamv1.New(s)
	_, err = profiles.GetInstanceProfileWithContext(t.Context(), &iamv1.GetInstanceProfileInput{InstanceProfileName: name})
	g.Expect(codeV1(err)).To(Equal("NoSuchEntity"))
	_, err = profiles.CreateInstanceProfileWithContext(t.Context(), &iamv1.CreateInstanceProfileInput{InstanceProfileName: name})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = profiles.AddRoleToInstanceProfileWithContext(t.Context(), &iamv1.AddRoleToInstanceProfileInput{
		InstanceProfileName: name, RoleName: sdkv1.String("KarpenterNodeRole-sandbox"),
	})
	g.Expect(err).NotTo(HaveOccurred())

	_, err = api.CreateLaunchTemplateWithContext(t.Context(), &ec2v1.CreateLaunchTemplateInput{
		LaunchTemplateName: sdkv1.String("karpenter.k8s.aws/1"),
		LaunchTemplateData: &ec2v1.RequestLaunchTemplateData{
			BlockDeviceMappings: []*ec2v1.LaunchTemplateBlockDeviceMappingRequest{{
				DeviceName: sdkv1.String("/dev/xvda"), Ebs: &ec2v1.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: sdkv1.Int64(20)},
			}},
			IamInstanceProfile: &ec2v1.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: name},
			Monitoring:         &ec2v1.LaunchTemplatesMonitoringRequest{Enabled: sdkv1.Bool(false)},
			UserData:           sdkv1.String("IyEvYmluL2Jhc2gK"), ImageId: ids.Parameter.Value,
			MetadataOptions: &ec2v1.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: sdkv1.String("required")},
			NetworkInterfaces: []*ec2v1.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{
				DeviceIndex: sdkv1.Int64(0), AssociatePublicIpAddress: sdkv1.Bool(false), Groups: sdkv1.StringSlice([]string{groupID}),
			}},
		},
		TagSpecifications: []*ec2v1.TagSpecification{{
			ResourceType: sdkv1.String("launch-template"),
			Tags:         []*ec2v1.Tag{{Key: sdkv1.String("karpenter.k8s.aws/cluster"), Value: sdkv1.String("sandbox")}},
		}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	fleet, err := api.CreateFleetWithContext(t.Context(), &ec2v1.CreateFleetInput{
		Type: sdkv1.String("instant"),
		LaunchTemplateConfigs: []*ec2v1.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &ec2v1.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateName: sdkv1.String("karpenter.k8s.aws/1"), Version: sdkv1.String("$Latest"),
			},
			Overrides: []*ec2v1.FleetLaunchTemplateOverridesRequest{{
				InstanceType: sdkv1.String("m5.large"), SubnetId: sdkv1.String(subnetA), ImageId: ids.Parameter.Value,
				AvailabilityZone: sdkv1.String("us-west-2a"),
			}},
		}},
		TargetCapacitySpecification: &ec2v1.TargetCapacitySpecificationRequest{
			DefaultTargetCapacityType: sdkv1.String("on-demand"), TotalTargetCapacity: sdkv1.Int64(2),
		},
		OnDemandOptions: &ec2v1.OnDemandOptionsRequest{AllocationStrategy: sdkv1.String("lowest-price")},
		TagSpecifications: []*ec2v1.TagSpecification{{
			ResourceType: sdkv1.String("instance"), Tags: []*ec2v1.Tag{{Key: sdkv1.String("karpenter.sh/nodepool"), Value: sdkv1.String("blue")}},
		}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(fleet.Instances[0].InstanceIds).To(HaveLen(2))
	for _, i := range e.State().Instances {
		g.Expect(i.Principal).To(Equal(principal))
		g.Expect(i.SecurityGroups).To(ConsistOf(groupID))
		g.Expect(i.Tags).To(HaveKeyWithValue("karpenter.sh/nodepool", "blue"))
	}
	_, err = api.TerminateInstancesWithContext(t.Context(), &ec2v1.TerminateInstancesInput{InstanceIds: fleet.Instances[0].InstanceIds})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = api.TerminateInstancesWithContext(t.Context(), &ec2v1.TerminateInstancesInput{
		InstanceIds: sdkv1.StringSlice([]string{"i-0000000000000000a"}),
	})
	g.Expect(codeV1(err)).To(Equal("InvalidInstanceID.NotFound"))
	_, err = api.DeleteLaunchTemplateWithContext(t.Context(), &ec2v1.DeleteLaunchTemplateInput{LaunchTemplateName: sdkv1.String("karpenter.k8s.aws/1")})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestInterruptionOfKarpenterV1_0(t *testing.T) {
	g := NewWithT(t)
	e, s := sessionV1(t)
	api := sqsv1.New(s)
	queue, err := api.GetQueueUrlWithContext(t.Context(), &sqsv1.GetQueueUrlInput{QueueName: sdkv1.String("sandbox")})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = e.Send(control.Message{Kind: control.ScheduledChange, InstanceID: "i-0123456789abcdef0"})
	g.Expect(err).NotTo(HaveOccurred())
	got, err := api.ReceiveMessageWithContext(t.Context(), &sqsv1.ReceiveMessageInput{
		QueueUrl: queue.QueueUrl, MaxNumberOfMessages: sdkv1.Int64(10), VisibilityTimeout: sdkv1.Int64(20),
		WaitTimeSeconds:       sdkv1.Int64(20),
		AttributeNames:        []*string{sdkv1.String("SentTimestamp")}, //nolint:staticcheck // Karpenter uses the older name.
		MessageAttributeNames: []*string{sdkv1.String("All")},
	})
	g.Expect(err).NotTo(HaveOccurred(), "SDK version 1 compares the checksum of the body")
	g.Expect(*got.Messages[0].Body).To(And(ContainSubstring("AWS Health Event"), ContainSubstring("i-0123456789abcdef0")))
	_, err = api.DeleteMessageWithContext(t.Context(), &sqsv1.DeleteMessageInput{
		QueueUrl: queue.QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle,
	})
	g.Expect(err).NotTo(HaveOccurred())
	sent, err := api.SendMessageWithContext(t.Context(), &sqsv1.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: sdkv1.String("{}")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*sent.MessageId).NotTo(BeEmpty())
}
