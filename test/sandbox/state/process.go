package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// gonePoll is how often [Process.Kill] looks whether the process has ended.
const gonePoll = 10 * time.Millisecond

// Process identifies a process for good: a process id alone may since have been given to another one.
type Process struct {
	PID int `json:"pid"`
	// StartTicks is the start time in clock ticks since boot (proc(5), stat field 22).
	StartTicks uint64 `json:"startTicks"`
	// BootID tells boots of the machine apart.
	BootID string `json:"bootID"`
}

// Identify returns the identity of a running process.
func Identify(pid int) (Process, error) {
	stat, err := readStat(pid)
	if err != nil {
		return Process{}, fmt.Errorf("identifying process %d: %w", pid, err)
	}
	return Process{PID: pid, StartTicks: stat.startTicks, BootID: bootID()}, nil
}

// Alive tells whether the process still runs. One that has ended but was not collected by its parent does not.
func (p Process) Alive() bool {
	stat, err := readStat(p.PID)
	return err == nil && p.PID > 0 && stat.startTicks == p.StartTicks && !stat.ended() && bootID() == p.BootID
}

// Kill ends the process by SIGKILL and waits until it is gone. For the first process of a process namespace that
// means that all others in there are gone too. Nothing is done to a process that is not the one identified.
func (p Process) Kill(ctx context.Context) error {
	proc, err := os.FindProcess(p.PID) // holds a pidfd, so that the check below and the signal meet one process
	if err != nil {
		return fmt.Errorf("finding process %d: %w", p.PID, err)
	}
	defer func() { _ = proc.Release() }()
	if !p.Alive() {
		return nil
	}
	if err := proc.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing process %d: %w", p.PID, err)
	}
	err = wait.PollUntilContextCancel(ctx, gonePoll, true, func(context.Context) (bool, error) { return !p.Alive(), nil })
	if err != nil {
		return fmt.Errorf("waiting for process %d to end: %w", p.PID, err)
	}
	return nil
}

type procStat struct {
	state      string
	threads    uint64
	startTicks uint64
}

// ended says that the whole process has ended. The state is that of its first thread, which may have ended before the others;
// and it is the last one that ends a process namespace (the kernel's find_child_reaper).
func (s procStat) ended() bool {
	return s.state == "X" || (s.state == "Z" && s.threads <= 1)
}

func readStat(pid int) (procStat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	return parseStat(string(data))
}

// parseStat reads proc(5)'s stat line. The second field is the command in parentheses and may itself have spaces and
// parentheses, so fields are counted from its end.
func parseStat(line string) (procStat, error) {
	_, rest, ok := strings.Cut(line[max(0, strings.LastIndex(line, ")")):], ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return procStat{}, fmt.Errorf("unexpected process status %q", line)
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("unexpected process status %q: %w", line, err)
	}
	threads, err := strconv.ParseUint(fields[17], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("unexpected process status %q: %w", line, err)
	}
	return procStat{state: fields[0], threads: threads, startTicks: ticks}, nil
}

func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
