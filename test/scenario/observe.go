package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

const (
	buildTimeout   = 10 * time.Minute
	observeTimeout = time.Minute
	// stopTimeout is how long the observer gets to look for marks and to write its report.
	stopTimeout = 2 * time.Minute
)

// Observation is an observer at work, in a process of its own.
type Observation struct {
	path  string
	cmd   *exec.Cmd
	ended chan error
}

// Observe builds the observer, starts it, and returns when it has begun to measure. It writes to report.json in dir; what it
// says goes to log.
func (s *Stage) Observe(ctx context.Context, dir string, log io.Writer) (*Observation, error) {
	program, err := s.buildObserver(ctx, dir)
	if err != nil {
		return nil, err
	}
	o := &Observation{path: filepath.Join(dir, "report.json"), ended: make(chan error, 1)}
	if err := os.Remove(o.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the report of an earlier run: %w", err)
	}
	// It is ended by Stop, so that it can write its report: the end of ctx must not kill it.
	o.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, "run",
		"--kubeconfig", s.Sandbox.Kubeconfig(), "--out", o.path,
		"--release", workloads.Release, "--karpenter", workloads.Namespace, "--operator", OperatorNamespace)
	o.cmd.Stdout, o.cmd.Stderr = log, log
	o.cmd.SysProcAttr = ofOwnGroup()
	if err := o.start(); err != nil {
		return nil, fmt.Errorf("starting the observer: %w", err)
	}
	return o, o.begun(ctx)
}

// start starts the process and follows it to its end, from one thread: the process is told to end when the thread does that
// started it (PR_SET_PDEATHSIG), which must not be before we do.
func (o *Observation) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := o.cmd.Start()
		started <- err
		if err == nil {
			o.ended <- o.cmd.Wait()
		}
	}()
	return <-started
}

func (s *Stage) buildObserver(ctx context.Context, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	program, err := filepath.Abs(filepath.Join(dir, "bin", "observer"))
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./cmd/observer")
	build.Dir = filepath.Join(s.root, "test")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the observer: %w\n%s", err, out)
	}
	return program, nil
}

// begun waits for the first report.
func (o *Observation) begun(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, interval, observeTimeout, true, func(context.Context) (bool, error) {
		select {
		case err := <-o.ended:
			o.ended <- err
			return false, fmt.Errorf("the observer has ended: %w", err)
		default:
		}
		_, err := report.Read(o.path)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the observer to begin: %w", err)
	}
	return nil
}

// Report is the newest report.
func (o *Observation) Report() (report.Report, error) { return report.Read(o.path) }

// Path is where the report is.
func (o *Observation) Path() string { return o.path }

// Stop ends the observation and returns the final report.
func (o *Observation) Stop() (report.Report, error) {
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return report.Report{}, fmt.Errorf("stopping the observer: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	select {
	case err := <-o.ended:
		o.ended <- err
		if err != nil {
			return report.Report{}, fmt.Errorf("the observer: %w", err)
		}
	case <-ctx.Done():
		return report.Report{}, errors.Join(fmt.Errorf("the observer did not end within %s", stopTimeout), o.cmd.Process.Kill())
	}
	r, err := report.Read(o.path)
	if err == nil && !r.Final {
		err = fmt.Errorf("%s is not final", o.path)
	}
	return r, err
}
