package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/namespaces"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/serve"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

// cleanupTimeout bounds taking back a sandbox that did not come up.
const cleanupTimeout = 30 * time.Second

// Up starts a sandbox and returns when all of it is ready. It is an error if one of the same name is up. When it fails,
// or ctx ends before it is ready, nothing is left but the log that the error names.
func Up(ctx context.Context, o Options) (*Sandbox, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	home := state.NewHome(o.Home)
	unlock, err := home.TryLock(o.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dir := home.Dir(o.Name)
	if record, err := dir.Load(); err == nil && record.Init.Alive() {
		return nil, fmt.Errorf("sandbox %s is up already: use it, or stop it with `go -C test run ./cmd/sandbox down --name %s`", o.Name, o.Name)
	}
	if err := dir.Create(); err != nil {
		return nil, err
	}
	p, err := assemble(ctx, o, dir)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	if err := p.config.Save(dir.Config()); err != nil {
		return nil, err
	}
	return start(ctx, o, dir, p.program)
}

// start starts the sandbox's first process and waits until all is ready.
func start(ctx context.Context, o Options, dir state.Dir, program string) (*Sandbox, error) {
	h, err := openHandover(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	cmd, err := namespaces.Spawn(h.spec(program, dir))
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	h.closeHanded()
	sb, err := h.await(ctx, o, dir, cmd)
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_ = cmd.Process.Kill()
		select {
		case <-ended:
		case <-cleanup.Done():
		}
		return nil, fmt.Errorf("starting sandbox %s: %w; see %s", o.Name, err, dir.Log())
	}
	sb.ended = ended
	return sb, nil
}

// handover is what goes from the host to the sandbox.
type handover struct {
	output              *os.File
	reportR, reportW    *os.File
	lifelineR, lifeline *os.File
	listeners           []*os.File
	apiServer, registry string
}

func openHandover(ctx context.Context, o Options, dir state.Dir) (*handover, error) {
	h := &handover{}
	var errs []error
	var err error
	h.output, err = os.OpenFile(dir.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	errs = append(errs, err)
	h.reportR, h.reportW, err = os.Pipe()
	errs = append(errs, err)
	if !o.Detach {
		h.lifelineR, h.lifeline, err = os.Pipe()
		errs = append(errs, err)
	}
	var file *os.File
	file, h.apiServer, err = listenLoopback(ctx)
	h.listeners, errs = append(h.listeners, file), append(errs, err)
	file, h.registry, err = listenLoopback(ctx)
	h.listeners, errs = append(h.listeners, file), append(errs, err)
	file, err = listenControl(ctx, dir)
	h.listeners, errs = append(h.listeners, file), append(errs, err)
	if err := errors.Join(errs...); err != nil {
		h.close()
		return nil, fmt.Errorf("preparing sandbox %s: %w", dir.Name(), err)
	}
	return h, nil
}

// listenLoopback opens a listener on a free port of the host.
func listenLoopback(ctx context.Context) (*os.File, string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	return f, l.Addr().String(), err
}

func listenControl(ctx context.Context, dir state.Dir) (*os.File, error) {
	l, err := control.Listen(ctx, dir.ControlSocket())
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.File()
}

func (h *handover) spec(program string, dir state.Dir) namespaces.Spec {
	return namespaces.Spec{
		Binary:    program,
		Args:      []string{serve.InitCommand, dir.Path()},
		Output:    h.output,
		Report:    h.reportW,
		Lifeline:  h.lifelineR,
		Listeners: h.listeners,
	}
}

// await records the sandbox and waits for its report.
func (h *handover) await(ctx context.Context, o Options, dir state.Dir, cmd *exec.Cmd) (*Sandbox, error) {
	init, err := state.Identify(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	record := state.Record{
		Name: o.Name, Init: init, Created: clock.RealClock{}.Now(), APIServer: h.apiServer, Registry: h.registry,
	}
	if err := dir.Save(record); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.ReadyTimeout, fmt.Errorf("it was not ready within %s", o.ReadyTimeout))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = h.reportR.Close() })
	defer stop()
	if err := namespaces.Await(h.reportR, o.Progress); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	sb, err := open(dir, record)
	if err != nil {
		return nil, err
	}
	sb.lifeline, h.lifeline = h.lifeline, nil
	return sb, nil
}

// closeHanded closes the host's copies of what the sandbox has now, so that its end can be noticed.
func (h *handover) closeHanded() {
	for _, f := range append([]*os.File{h.output, h.reportW, h.lifelineR}, h.listeners...) {
		_ = f.Close() // nil files only return an error
	}
}

func (h *handover) close() {
	h.closeHanded()
	_ = h.reportR.Close()
	_ = h.lifeline.Close()
}
