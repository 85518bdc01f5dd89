package kubenode

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
)

// Config is what a Booter is made of.
type Config struct {
	// Client reaches the cluster that nodes join, with the right to get, create and delete Nodes. It is required.
	Client kubernetes.Interface
	// ClusterName, if set, keeps instances away whose user data names another cluster.
	ClusterName string
	// KubeletVersion is what nodes report, for example v1.36.3. It is required.
	KubeletVersion string
	// DeletionDelay is the time from the end of an instance to the deletion of its Node; 0 takes five seconds, which is
	// the period in which the AWS cloud controller manager looks.
	DeletionDelay time.Duration
	// Clock runs the delay; nil takes the real one.
	Clock clock.Clock
	// Log gets what cannot be returned; nil drops it.
	Log *slog.Logger
}

// Booter implements aws.Booter with a Kubernetes cluster.
type Booter struct {
	cfg Config
}

var _ aws.Booter = (*Booter)(nil)

// defaultDeletionDelay is the default of --node-monitor-period of the cloud controller manager.
const defaultDeletionDelay = 5 * time.Second

// New makes a Booter.
func New(cfg Config) (*Booter, error) {
	if cfg.Client == nil || cfg.KubeletVersion == "" {
		return nil, fmt.Errorf("making the node booter: Client and KubeletVersion are required")
	}
	if cfg.DeletionDelay == 0 {
		cfg.DeletionDelay = defaultDeletionDelay
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Booter{cfg: cfg}, nil
}

// Boot registers the Node of an instance. It returns nil if the Node is there already, and an error that is worth
// repeating the call for otherwise. An instance that is not meant for the cluster, or whose user data cannot be read,
// never joins: that is logged and no error, as it is no error of AWS.
func (b *Booter) Boot(_ context.Context, _ aws.Instance) error {
	return fmt.Errorf("registering nodes is not there yet")
}

// Shutdown deletes the Node of a terminated instance after the deletion delay, unless it is gone or belongs to another
// instance.
func (b *Booter) Shutdown(_ context.Context, _ aws.Instance) error {
	return nil
}
