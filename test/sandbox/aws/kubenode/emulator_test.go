package kubenode_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/karpenter-provider-aws/pkg/providers/amifamily/bootstrap"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/kubenode"
)

// TestAFleetBecomesNodes goes the whole way: from a CreateFleet call to a Node, and from TerminateInstances to its end.
func TestAFleetBecomesNodes(t *testing.T) {
	g := NewWithT(t)
	client := fake.NewClientset()
	booter, err := kubenode.New(kubenode.Config{
		Client: client, ClusterName: "sandbox", KubeletVersion: "v1.36.3", DeletionDelay: 10 * time.Millisecond,
	})
	g.Expect(err).NotTo(HaveOccurred())
	settings := aws.DefaultSettings()
	settings.LaunchDelay = metav1.Duration{Duration: 10 * time.Millisecond}
	server, err := aws.New(aws.Config{Booter: booter, Settings: &settings, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	g.Expect(err).NotTo(HaveOccurred())
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx, listener) })
	defer serving.Wait()
	defer stop()

	cfg := sdk.Config{
		Region: "us-west-2", BaseEndpoint: sdk.String("http://" + listener.Addr().String()),
		HTTPClient:  &http.Client{Transport: &http.Transport{}},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	}
	ids := launch(t, cfg)
	g.Expect(ids).To(HaveLen(3))
	nodes := func() []corev1.Node {
		list, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "karpenter.sh/nodepool=blue"})
		g.Expect(err).NotTo(HaveOccurred())
		return list.Items
	}
	g.Eventually(nodes, 30*time.Second).Should(HaveLen(3))
	_, err = ec2.NewFromConfig(cfg).TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids[:1]})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(nodes, 30*time.Second).Should(HaveLen(2))
	for _, n := range nodes() {
		g.Expect(n.Spec.ProviderID).NotTo(ContainSubstring(ids[0]))
	}
}

// launch launches three instances with the user data of Karpenter.
func launch(t *testing.T, cfg sdk.Config) []string {
	t.Helper()
	g := NewWithT(t)
	image, err := ssm.NewFromConfig(cfg).GetParameter(t.Context(), &ssm.GetParameterInput{
		Name: sdk.String("/aws/service/bottlerocket/aws-k8s-1.36/arm64/latest/image_id"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	api := ec2.NewFromConfig(cfg)
	_, err = api.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: sdk.String("karpenter.k8s.aws/1"),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			ImageId:  image.Parameter.Value,
			UserData: sdk.String(base64.StdEncoding.EncodeToString(script(t, bootstrap.Bottlerocket{Options: karpenterOptions()}))),
			IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{
				Name: sdk.String("KarpenterNodeInstanceProfile-sandbox"),
			},
		},
	})
	g.Expect(err).NotTo(HaveOccurred())
	out, err := api.CreateFleet(t.Context(), &ec2.CreateFleetInput{
		Type: "instant", TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{TotalTargetCapacity: sdk.Int32(3)},
		LaunchTemplateConfigs: []ec2types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateName: sdk.String("karpenter.k8s.aws/1"), Version: sdk.String("$Latest")},
			Overrides: []ec2types.FleetLaunchTemplateOverridesRequest{{
				InstanceType: "m6g.large", SubnetId: sdk.String("subnet-0a1b2c3d4e5f60001"),
			}},
		}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Errors).To(BeEmpty())
	return out.Instances[0].InstanceIds
}
