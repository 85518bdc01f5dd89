package aws_test

import (
	"encoding/json"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/arczonalshift"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// The tests below make the calls of Karpenter v1.14.1 in its order, with SDK version 2, and look at what it reads of the
// answers. Sources: pkg/operator/operator.go and pkg/{providers,controllers,batcher} of karpenter-provider-aws v1.14.1.

func TestStartOfKarpenterV1_14(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := e.ec2()
	_, err := api.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{DryRun: sdk.Bool(true)})
	g.Expect(err).To(failWith("DryRunOperation"))

	cluster, err := eks.NewFromConfig(e.config()).DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: sdk.String("sandbox")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*cluster.Cluster.Version).To(Equal("1.36"))
	g.Expect(*cluster.Cluster.Endpoint).To(HavePrefix("https://"))
	g.Expect(*cluster.Cluster.KubernetesNetworkConfig.ServiceIpv4Cidr).To(Equal("10.96.0.0/16"))
	g.Expect(*cluster.Cluster.ResourcesVpcConfig.ClusterSecurityGroupId).To(Equal(groupID))
	g.Expect(*cluster.Cluster.CreatedAt).To(BeTemporally("~", time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC)))

	var types []ec2types.InstanceTypeInfo
	pages := ec2.NewDescribeInstanceTypesPaginator(api, &ec2.DescribeInstanceTypesInput{
		Filters: []ec2types.Filter{
			where("supported-virtualization-type", "hvm"), where("processor-info.supported-architecture", "x86_64", "arm64"),
		},
		MaxResults: sdk.Int32(20),
	})
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		types = append(types, page.InstanceTypes...)
	}
	g.Expect(n).To(BeNumerically(">", 1))
	g.Expect(len(types)).To(BeNumerically(">=", 60))
	g.Expect(lo.UniqBy(types, func(i ec2types.InstanceTypeInfo) ec2types.InstanceType { return i.InstanceType })).To(HaveLen(len(types)))
	for _, i := range types {
		g.Expect(i.SupportedUsageClasses).To(ConsistOf(ec2types.UsageClassTypeOnDemand, ec2types.UsageClassTypeSpot))
		g.Expect(*i.VCpuInfo.DefaultVCpus).To(BeNumerically(">", 0))
		g.Expect(*i.MemoryInfo.SizeInMiB).To(BeNumerically(">=", 512))
		g.Expect(*i.NetworkInfo.NetworkCards[*i.NetworkInfo.DefaultNetworkCardIndex].MaximumNetworkInterfaces).To(BeNumerically(">=", 2))
		g.Expect(*i.NetworkInfo.Ipv4AddressesPerInterface).To(BeNumerically(">=", 2))
		g.Expect(*i.NetworkInfo.EncryptionInTransitSupported).To(BeTrue())
		g.Expect(*i.ProcessorInfo.SustainedClockSpeedInGhz).To(BeNumerically(">", 2))
		g.Expect(*i.EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps).To(BeNumerically(">", 0))
	}
	big, ok := lo.Find(types, func(i ec2types.InstanceTypeInfo) bool { return i.InstanceType == "c6a.4xlarge" })
	g.Expect(ok).To(BeTrue())
	g.Expect(*big.NetworkInfo.MaximumNetworkInterfaces*(*big.NetworkInfo.Ipv4AddressesPerInterface-1) + 2).To(BeEquivalentTo(234))

	offerings, err := api.DescribeInstanceTypeOfferings(t.Context(), &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: "availability-zone", MaxResults: sdk.Int32(1000),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(offerings.InstanceTypeOfferings).To(HaveLen(3 * len(types)))
}

func TestPricesOfKarpenterV1_14(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	cfg := e.config()
	cfg.Region = "us-east-1" // The price list has an endpoint in a few regions only.
	for tenancy, family := range map[string]string{"Shared": "Compute Instance", "Dedicated": "Compute Instance (bare metal)"} {
		prices := map[string]string{}
		pages := pricing.NewGetProductsPaginator(pricing.NewFromConfig(cfg), &pricing.GetProductsInput{
			ServiceCode: sdk.String("AmazonEC2"), MaxResults: sdk.Int32(25),
			Filters: lo.MapToSlice(map[string]string{
				"regionCode": region, "serviceCode": "AmazonEC2", "preInstalledSw": "NA", "operatingSystem": "Linux",
				"capacitystatus": "Used", "marketoption": "OnDemand", "tenancy": tenancy, "productFamily": family,
			}, func(field, value string) pricingtypes.Filter {
				return pricingtypes.Filter{Type: "TERM_MATCH", Field: &field, Value: &value}
			}),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			for _, doc := range page.PriceList {
				name, price := readPrice(t, doc)
				prices[name] = price
			}
		}
		if tenancy == "Shared" {
			g.Expect(prices).To(HaveKeyWithValue("m5.large", "0.0960000000"))
			g.Expect(prices).NotTo(HaveKey("m5.metal"))
		} else {
			g.Expect(prices).To(HaveKey("m5.metal"))
		}
	}
	spot, err := e.ec2().DescribeSpotPriceHistory(t.Context(), &ec2.DescribeSpotPriceHistoryInput{
		ProductDescriptions: []string{"Linux/UNIX", "Linux/UNIX (Amazon VPC)"}, StartTime: sdk.Time(today), MaxResults: sdk.Int32(2000),
	})
	g.Expect(err).NotTo(HaveOccurred())
	m5 := lo.Filter(spot.SpotPriceHistory, func(p ec2types.SpotPrice, _ int) bool { return p.InstanceType == "m5.large" })
	g.Expect(m5).To(HaveLen(3), "one in each zone")
	g.Expect(*m5[0].Timestamp).NotTo(BeZero())
}

// readPrice reads a document of the price list as Karpenter does.
func readPrice(t *testing.T, doc string) (name, price string) {
	t.Helper()
	var p struct {
		Product struct{ Attributes struct{ InstanceType string } }
		Terms   struct {
			OnDemand map[string]struct {
				PriceDimensions map[string]struct{ PricePerUnit map[string]string }
			}
		}
	}
	NewWithT(t).Expect(json.Unmarshal([]byte(doc), &p)).To(Succeed())
	for _, term := range p.Terms.OnDemand {
		for _, d := range term.PriceDimensions {
			price = d.PricePerUnit["USD"]
		}
	}
	return p.Product.Attributes.InstanceType, price
}

func TestProvisioningOfKarpenterV1_14(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := e.ec2()
	ensureProfile(t, iam.NewFromConfig(e.config()), "sandbox_1")

	_, err := api.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"karpenter.k8s.aws/1"}})
	g.Expect(err).To(failWith("InvalidLaunchTemplateName.NotFoundException"))
	e.template(t, "karpenter.k8s.aws/1", "x86_64")
	_, err = api.CreateLaunchTemplate(t.Context(), templateInput("karpenter.k8s.aws/1", "ami-1"))
	g.Expect(err).To(failWith("InvalidLaunchTemplateName.AlreadyExistsException"))

	// The validation of a NodeClass.
	fleet := fleetInput("karpenter.k8s.aws/1", "on-demand", 1, override("m5.large", subnetA, "us-west-2a"))
	fleet.DryRun = sdk.Bool(true)
	_, err = api.CreateFleet(t.Context(), fleet)
	g.Expect(err).To(failWith("DryRunOperation"))
	_, err = api.RunInstances(t.Context(), &ec2.RunInstancesInput{
		DryRun: sdk.Bool(true), MinCount: sdk.Int32(1), MaxCount: sdk.Int32(1), InstanceType: "m5.large",
		LaunchTemplate: &ec2types.LaunchTemplateSpecification{
			LaunchTemplateName: sdk.String("karpenter.k8s.aws/1"), Version: sdk.String("$Latest"),
		},
		NetworkInterfaces: []ec2types.InstanceNetworkInterfaceSpecification{{DeviceIndex: sdk.Int32(0), SubnetId: sdk.String(subnetA)}},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: "instance", Tags: tags("a", "b")}},
	})
	g.Expect(err).To(failWith("DryRunOperation"))
	g.Expect(e.State().Instances).To(BeEmpty(), "dry runs launch nothing")

	// The launch.
	out, err := api.CreateFleet(t.Context(), fleetInput("karpenter.k8s.aws/1", "spot", 1, override("m5.large", subnetA, "us-west-2a")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.FleetId).To(MatchRegexp(`^fleet-[0-9a-f]{8}-`))
	g.Expect(out.Instances).To(HaveLen(1))
	g.Expect(out.Instances[0].InstanceType).To(BeEquivalentTo("m5.large"))
	g.Expect(out.Instances[0].Lifecycle).To(BeEquivalentTo("spot"))
	g.Expect(*out.Instances[0].LaunchTemplateAndOverrides.Overrides.AvailabilityZone).To(Equal("us-west-2a"))
	g.Expect(*out.Instances[0].LaunchTemplateAndOverrides.Overrides.SubnetId).To(Equal(subnetA))
	id := launched(out)[0]

	_, err = api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags("karpenter.sh/nodeclaim", "blue-x7k2p")})
	g.Expect(err).NotTo(HaveOccurred())
	i := e.describe(t, id)
	g.Expect(*i.SpotInstanceRequestId).To(HavePrefix("sir-"))
	g.Expect(*i.Placement.AvailabilityZone).To(Equal("us-west-2a"))
	g.Expect(*i.Placement.AvailabilityZoneId).To(Equal("usw2-az1"))
	g.Expect(i.Placement.Tenancy).To(BeEquivalentTo("default"))
	g.Expect(*i.SecurityGroups[0].GroupId).To(Equal(groupID))
	g.Expect(*i.NetworkInterfaces[0].InterfaceType).To(Equal("interface"))
	g.Expect(*i.IamInstanceProfile.Arn).To(HaveSuffix("instance-profile/" + profile))
	g.Expect(i.Tags).To(ContainElements(tags("karpenter.sh/nodeclaim", "blue-x7k2p", "karpenter.sh/nodepool", "blue")))
	g.Eventually(e.state(t, id), patience).Should(Equal("running"))

	// The garbage collection lists by tags and states; the termination waits until the instance is in none of them.
	listed := &ec2.DescribeInstancesInput{MaxResults: sdk.Int32(1000), Filters: []ec2types.Filter{
		where("tag-key", "karpenter.sh/nodepool"), where("tag-key", "karpenter.k8s.aws/ec2nodeclass"), where("tag:eks:eks-cluster-name", "sandbox"),
		where("instance-state-name", "pending", "running", "stopping", "stopped", "shutting-down"),
	}}
	found, err := api.DescribeInstances(t.Context(), listed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instances(found)).To(HaveLen(1))
	ended, err := api.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ended.TerminatingInstances[0].CurrentState.Name).To(BeEquivalentTo("shutting-down"))
	g.Eventually(func() int {
		found, err := api.DescribeInstances(t.Context(), listed)
		g.Expect(err).NotTo(HaveOccurred())
		return len(instances(found))
	}, patience).Should(BeZero())

	// The deletion of the NodeClass.
	templates, err := api.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{MaxResults: sdk.Int32(200), Filters: []ec2types.Filter{
		where("tag:eks:eks-cluster-name", "sandbox"), where("tag:karpenter.k8s.aws/ec2nodeclass", "default"),
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(templates.LaunchTemplates).To(HaveLen(1))
	_, err = api.DeleteLaunchTemplate(t.Context(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: templates.LaunchTemplates[0].LaunchTemplateName})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.State().LaunchTemplates).To(BeEmpty())
}

// ensureProfile makes an instance profile with a role, and takes it away again, as a NodeClass does.
func ensureProfile(t *testing.T, api *iam.Client, name string) {
	t.Helper()
	g := NewWithT(t)
	_, err := api.GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	g.Expect(err).To(failWith("NoSuchEntity"))
	made, err := api.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{
		InstanceProfileName: &name, Path: sdk.String("/karpenter/us-west-2/sandbox/uid/"),
		Tags: []iamtypes.Tag{{Key: sdk.String("eks:eks-cluster-name"), Value: sdk.String("sandbox")}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*made.InstanceProfile.Arn).To(Equal("arn:aws:iam::123456789012:instance-profile/karpenter/us-west-2/sandbox/uid/" + name))
	role := &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: sdk.String("KarpenterNodeRole-sandbox")}
	_, err = api.AddRoleToInstanceProfile(t.Context(), role)
	g.Expect(err).NotTo(HaveOccurred())
	listed, err := api.ListInstanceProfiles(t.Context(), &iam.ListInstanceProfilesInput{PathPrefix: sdk.String("/karpenter/us-west-2/sandbox/")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed.InstanceProfiles).To(HaveLen(1))
	g.Expect(*listed.InstanceProfiles[0].Roles[0].RoleName).To(Equal("KarpenterNodeRole-sandbox"))
	_, err = api.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: &name})
	g.Expect(err).To(failWith("DeleteConflict"))
	_, err = api.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &name, RoleName: role.RoleName})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = api.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: &name})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestInterruptionOfKarpenterV1_14(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	api := sqs.NewFromConfig(e.config())
	queue, err := api.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: sdk.String("sandbox")})
	g.Expect(err).NotTo(HaveOccurred())
	sent, err := e.control.Send(t.Context(), control.Message{Kind: control.SpotInterruption, InstanceID: "i-0123456789abcdef0"})
	g.Expect(err).NotTo(HaveOccurred())
	got, err := api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 20, WaitTimeSeconds: 20,
		AttributeNames:        []sqstypes.QueueAttributeName{"SentTimestamp"}, //nolint:staticcheck // Karpenter uses the older name.
		MessageAttributeNames: []string{"All"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Messages).To(HaveLen(1))
	g.Expect(*got.Messages[0].Body).To(Equal(sent.Body))
	g.Expect(got.Messages[0].Attributes).To(HaveKey("SentTimestamp"))
	var event struct {
		DetailType string `json:"detail-type"`
		Source     string
		Detail     map[string]string
		Time       time.Time
	}
	g.Expect(json.Unmarshal([]byte(sent.Body), &event)).To(Succeed())
	g.Expect(event.DetailType).To(Equal("EC2 Spot Instance Interruption Warning"))
	g.Expect(event.Detail).To(Equal(map[string]string{"instance-id": "i-0123456789abcdef0", "instance-action": "terminate"}))
	_, err = api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue.QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.State().Queues).To(ConsistOf(control.Queue{Name: "sandbox"}))

	_, err = api.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: sdk.String("other")})
	g.Expect(err).To(failWith("AWS.SimpleQueueService.NonExistentQueue"))
}

func TestCallsOfFeaturesThatAreOffByDefault(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) {
		seed, err := aws.DefaultSeed()
		g.Expect(err).NotTo(HaveOccurred())
		seed.Cluster.ZonalShift = true
		c.Seed = seed
	})
	api := e.ec2()
	reservations, err := api.DescribeCapacityReservations(t.Context(), &ec2.DescribeCapacityReservationsInput{
		MaxResults: sdk.Int32(1000), Filters: []ec2types.Filter{where("state", "active"), where("tag-key", "team")},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reservations.CapacityReservations).To(BeEmpty())
	_, err = api.DescribeCapacityReservations(t.Context(), &ec2.DescribeCapacityReservationsInput{CapacityReservationIds: []string{"cr-1"}})
	g.Expect(err).To(failWith("InvalidCapacityReservationId.NotFound", "cr-1"))
	groups, err := api.DescribePlacementGroups(t.Context(), &ec2.DescribePlacementGroupsInput{Filters: []ec2types.Filter{where("state", "available")}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(groups.PlacementGroups).To(BeEmpty())

	zonal := arczonalshift.NewFromConfig(e.config())
	arn := "arn:aws:eks:us-west-2:123456789012:cluster/sandbox"
	managed, err := zonal.GetManagedResource(t.Context(), &arczonalshift.GetManagedResourceInput{ResourceIdentifier: &arn})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(managed.ZonalShifts).To(BeEmpty())
	g.Expect(managed.AppliedWeights).To(HaveLen(3))
	_, err = zonal.GetManagedResource(t.Context(), &arczonalshift.GetManagedResourceInput{ResourceIdentifier: sdk.String(arn + "2")})
	g.Expect(err).To(failWith("ResourceNotFoundException"))
}
