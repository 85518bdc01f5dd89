// Package manager wires the operator: its clients, caches, phases and controller.
package manager

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/controller"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/metrics"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// Options of the operator.
type Options struct {
	Version string
	// Namespace is the operator's own.
	Namespace string
	// MetricsAddress and ProbeAddress are where metrics and probes are served.
	MetricsAddress, ProbeAddress string
	// LeaderElection lets one of several replicas work.
	LeaderElection bool
	// RegistryCredentials is a Docker config file for the registry of Karpenter's charts; empty for none.
	RegistryCredentials string
	// QPS and Burst bound the requests to the API server.
	QPS   float64
	Burst int
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "Address that metrics are served at; 0 to serve none.")
	fs.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "Address that probes are served at.")
	fs.BoolVar(&o.LeaderElection, "leader-elect", true, "Let one of several replicas work, elected by a Lease in the operator's namespace.")
	fs.StringVar(&o.RegistryCredentials, "registry-credentials", "", "Docker config file with credentials for the registry of Karpenter's charts.")
	fs.Float64Var(&o.QPS, "kube-api-qps", 20, "Requests a second to the API server, on average.")
	fs.IntVar(&o.Burst, "kube-api-burst", 50, "Requests to the API server at once.")
}

// Scheme knows the types that the operator works with.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(apiextensionsv1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// Run runs the operator until ctx ends.
func Run(ctx context.Context, opts Options) error {
	if opts.Namespace == "" {
		return errors.New("POD_NAMESPACE is not set: the operator must know its own namespace")
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	config.QPS, config.Burst = float32(opts.QPS), opts.Burst
	config.UserAgent = "karpenter-upgrade-operator/" + opts.Version

	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        Scheme(),
		Metrics:                       metricsserver.Options{BindAddress: opts.MetricsAddress},
		HealthProbeBindAddress:        opts.ProbeAddress,
		LeaderElection:                opts.LeaderElection,
		LeaderElectionID:              "karpenter-upgrade-operator",
		LeaderElectionNamespace:       opts.Namespace,
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cacheOptions(),
	})
	if err != nil {
		return fmt.Errorf("setting up the manager: %w", err)
	}
	if err := setup(ctx, mgr, config, opts); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the manager: %w", err)
	}
	return nil
}

func setup(ctx context.Context, mgr ctrl.Manager, config *rest.Config, opts Options) error {
	live, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return fmt.Errorf("setting up the client: %w", err)
	}
	live = client.WithFieldOwner(live, phase.FieldOwner)
	dc, err := discovery.NewDiscoveryClientForConfigAndClient(config, mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("setting up the discovery client: %w", err)
	}
	kit := &phase.Kit{
		Client:    client.WithFieldOwner(mgr.GetClient(), phase.FieldOwner),
		Live:      live,
		Releases:  release.NewHelm(config, mgr.GetRESTMapper(), opts.RegistryCredentials, mgr.GetLogger().WithName("helm")),
		Clock:     clock.RealClock{},
		Namespace: opts.Namespace,
		Endings:   phase.NewEndings(clock.RealClock{}),
	}
	pods, err := mgr.GetCache().GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return fmt.Errorf("setting up the informer of pods: %w", err)
	}
	if _, err := pods.AddEventHandler(kit.Endings.Handler()); err != nil {
		return fmt.Errorf("setting up the informer of pods: %w", err)
	}
	eng, err := Engine(kit, dc)
	if err != nil {
		return err
	}
	r := &controller.Reconciler{Live: live, Engine: eng, Events: mgr.GetEventRecorder(phase.FieldOwner), Clock: clock.RealClock{}}
	if err := r.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	if err := ctrlmetrics.Registry.Register(&metrics.Collector{Reader: mgr.GetClient()}); err != nil {
		return fmt.Errorf("setting up the metrics: %w", err)
	}
	return errors.Join(mgr.AddHealthzCheck("healthz", healthz.Ping), mgr.AddReadyzCheck("readyz", healthz.Ping))
}

// cacheOptions keep the caches small: only what decisions about drains need is kept of each object.
func cacheOptions() cache.Options {
	return cache.Options{
		SyncPeriod:       ptr.To(10 * time.Hour),
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Transform: stripPod},
			&corev1.Node{}:                  {Transform: stripNode},
			&appsv1.ReplicaSet{}:            {Transform: stripReplicaSet},
			&appsv1.StatefulSet{}:           {Transform: stripStatefulSet},
			&policyv1.PodDisruptionBudget{}: {},
		},
	}
}
