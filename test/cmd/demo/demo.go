package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

const (
	// patience is how long the run may wait for a person, whom the demo has none of.
	patience = 90 * time.Second
	// settle is how much longer than the run is observed.
	settle = 5 * time.Second
	// downTimeout bounds stopping the sandbox.
	downTimeout = time.Minute
)

// demo is one demonstration.
type demo struct {
	out, name string
	keep      bool
	timeout   time.Duration
	clock     clock.WithTicker
	screen    *screen

	stage       *scenario.Stage
	observation *scenario.Observation
	observerLog *os.File
}

var errNotAsItShouldBe = errors.New("the upgrade did not end as it should")

// run gives the whole demonstration.
func (d *demo) run(ctx context.Context) (err error) {
	if err := d.prepare(); err != nil {
		return err
	}
	d.screen.title()
	if err := d.build(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.leave(ctx, err)) }()
	playing, cancel := context.WithTimeoutCause(ctx, d.timeout, fmt.Errorf("it took longer than %s", d.timeout))
	defer cancel()
	err = d.play(playing)
	if err != nil && playing.Err() != nil {
		err = errors.Join(err, context.Cause(playing))
	}
	return err
}

// prepare makes the directory for what the demonstration leaves behind: out/demo in the repository, if none is given.
func (d *demo) prepare() error {
	if d.out == "" {
		root, err := binaries.FindRoot("")
		if err != nil {
			return err
		}
		d.out = filepath.Join(root, "out", "demo")
	}
	out, err := filepath.Abs(d.out)
	if err == nil {
		err = os.MkdirAll(out, 0o755)
	}
	if err != nil {
		return fmt.Errorf("preparing %s: %w", d.out, err)
	}
	d.out = out
	return nil
}

// build builds everything and starts the sandbox.
func (d *demo) build(ctx context.Context) error {
	d.screen.step("Start a cluster",
		"etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK run as processes in namespaces of their own.",
		"The first time they are built from Go modules, which takes some minutes.")
	stage, err := scenario.Start(ctx, d.name, d.keep, d.screen)
	if err != nil {
		return err
	}
	d.stage = stage
	d.screen.done("KUBECONFIG=" + stage.Sandbox.Kubeconfig())
	return nil
}

// play is the demonstration from a cluster that is up to the verdict.
func (d *demo) play(ctx context.Context) error {
	if err := d.blue(ctx); err != nil {
		return err
	}
	if err := d.observe(ctx); err != nil {
		return err
	}
	if err := d.operator(ctx); err != nil {
		return err
	}
	if err := d.upgrade(ctx); err != nil {
		return err
	}
	return d.judge(ctx)
}

// blue brings up what is to be upgraded.
func (d *demo) blue(ctx context.Context) error {
	d.screen.step("Install Karpenter "+scenario.From,
		"The real controller, from its own Helm charts, with two replicas. Only AWS is an emulator.")
	if err := d.stage.InstallBlue(ctx); err != nil {
		return err
	}
	d.screen.done("2 pods are Ready, one of them leads")

	d.screen.step("Let it launch nodes",
		"Some 80 pods in 4 namespaces, with PodDisruptionBudgets of every form, singletons, a StatefulSet, a DaemonSet and a Job.")
	told := -1
	err := d.stage.ApplyWorkloads(ctx, func(missing []string) {
		if len(missing) != told {
			told = len(missing)
			d.screen.detail("workloads that are not complete yet: " + strconv.Itoa(told))
		}
	})
	if err != nil {
		return err
	}
	c, err := d.stage.Look(ctx)
	if err != nil {
		return err
	}
	pods, err := d.stage.WorkloadPods(ctx)
	if err != nil {
		return err
	}
	d.screen.done(fmt.Sprintf("%d pods run on %d nodes of the NodePools %s", len(pods), len(c.Nodes), strings.Join(c.NodePools, ", ")))
	return nil
}

func (d *demo) observe(ctx context.Context) error {
	d.screen.step("Observe",
		"A process of its own watches the cluster from now on: who leads, every PodDisruptionBudget, every workload, every node.",
		"It does not ask the operator; what is claimed at the end is what it saw.")
	log, err := os.Create(filepath.Join(d.out, "observer.log"))
	if err != nil {
		return err
	}
	d.observerLog = log
	if d.observation, err = d.stage.Observe(ctx, d.out, log); err != nil {
		return err
	}
	d.screen.done(d.observation.Path())
	return nil
}

func (d *demo) operator(ctx context.Context) error {
	d.screen.step("Install the operator",
		"By its Helm chart, with its RBAC enforced.")
	if err := d.stage.InstallOperator(ctx); err != nil {
		return err
	}
	d.screen.done("2 pods are Ready")
	return nil
}

func (d *demo) upgrade(ctx context.Context) error {
	d.screen.step("Upgrade to "+scenario.To,
		"kubectl apply -f config/samples/bluegreen.yaml, and then its status, one line a change:")
	run, err := d.stage.Sample()
	if err != nil {
		return err
	}
	if err := d.stage.Begin(ctx, run); err != nil {
		return err
	}
	p := &progress{screen: d.screen, clock: d.clock, began: d.clock.Now()}
	p.header()
	ended, err := d.stage.Follow(ctx, run.Name, patience, p.show)
	if err != nil {
		return err
	}
	if ended.Status.Phase != v1alpha1.RunSucceeded {
		return fmt.Errorf("%w: %s: %s", errNotAsItShouldBe, ended.Status.Phase, ended.Status.Message)
	}
	d.screen.done(ended.Status.Message)
	return nil
}

// judge says what the observer saw, and whether the cluster is as it should be.
func (d *demo) judge(ctx context.Context) error {
	d.screen.step("Look back")
	select {
	case <-d.clock.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	r, err := d.observation.Stop()
	if err != nil {
		return err
	}
	d.observation = nil
	c, err := d.stage.Look(ctx)
	if err != nil {
		return err
	}
	checks := scenario.Upgraded(c, r)
	d.screen.phases(r)
	d.screen.figures(r)
	d.screen.checks(checks)
	if failed := scenario.Failed(checks); len(failed) > 0 {
		return fmt.Errorf("%w: %w", errNotAsItShouldBe, errors.Join(failed...))
	}
	d.screen.verdict(r, filepath.Join(d.out, "report.json"))
	return nil
}

// leave ends everything, or says what was left running. On failure the logs are kept.
func (d *demo) leave(ctx context.Context, failure error) error {
	interrupted := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if d.observation != nil {
		_, err := d.observation.Stop()
		errs = append(errs, err)
	}
	if d.observerLog != nil {
		errs = append(errs, d.observerLog.Close())
	}
	if failure != nil && !interrupted {
		errs = append(errs, d.evidence(ctx))
	}
	if d.keep {
		return errors.Join(append(errs, d.lookAround(ctx))...)
	}
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	err := d.stage.Sandbox.Down(ctx)
	if err == nil {
		d.screen.detail("the cluster is gone again; KEEP=1 would have left it running")
	}
	return errors.Join(append(errs, err)...)
}

func (d *demo) evidence(ctx context.Context) error {
	logs := filepath.Join(d.out, "logs")
	err := d.stage.KeepLogs(logs)
	d.stage.Explain(ctx, d.screen)
	d.screen.detail("logs of the controllers and of the control plane are in " + logs)
	return err
}
