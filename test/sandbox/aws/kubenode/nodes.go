package kubenode

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// callTimeout bounds the calls of one Boot or Shutdown.
const callTimeout = 20 * time.Second

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
// repeating the call for otherwise. An instance that is not meant for the cluster, has no role, or whose user data does
// not make it join, never becomes a Node: that is logged and no error, as it is no error of AWS.
func (b *Booter) Boot(ctx context.Context, i aws.Instance) error {
	node, err := b.nodeOf(i)
	if err != nil {
		b.cfg.Log.WarnContext(ctx, "an instance never joins the cluster", "instance", i.ID, "reason", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	nodes := b.cfg.Client.CoreV1().Nodes()
	_, err = nodes.Create(ctx, node, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return wrap(err, "registering node %s of instance %s", node.Name, i.ID)
	}
	existing, err := nodes.Get(ctx, node.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading node %s: %w", node.Name, err)
	}
	if existing.Spec.ProviderID != node.Spec.ProviderID {
		return fmt.Errorf("registering node %s of instance %s: the name is still taken by %s", node.Name, i.ID,
			existing.Spec.ProviderID)
	}
	return nil
}

// nodeOf makes the Node of an instance; the error says why it never joins.
func (b *Booter) nodeOf(i aws.Instance) (*corev1.Node, error) {
	if i.Profile == nil || i.Profile.Role == "" {
		return nil, fmt.Errorf("it has no instance profile with a role, by which kubelets sign in")
	}
	bootstrap, err := DecodeUserData(i.Image.Family, i.UserData)
	if err != nil {
		return nil, err
	}
	if b.cfg.ClusterName != "" && bootstrap.ClusterName != "" && bootstrap.ClusterName != b.cfg.ClusterName {
		return nil, fmt.Errorf("its user data names the cluster %s and not %s", bootstrap.ClusterName, b.cfg.ClusterName)
	}
	return newNode(i, bootstrap, b.cfg.KubeletVersion)
}

// Shutdown deletes the Node of a terminated instance after the deletion delay, unless it is gone or belongs to another
// instance.
func (b *Booter) Shutdown(ctx context.Context, i aws.Instance) error {
	timer := b.cfg.Clock.NewTimer(b.cfg.DeletionDelay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	nodes := b.cfg.Client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, i.PrivateDNSName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && node.Spec.ProviderID != providerID(i) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", i.PrivateDNSName, err)
	}
	err = nodes.Delete(ctx, node.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &node.UID}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return wrap(err, "deleting node %s of terminated instance %s", node.Name, i.ID)
}

// wrap adds what was done to an error, and leaves nil as it is.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
