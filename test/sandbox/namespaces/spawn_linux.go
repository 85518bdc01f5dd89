package namespaces

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// Spec is what the first process of a sandbox is started with.
type Spec struct {
	// Binary is the sandbox program and Args its arguments, which lead to [Init].
	Binary string
	Args   []string
	// Output takes what the processes print.
	Output *os.File
	// Report, Lifeline and Listeners are handed over. A nil Lifeline lets the sandbox outlive its owner.
	Report    *os.File
	Lifeline  *os.File
	Listeners []*os.File
}

// Spawn starts the first process of a sandbox. Without the privilege to make namespaces it makes a user namespace
// first, in which the caller is root. The caller must Wait for the returned command, or exit.
func Spawn(spec Spec) (*exec.Cmd, error) {
	lifeline := spec.Lifeline
	if lifeline == nil {
		forever, err := os.Open(os.DevNull)
		if err != nil {
			return nil, fmt.Errorf("starting the sandbox: %w", err)
		}
		defer forever.Close()
		lifeline = forever
	}
	var err error
	for _, inUserNamespace := range attempts(os.Geteuid()) {
		cmd := command(spec, lifeline, inUserNamespace)
		if err = cmd.Start(); err == nil {
			return cmd, nil
		}
		if !errors.Is(err, syscall.EPERM) {
			break
		}
	}
	return nil, Explain(fmt.Errorf("making the sandbox's namespaces: %w", err))
}

// attempts lists whether to try with a user namespace: only then for ordinary users; as a second try for root, who in
// a container may lack the privilege.
func attempts(euid int) []bool {
	if euid == 0 {
		return []bool{false, true}
	}
	return []bool{true}
}

func command(spec Spec, lifeline *os.File, inUserNamespace bool) *exec.Cmd {
	cmd := exec.Command(spec.Binary, spec.Args...) //nolint:noctx // outlives every context of the caller
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/"}
	cmd.Stdout, cmd.Stderr = spec.Output, spec.Output
	cmd.ExtraFiles = append([]*os.File{spec.Report, lifeline}, spec.Listeners...)
	cmd.Env = append(cmd.Env, filesEnv+"="+strconv.Itoa(len(cmd.ExtraFiles)))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true,
	}
	if inUserNamespace {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}
