package namespaces

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// filesEnv is how many files were handed over.
const filesEnv = "SANDBOX_FILES"

// Init is the first process of a sandbox. It gives the sandbox its own view of mounts and processes, starts itself
// again with the arguments serve, and collects dead processes until that one ends or the owner is gone. It returns the
// exit code for the process; when it exits, the kernel kills whatever is left in the sandbox.
func Init(hostname string, serve []string) int {
	if err := prepare(hostname); err != nil {
		report(Explain(err))
		return 1
	}
	go watchLifeline()
	pid, err := startServe(serve)
	if err != nil {
		report(err)
		return 1
	}
	go forward(pid)
	return reap(pid)
}

// prepare makes the namespaces that the process was born into independent of those they were copied from.
func prepare(hostname string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("detaching the sandbox's mounts from the host's: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc in the sandbox: %w", err)
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return fmt.Errorf("naming the sandbox: %w", err)
	}
	return nil
}

func startServe(args []string) (int, error) {
	count, err := strconv.Atoi(os.Getenv(filesEnv))
	if err != nil {
		return 0, fmt.Errorf("counting the files handed over: %w", err)
	}
	if err := closeStrays(ReportFD + count); err != nil {
		return 0, err
	}
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for fd := ReportFD; fd < ReportFD+count; fd++ {
		files = append(files, os.NewFile(uintptr(fd), "inherited"))
	}
	p, err := os.StartProcess("/proc/self/exe", append([]string{"sandbox"}, args...), &os.ProcAttr{
		Files: files,
		Env:   os.Environ(),
	})
	if err != nil {
		return 0, fmt.Errorf("starting the sandbox's main process: %w", err)
	}
	for fd := ReportFD; fd < ReportFD+count; fd++ {
		if fd != LifelineFD {
			_ = unix.Close(fd)
		}
	}
	return p.Pid, nil
}

// closeStrays closes files from number first on that came from the caller unasked, as a shell's redirections do: held
// by a sandbox they would keep somebody waiting for their end. What the Go runtime opened closes on exec; these do not.
func closeStrays(first int) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("looking for inherited files: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < first {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// reap collects every process that ends, for the kernel gives orphans to the first process, until pid ends.
func reap(pid int) int {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 1
		case got == pid:
			if status.Signaled() {
				return 128 + int(status.Signal())
			}
			return status.ExitStatus()
		}
	}
}

// forward passes a request to stop on to the main process, which stops in good order.
func forward(pid int) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	for range signals {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

// watchLifeline ends the sandbox when the process that owns it has ended. A sandbox without an owner has a regular
// file or device there, which says nothing.
func watchLifeline() {
	f := os.NewFile(LifelineFD, "lifeline")
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	_, _ = io.Copy(io.Discard, f)
	os.Exit(0)
}

func report(err error) {
	fmt.Fprintln(os.Stderr, err)
	NewReporter(os.NewFile(ReportFD, "report")).Fail(err)
}
