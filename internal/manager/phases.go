package manager

import (
	"fmt"

	"k8s.io/client-go/discovery"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	cataloglive "github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog/live"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cloud"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/backup"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/canary"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/cleanup"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/freeze"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/handover"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/hops"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/install"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/migrate"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/nodepools"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/preflight"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/tag"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/verify"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot/live"
)

// Engine makes the engine with all phases, in order.
func Engine(kit *phase.Kit, dc discovery.ServerVersionInterface) (*engine.Engine, error) {
	versions, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("setting up the engine: %w", err)
	}
	snapshots := &live.Reader{Client: kit.Live, Discovery: dc, Releases: kit.Releases, Cloud: cloud.NewAWS, Clock: kit.Clock}
	catalogs := &cataloglive.Source{Client: kit.Live, Namespace: kit.Namespace, BuiltIn: versions}
	snapshots.Path = preflight.Path(catalogs)
	tags := &tag.Phase{Kit: kit, Cloud: cloud.NewAWS}
	return engine.New(kit.Clock,
		&preflight.Phase{Snapshots: snapshots, Catalogs: catalogs},
		&backup.Phase{Kit: kit},
		&freeze.Phase{Kit: kit}, // before Tag: more tags may make nodes drift
		tags,                    // controllers look for subnets and security groups when they start, and then once in 5 minutes
		&hops.Phase{Kit: kit, Untag: tags.Undo},
		&install.Phase{Kit: kit},
		&handover.Phase{Kit: kit, Untag: tags.Undo},
		&nodepools.Phase{Kit: kit},
		&canary.Phase{Kit: kit},
		&migrate.Phase{Kit: kit},
		&verify.Phase{Kit: kit},
		&cleanup.Phase{Kit: kit},
	), nil
}
