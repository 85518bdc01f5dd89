package aws_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
)

func TestTheDefaultSeedIsGoodAndFresh(t *testing.T) {
	g := NewWithT(t)
	first, err := aws.DefaultSeed()
	g.Expect(err).NotTo(HaveOccurred())
	first.Cluster.Name = "changed"
	second, err := aws.DefaultSeed()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.Cluster.Name).To(Equal("sandbox"))
	_, err = aws.New(aws.Config{})
	g.Expect(err).NotTo(HaveOccurred(), "the zero configuration works")
}

func TestSeedsThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*aws.Seed)
		text   string
	}{
		"a short account":           {func(s *aws.Seed) { s.Account = "123" }, `account "123"`},
		"an unknown partition":      {func(s *aws.Seed) { s.Partition = "azure" }, "azure"},
		"no region":                 {func(s *aws.Seed) { s.Region = "" }, "region"},
		"no zones":                  {func(s *aws.Seed) { s.Zones = nil }, "zones"},
		"a zone elsewhere":          {func(s *aws.Seed) { s.Zones[0].Name = "eu-west-1a" }, "eu-west-1a"},
		"a malformed VPC":           {func(s *aws.Seed) { s.VPC.CIDR = "all" }, "vpc"},
		"a subnet outside":          {func(s *aws.Seed) { s.Subnets[0].CIDR = "10.0.0.0/24" }, "10.0.0.0/24"},
		"a subnet in another zone":  {func(s *aws.Seed) { s.Subnets[0].Zone = "us-west-2z" }, "us-west-2z"},
		"subnets that overlap":      {func(s *aws.Seed) { s.Subnets[1].CIDR = s.Subnets[0].CIDR }, "overlaps"},
		"a nameless group":          {func(s *aws.Seed) { s.SecurityGroups[0].Name = "" }, "security group"},
		"a nameless cluster":        {func(s *aws.Seed) { s.Cluster.Name = "" }, "cluster"},
		"a cluster's absent group":  {func(s *aws.Seed) { s.Cluster.SecurityGroup = "sg-9" }, "sg-9"},
		"a cluster's absent role":   {func(s *aws.Seed) { s.Cluster.Role = "nobody" }, "nobody"},
		"a cluster's absent subnet": {func(s *aws.Seed) { s.Cluster.Subnets = []string{"subnet-9"} }, "subnet-9"},
		"a node group's role":       {func(s *aws.Seed) { s.NodeGroups[0].Role = "nobody" }, "nobody"},
		"a node group's subnet":     {func(s *aws.Seed) { s.NodeGroups[0].Subnets = []string{"subnet-9"} }, "subnet-9"},
		"images without release":    {func(s *aws.Seed) { s.Images.Generations = nil }, "generation"},
		"a malformed minor":         {func(s *aws.Seed) { s.Images.AL2Through = "two" }, `"two"`},
		"a malformed date":          {func(s *aws.Seed) { s.Images.Generations[0].Date = "today" }, "today"},
		"a malformed image":         {func(s *aws.Seed) { s.Images.Custom[0].ID = "golden" }, "golden"},
		"an unknown effect":         {func(s *aws.Seed) { s.Roles[3].Statements[0].Effect = "Perhaps" }, "Perhaps"},
		"a profile's role":          {func(s *aws.Seed) { s.InstanceProfiles[0].Role = "nobody" }, "nobody"},
		"a queue twice":             {func(s *aws.Seed) { s.Queues = append(s.Queues, s.Queues[0]) }, "twice"},
		"types that are not":        {func(s *aws.Seed) { s.InstanceTypes = []string{"p5.*"} }, "p5.*"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			seed, err := aws.DefaultSeed()
			g.Expect(err).NotTo(HaveOccurred())
			tc.change(seed)
			_, err = aws.New(aws.Config{Seed: seed})
			g.Expect(err).To(MatchError(ContainSubstring(tc.text)))
		})
	}
}

func TestSeedFilesAreReadStrictly(t *testing.T) {
	g := NewWithT(t)
	_, err := aws.ParseSeed([]byte("acount: x\n"))
	g.Expect(err).To(MatchError(ContainSubstring("acount")))
	_, err = aws.ParseSeed([]byte(strings.Repeat("[", 10)))
	g.Expect(err).To(HaveOccurred())
}

func TestASeedCanOfferFewerTypes(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) {
		seed, err := aws.DefaultSeed()
		g.Expect(err).NotTo(HaveOccurred())
		seed.InstanceTypes = []string{"c6a.*", "m5.large"}
		c.Seed = seed
	})
	e.template(t, "launch", "x86_64")
	out := e.fleet(t, "on-demand", 1, override("m5.xlarge", subnetA, "us-west-2a"), override("c6a.xlarge", subnetA, "us-west-2a"))
	g.Expect(out.Instances[0].InstanceType).To(BeEquivalentTo("c6a.xlarge"))
	g.Expect(*out.Errors[0].ErrorCode).To(Equal("InvalidParameterValue"))
}
