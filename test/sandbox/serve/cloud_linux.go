package serve

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	awscontrol "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/kubenode"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/network"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/pki"
)

// cloud is the emulated AWS account.
type cloud struct {
	seed   *aws.Seed
	client *awscontrol.Client
	ids    *identities
}

// startCloud serves the AWS emulator, whose instances become nodes of the cluster.
func (s *sandbox) startCloud(ctx context.Context) error {
	seed, err := s.seed()
	if err != nil {
		return err
	}
	ca, err := pki.NewCA("sandbox AWS", s.clock)
	if err != nil {
		return err
	}
	s.cloud = &cloud{
		seed:   seed,
		client: awscontrol.NewClient("http://"+gateway(AWSPort).String(), nil),
		ids: &identities{
			region: seed.Region,
			ca:     string(ca.CertPEM),
			aws:    gateway(AWSPort),
			api:    gateway(controlplane.APIServerPort),
			direct: []string{"127.0.0.1", "localhost", network.PodCIDR.String(), network.ServiceCIDR.String(), ".svc", ".cluster.local"},
			pods:   map[string]string{},
		},
	}
	server, err := s.newEmulator(seed, ca)
	if err != nil {
		return err
	}
	l, err := listen(ctx, AWSPort)
	if err != nil {
		return err
	}
	s.background(ctx, "AWS emulator", func() error { return server.Serve(ctx, l) })
	return nil
}

// seed is the account's, with this cluster in it.
func (s *sandbox) seed() (*aws.Seed, error) {
	seed, err := aws.DefaultSeed()
	if s.cfg.Seed != "" {
		seed, err = aws.ParseSeed([]byte(s.cfg.Seed))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the AWS account's seed: %w", err)
	}
	seed.Cluster.Endpoint = "https://" + gateway(controlplane.APIServerPort).String()
	seed.Cluster.CertificateAuthority = base64.StdEncoding.EncodeToString(s.cluster.CA().CertPEM)
	seed.Cluster.ServiceCIDR = network.ServiceCIDR.String()
	return seed, nil
}

func (s *sandbox) newEmulator(seed *aws.Seed, ca *pki.CA) (*aws.Server, error) {
	pair, err := ca.Pair()
	if err != nil {
		return nil, err
	}
	signer, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("preparing the AWS emulator: %w", err)
	}
	config, err := s.cluster.RESTConfig(controlplane.Cloud)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("preparing the AWS emulator: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	booter, err := kubenode.New(kubenode.Config{
		Client: client, ClusterName: seed.Cluster.Name, KubeletVersion: s.cfg.Version, Clock: s.clock, Log: log,
	})
	if err != nil {
		return nil, err
	}
	requests, err := os.OpenFile(filepath.Join(s.dir.Logs(), "aws-requests.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the AWS request log: %w", err)
	}
	settings := aws.DefaultSettings()
	settings.LaunchDelay = metav1.Duration{Duration: s.cfg.Settings.LaunchDelay.Duration}
	return aws.New(aws.Config{
		Seed: seed, Settings: &settings, Booter: booter, CA: &signer, Pod: s.cloud.ids.podOf,
		RequestLog: requests, Clock: s.clock, Log: log,
	})
}
