//go:build !linux

package scenario

import "syscall"

// ofOwnGroup is of use on Linux only, as sandboxes are.
func ofOwnGroup() *syscall.SysProcAttr { return nil }
