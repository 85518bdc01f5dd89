package observer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/marks"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/requests"
)

const (
	// writeInterval is how often the report is written while the observation goes on.
	writeInterval = 3 * time.Second
	// countInterval is how often requests are counted: those before a restart of the API server are lost to it.
	countInterval = 10 * time.Second
	// callTimeout bounds single calls.
	callTimeout = 30 * time.Second
	// endTimeout bounds what is done at the end.
	endTimeout = 2 * time.Minute
)

// Options of an observation.
type Options struct {
	// Config reaches the API server as somebody who may read everything, and write FlowSchemas.
	Config *rest.Config
	// Out is the file that the report is written to, every few seconds and at the end.
	Out string
	// StopWhenDone is the KarpenterUpgrade with whose end the observation ends, after Settle; none when empty.
	StopWhenDone string
	Settle       time.Duration
	// Release is the Helm release that is upgraded.
	Release string
	// Karpenter and Operator are whose requests are counted. Their namespaces are the platform's, as is kube-system.
	Karpenter, Operator requests.Account
	// Clock is that of the machine if nil.
	Clock clock.WithTicker
	// Log gets a line for what does not end the observation; dropped if nil.
	Log io.Writer
}

// observation is one in progress.
type observation struct {
	Options
	client  kubernetes.Interface
	ledger  *ledger
	counter requests.Counter
}

// Run observes a cluster until ctx ends, or until what it waits for is done, and writes the report. An error means that the
// cluster could not be observed, or that the report could not be written.
func Run(ctx context.Context, opts Options) error {
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	opts.Config = rest.CopyConfig(opts.Config)
	opts.Config.QPS = -1                           // watching must not be slower than what happens
	opts.Config.WarningHandler = rest.NoWarnings{} // marks are looked for in deprecated kinds too
	o := &observation{Options: opts, ledger: newLedger(opts.Clock, opts.platform(), opts.StopWhenDone)}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var background sync.WaitGroup
	if err := o.begin(watching, &background); err != nil {
		return err
	}
	err := o.observe(ctx)
	stop()
	background.Wait()
	if err != nil {
		return err
	}
	return o.end(context.WithoutCancel(ctx))
}

func (o *Options) platform() []string {
	all := []string{metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease, o.Karpenter.Namespace, o.Operator.Namespace}
	return slices.DeleteFunc(all, func(ns string) bool { return ns == "" })
}

func (o *Options) accounts() map[string]requests.Account {
	out := map[string]requests.Account{}
	for name, account := range map[string]requests.Account{requests.Karpenter: o.Karpenter, requests.Operator: o.Operator} {
		if account.Namespace != "" {
			out[name] = account
		}
	}
	return out
}

// begin connects, reads what there is, and begins to measure.
func (o *observation) begin(ctx context.Context, background *sync.WaitGroup) error {
	var errs [4]error
	var dc *discovery.DiscoveryClient
	var dyn *dynamic.DynamicClient
	var meta metadata.Interface
	o.client, errs[0] = kubernetes.NewForConfig(o.Config)
	dc, errs[1] = discovery.NewDiscoveryClientForConfig(o.Config)
	dyn, errs[2] = dynamic.NewForConfig(o.Config)
	meta, errs[3] = metadata.NewForConfig(o.Config)
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("setting up clients: %w", err)
	}
	setup, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := requests.Install(setup, o.client, o.accounts()); err != nil {
		return err
	}
	o.count(ctx)
	blue, err := pools(ctx, meta)
	if err != nil {
		return err
	}
	if err := watch(ctx, o.client, o.ledger, o.Release); err != nil {
		return err
	}
	o.ledger.apply(record.Synced{BluePools: blue})
	s := &sampler{client: o.client, ledger: o.ledger, clock: o.Clock, busy: map[string]bool{}}
	background.Go(func() { s.run(ctx) })
	background.Go(func() {
		if err := watchRuns(ctx, dc, dyn, o.ledger); err != nil {
			fmt.Fprintln(o.Log, "phases will be missing:", err)
		}
	})
	return nil
}

// observe writes the report every now and then until the observation is to end.
func (o *observation) observe(ctx context.Context) error {
	write := o.Clock.NewTicker(writeInterval)
	defer write.Stop()
	count := o.Clock.NewTicker(countInterval)
	defer count.Stop()
	if err := o.write(o.report()); err != nil {
		return err
	}
	done, settled := o.ledger.done, (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-done:
			done, settled = nil, o.Clock.After(o.Settle)
		case <-settled:
			return nil
		case <-count.C():
			o.count(ctx)
		case <-write.C():
			if err := o.write(o.report()); err != nil {
				return err
			}
		}
	}
}

func (o *observation) write(r report.Report) error { return report.Write(o.Out, r) }

func (o *observation) report() report.Report {
	r := o.ledger.report()
	r.Requests.ByClient = o.counter.ByClient()
	return r
}

func (o *observation) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	now, err := requests.Read(ctx, o.client.Discovery().RESTClient())
	if err != nil {
		fmt.Fprintln(o.Log, "requests are not counted now:", err)
		return
	}
	o.counter.Add(now)
}

// end looks for marks, takes away what the observation brought, and writes the last report.
func (o *observation) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	o.count(ctx)
	r := o.report()
	r.Final = true
	var exclude []string
	if o.Operator.Namespace != "" {
		exclude = append(exclude, o.Operator.Namespace)
	}
	found, scanErr := marks.Scan(ctx, o.Config, exclude)
	if scanErr == nil {
		r.MarksLeft = len(found.Marks)
		r.Marks = append(r.Marks, found.Marks...)
		r.MarksUnread = append(r.MarksUnread, found.Unread...)
	}
	return errors.Join(scanErr, requests.Remove(ctx, o.client, o.accounts()), o.write(r))
}
