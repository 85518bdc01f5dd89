package scenario

import "syscall"

// ofOwnGroup keeps an interrupt from the terminal away from a process: it reaches us, and we end the process. It also ends
// when we do, however that comes about.
func ofOwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
