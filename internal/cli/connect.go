package cli

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	cataloglive "github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog/live"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/manager"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/preflight"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// Requests to the API server on average and at once: one pass over a cluster, while others use it.
const (
	qps   = 50
	burst = 100
)

// cluster is what commands read and write.
type cluster struct {
	client.WithWatch
	reader   *live.Reader
	catalogs preflight.Catalogs
}

func (p *program) config() (*rest.Config, error) {
	config, err := p.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst, config.UserAgent = qps, burst, "kubectl-karpenter_upgrade/"+p.version
	return config, nil
}

// connect reaches the cluster of the kubeconfig.
func (p *program) connect() (*cluster, error) {
	config, err := p.config()
	if err != nil {
		return nil, err
	}
	mapper, err := p.flags.ToRESTMapper()
	if err != nil {
		return nil, fmt.Errorf("discovering the API: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: manager.Scheme(), Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	dc, err := p.flags.ToDiscoveryClient()
	if err != nil {
		return nil, fmt.Errorf("setting up the discovery client: %w", err)
	}
	builtIn, err := catalog.Load()
	if err != nil {
		return nil, err
	}
	out := &cluster{WithWatch: c, catalogs: &cataloglive.Source{Client: c, Namespace: p.operatorNamespace, BuiltIn: builtIn}}
	out.reader = &live.Reader{
		Client: c, Discovery: dc, Releases: release.NewHelm(config, mapper, "", logr.Discard()), Clock: clock.RealClock{},
		Cloud: cloud.NewAWS, Path: preflight.Path(out.catalogs), Bystander: true,
	}
	return out, nil
}

// take takes a snapshot for an upgrade.
func (c *cluster) take(ctx context.Context, spec *v1alpha1.KarpenterUpgradeSpec) (*snapshot.Snapshot, error) {
	return c.reader.Take(ctx, &v1alpha1.KarpenterUpgrade{Spec: *spec})
}
