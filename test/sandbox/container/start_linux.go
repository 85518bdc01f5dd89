package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startTimeout bounds the setting up of a container, which is a handful of mounts.
const startTimeout = 30 * time.Second

// Process is a container's first process.
type Process struct {
	cmd    *exec.Cmd
	output *os.File
	done   chan struct{}
	status Exit
}

// Start starts the program; it runs when Start returns without an error. The reader that Output returns must be read
// to its end. init are the arguments that lead this same program to [Init].
func Start(ctx context.Context, init []string, spec Spec, netns *os.File) (*Process, error) {
	spec.JoinNetwork = netns != nil
	payload, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("describing the container: %w", err)
	}
	pipes, err := newPipes()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", init...) //nolint:noctx // a container outlives the request to start it
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = pipes.outputW, pipes.outputW
	cmd.ExtraFiles = []*os.File{pipes.specR, pipes.errorW}
	if netns != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, netns)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true,
	}
	err = cmd.Start()
	pipes.closeChildEnds()
	if err != nil {
		pipes.closeOwnEnds()
		return nil, fmt.Errorf("making the container's namespaces: %w", err)
	}
	p := &Process{cmd: cmd, output: pipes.outputR, done: make(chan struct{})}
	go p.wait()
	if err := p.await(ctx, payload, pipes); err != nil {
		_ = p.Signal(unix.SIGKILL)
		<-p.done
		_ = p.output.Close()
		return nil, err
	}
	return p, nil
}

// await hands over the spec and waits until the program has been started or could not be.
func (p *Process) await(ctx context.Context, payload []byte, pipes *pipes) error {
	defer pipes.errorR.Close()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, writeErr := pipes.specW.Write(payload)
		writeErr = errors.Join(writeErr, pipes.specW.Close())
		reason, err := io.ReadAll(pipes.errorR)
		switch {
		case len(reason) > 0:
			failed <- errors.New(strings.TrimSpace(string(reason)))
		default:
			failed <- errors.Join(writeErr, err)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("setting up the container: %w", ctx.Err())
	}
}

func (p *Process) wait() {
	defer close(p.done)
	_ = p.cmd.Wait() // the state says all
	p.status = exitOf(p.cmd.ProcessState)
}

func exitOf(state *os.ProcessState) Exit {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return Exit{Code: 128 + int32(ws.Signal()), Signal: int32(ws.Signal())}
	}
	return Exit{Code: int32(state.ExitCode())}
}

// PID is the process id as the sandbox sees it; inside its namespace it is 1.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended, and with it all others in the container.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how the process ended, once Done is closed.
func (p *Process) Exit() Exit { return p.status }

// Output is what the container writes to standard output and error; it ends with the container.
func (p *Process) Output() io.ReadCloser { return p.output }

// Signal sends a signal; one to a process that has ended is no error. As in every process namespace, a first process
// that does not handle a signal does not get it, but for SIGKILL.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s: %w", sig, err)
	}
	return nil
}

// pipes connect the runner with the container's first process.
type pipes struct {
	specR, specW     *os.File
	errorR, errorW   *os.File
	outputR, outputW *os.File
}

func newPipes() (*pipes, error) {
	var p pipes
	var errs [3]error
	p.specR, p.specW, errs[0] = os.Pipe()
	p.errorR, p.errorW, errs[1] = os.Pipe()
	p.outputR, p.outputW, errs[2] = os.Pipe()
	if err := errors.Join(errs[:]...); err != nil {
		p.closeChildEnds()
		p.closeOwnEnds()
		return nil, fmt.Errorf("preparing the container's pipes: %w", err)
	}
	return &p, nil
}

// closeChildEnds and closeOwnEnds close files that may be nil, for which Close only returns an error.
func (p *pipes) closeChildEnds() {
	for _, f := range []*os.File{p.specR, p.errorW, p.outputW} {
		_ = f.Close()
	}
}

func (p *pipes) closeOwnEnds() {
	for _, f := range []*os.File{p.specW, p.errorR, p.outputR} {
		_ = f.Close()
	}
}
