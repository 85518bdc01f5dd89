package container

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Init is the first process of a container. It becomes the program that it is told to start; if it returns, that
// failed and has been reported, and the process should exit with the code returned.
func Init() int {
	// Namespaces and capabilities belong to a thread; the one that executes the program is the one that survives.
	runtime.LockOSThread()
	for _, fd := range []int{specFD, errorFD, netnsFD} {
		unix.CloseOnExec(fd)
	}
	err := become()
	fmt.Fprintln(os.NewFile(errorFD, "error"), err)
	return 1
}

// become does not return but with an error.
func become() error {
	var spec Spec
	if err := json.NewDecoder(os.NewFile(specFD, "spec")).Decode(&spec); err != nil {
		return fmt.Errorf("reading the container's description: %w", err)
	}
	if spec.JoinNetwork {
		if err := unix.Setns(netnsFD, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the pod's network: %w", err)
		}
	}
	if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	if err := enterRoot(spec); err != nil {
		return err
	}
	if err := os.Chdir(cmp.Or(spec.Dir, "/")); err != nil {
		return fmt.Errorf("entering the working directory: %w", err)
	}
	path, err := lookPath(spec.Argv, spec.Env)
	if err != nil {
		return err
	}
	if err := dropPrivileges(spec); err != nil {
		return err
	}
	return fmt.Errorf("executing %s: %w", path, unix.Exec(path, spec.Argv, spec.Env))
}

// lookPath finds the program as a shell would, by the container's own PATH.
func lookPath(argv, env []string) (string, error) {
	if len(argv) == 0 {
		return "", fmt.Errorf("the container has no command")
	}
	if strings.Contains(argv[0], "/") {
		return argv[0], nil
	}
	for _, kv := range env {
		dirs, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			path := filepath.Join(dir, argv[0])
			if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", argv[0])
}

// dropPrivileges gives up every capability for good, and becomes the user where users can be changed.
func dropPrivileges(spec Spec) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding new privileges: %w", err)
	}
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		// A kernel older than our list does not know the last ones.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	if spec.Remap {
		if err := unix.Setgroups(spec.Groups); err != nil {
			return fmt.Errorf("setting the groups: %w", err)
		}
		if err := unix.Setresgid(spec.GID, spec.GID, spec.GID); err != nil {
			return fmt.Errorf("becoming group %d: %w", spec.GID, err)
		}
		if err := unix.Setresuid(spec.UID, spec.UID, spec.UID); err != nil {
			return fmt.Errorf("becoming user %d: %w", spec.UID, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("dropping capabilities: %w", err)
	}
	return nil
}
