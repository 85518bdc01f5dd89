package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/cli/report"
)

const (
	// callTimeout is for one request about a run.
	callTimeout = 30 * time.Second
	// redraw is how often a live view shows time passing.
	redraw = time.Second
	// blank begins a terminal's screen anew.
	blank = "\x1b[H\x1b[2J\x1b[3J"
)

func (p *program) status() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Show how a run stands: phases, nodes, what is in the way, how long it takes",
		Long: `Shows how a run stands. With --watch the view is renewed until the run has ended; where the
output is no terminal, each change of the run is one line instead.

Exit codes: 3 for a run that failed or waits for a person, 0 otherwise.`,
		Example: `  kubectl karpenter-upgrade status to-1-14-1
  kubectl karpenter-upgrade status to-1-14-1 --watch`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, run, err := p.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			v := &view{program: p, style: report.Screen(p.Out), clock: clock.RealClock{}}
			if !follow {
				fmt.Fprint(p.Out, report.Run(run, v.clock.Now(), v.style))
				return ended(run)
			}
			return v.follow(cmd.Context(), c, run)
		},
	}
	cmd.Flags().BoolVarP(&follow, "watch", "w", false, "Renew the view until the run has ended.")
	return cmd
}

// find reaches the cluster and reads a run.
func (p *program) find(ctx context.Context, name string) (*cluster, *v1alpha1.KarpenterUpgrade, error) {
	c, err := p.connect()
	if err != nil {
		return nil, nil, err
	}
	run, err := get(ctx, c, name)
	return c, run, err
}

func get(ctx context.Context, c client.Client, name string) (*v1alpha1.KarpenterUpgrade, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	run := &v1alpha1.KarpenterUpgrade{}
	err := c.Get(ctx, client.ObjectKey{Name: name}, run)
	if meta.IsNoMatchError(err) {
		return nil, errors.New("the cluster has no KarpenterUpgrades: the operator is not installed")
	}
	return run, err
}

// ended is how the program ends for a run.
func ended(run *v1alpha1.KarpenterUpgrade) error {
	stalled := meta.IsStatusConditionTrue(run.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled || (run.Ended() && run.Status.Phase != v1alpha1.RunSucceeded) {
		return ErrBlocked
	}
	return nil
}

// view follows a run.
type view struct {
	*program
	style report.Style
	clock clock.WithTicker
	last  string
}

// follow shows a run until it has ended.
func (v *view) follow(ctx context.Context, c client.WithWatch, run *v1alpha1.KarpenterUpgrade) error {
	tick := v.clock.NewTicker(redraw)
	defer tick.Stop()
	for {
		ended, err := v.watch(ctx, c, run, tick.C())
		if ended || err != nil {
			return err
		}
		if run, err = get(ctx, c, run.Name); err != nil { // the API server ends a watch now and then
			return err
		}
	}
}

func (v *view) watch(ctx context.Context, c client.WithWatch, run *v1alpha1.KarpenterUpgrade, tick <-chan time.Time) (done bool, err error) {
	events, err := c.Watch(ctx, &v1alpha1.KarpenterUpgradeList{}, &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", run.Name)})
	if err != nil {
		return false, fmt.Errorf("watching KarpenterUpgrade %s: %w", run.Name, err)
	}
	defer events.Stop()
	for {
		v.show(run)
		if run.Ended() {
			return true, ended(run)
		}
		select {
		case <-ctx.Done():
			return true, nil
		case <-tick:
		case e, open := <-events.ResultChan():
			if !open {
				return false, nil
			}
			if e.Type == watch.Deleted {
				return true, fmt.Errorf("KarpenterUpgrade %s was deleted", run.Name)
			}
			if now, ok := e.Object.(*v1alpha1.KarpenterUpgrade); ok {
				run = now
			}
		}
	}
}

// show renews the screen, or writes a line where there is none and something has changed.
func (v *view) show(run *v1alpha1.KarpenterUpgrade) {
	now := v.clock.Now()
	if v.style.Colour {
		fmt.Fprint(v.Out, blank, report.Run(run, now, v.style))
		return
	}
	line := fmt.Sprintf("%s  %s  %s", run.Status.Phase, run.Status.Nodes.Progress, run.Status.Message)
	if line != v.last {
		fmt.Fprintf(v.Out, "%s  %s\n", now.UTC().Format(time.TimeOnly), line)
		v.last = line
	}
}
