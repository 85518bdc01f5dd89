package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/utils/clock"
)

// Times of the supervisor.
const (
	restartDelay = time.Second
	stopGrace    = 5 * time.Second
)

// Component is what is known of one supervised process.
type Component struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	// LastExit says how it ended last; empty if it never did.
	LastExit string `json:"lastExit,omitempty"`
}

// Supervisor runs processes and starts those that end again, a second later. It is safe for concurrent use.
type Supervisor struct {
	logs  string
	clock clock.Clock
	wg    sync.WaitGroup

	mu        sync.Mutex
	processes map[string]*process
}

type process struct {
	status Component
	kill   chan struct{} // asks for a restart
}

// NewSupervisor returns a supervisor whose processes write to <logs>/<name>.log.
func NewSupervisor(logs string, clk clock.Clock) *Supervisor {
	return &Supervisor{logs: logs, clock: clk, processes: map[string]*process{}}
}

// Program is what a supervisor runs.
type Program struct {
	Name, Path string
	Args       []string
	// BeforeRestart is called before each start but the first; its error is logged and the start made all the same.
	BeforeRestart func(ctx context.Context) error
}

// Start runs a program until ctx ends.
func (s *Supervisor) Start(ctx context.Context, program Program) error {
	log, err := os.OpenFile(filepath.Join(s.logs, program.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("starting %s: %w", program.Name, err)
	}
	p := &process{status: Component{Name: program.Name}, kill: make(chan struct{}, 1)}
	s.mu.Lock()
	s.processes[program.Name] = p
	s.mu.Unlock()
	s.wg.Go(func() {
		defer log.Close()
		s.keepRunning(ctx, p, program, log)
	})
	return nil
}

func (s *Supervisor) keepRunning(ctx context.Context, p *process, program Program, log io.Writer) {
	for {
		s.runOnce(ctx, p, program, log)
		select {
		case <-ctx.Done():
			return
		case <-s.clock.After(restartDelay):
		}
		if program.BeforeRestart == nil {
			continue
		}
		if err := program.BeforeRestart(ctx); err != nil {
			fmt.Fprintf(log, "sandbox: preparing the restart of %s: %v\n", program.Name, err)
		}
	}
}

// Restart ends a process, which is then started again.
func (s *Supervisor) Restart(name string) error {
	s.mu.Lock()
	p := s.processes[name]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("there is no component %s", name)
	}
	select {
	case p.kill <- struct{}{}:
	default: // a restart is under way
	}
	return nil
}

// Wait returns when all processes have ended, which they do when their contexts end.
func (s *Supervisor) Wait() { s.wg.Wait() }

// errHopeless says that a process does not stay up.
var errHopeless = errors.New("it does not stay up")

// hopelessRestarts is how often a process may end before it is healthy for the first time: the API server gives up once
// or twice where etcd is slow to start.
const hopelessRestarts = 5

// hopeless returns an error for a process that has ended too often, with the last that it said.
func (s *Supervisor) hopeless(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[name]
	if p == nil || p.status.Restarts < hopelessRestarts {
		return nil
	}
	said, err := lastLines(filepath.Join(s.logs, name+".log"), name)
	if err != nil {
		said = err.Error()
	}
	return fmt.Errorf("%s: %w (%s): %s", name, errHopeless, p.status.LastExit, said)
}

// lastLines is the end of what a process said, in one line.
func lastLines(path, name string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	last := ""
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "sandbox: "+name+" ended") {
			last = line
		}
	}
	return last, nil
}

// Components lists the processes, by name.
func (s *Supervisor) Components() []Component {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Component, 0, len(s.processes))
	for _, p := range s.processes {
		list = append(list, p.status)
	}
	slices.SortFunc(list, func(a, b Component) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *Supervisor) runOnce(ctx context.Context, p *process, program Program, log io.Writer) {
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(runCtx, program.Path, program.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{"HOME=/", "PATH=" + os.Getenv("PATH")}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	err := cmd.Start()
	if err == nil {
		s.update(p, func(c *Component) { c.PID = cmd.Process.Pid })
		err = waitOrKill(runCtx, cmd, p.kill, cancel)
	}
	if ctx.Err() != nil {
		return
	}
	exit := "exit status 0"
	if err != nil {
		exit = err.Error()
	}
	fmt.Fprintf(log, "sandbox: %s ended: %s\n", p.status.Name, exit)
	s.update(p, func(c *Component) { c.PID, c.LastExit = 0, exit; c.Restarts++ })
}

func waitOrKill(ctx context.Context, cmd *exec.Cmd, kill <-chan struct{}, cancel func()) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-kill:
		cancel()
	case <-ctx.Done():
	}
	return errors.Join(errors.New("stopped on request"), <-done)
}

func (s *Supervisor) update(p *process, change func(*Component)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&p.status)
}
