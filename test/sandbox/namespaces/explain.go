package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Explain adds to a failed start what the machine lacks and what to do about it. A nil error stays nil.
func Explain(err error) error {
	return explain(err, readSysctl)
}

func explain(err error, sysctl func(path string) string) error {
	if err == nil {
		return nil
	}
	denied := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
	exhausted := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS)
	var fix string
	switch {
	case !denied && !exhausted && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EOPNOTSUPP):
		return err
	case sysctl("user/max_user_namespaces") == "0":
		fix = "user namespaces are switched off: run `sysctl user.max_user_namespaces=10000` as root, or run the sandbox as root"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		fix = "user namespaces are for root only: run `sysctl kernel.unprivileged_userns_clone=1` as root, or run the sandbox as root"
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		fix = "AppArmor restricts user namespaces: run `sysctl kernel.apparmor_restrict_unprivileged_userns=0` as root, or run the sandbox as root"
	case errors.Is(err, syscall.EOPNOTSUPP):
		fix = "the kernel lacks bridge or veth interfaces: run `modprobe -a bridge veth` as root"
	default:
		fix = "namespaces are forbidden here: in a container, start it with --privileged; elsewhere run the sandbox as root"
	}
	return fmt.Errorf("%w (%s)", err, fix)
}

func readSysctl(path string) string {
	data, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
