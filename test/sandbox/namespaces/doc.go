// Package namespaces starts a sandbox in Linux namespaces of its own and is the first process in there.
//
// All of a sandbox lives in one process, mount, network, UTS and IPC namespace, and in a user namespace too where the
// caller may not make the others without. So sandboxes do not share addresses or ports, nothing they send leaves them,
// and the kernel itself ends every process, mount and link of a sandbox when its first process ends.
//
// [Spawn] is the host's side, [Init] the first process inside. The host hands over open files: a pipe on which the
// sandbox reports how it comes up, a pipe whose end of file tells that the owner is gone, and listeners that were
// opened in the host's network namespace and keep belonging to it, which is how the sandbox is reached from outside.
package namespaces

// Numbers of the files that the host hands to the processes of the sandbox.
const (
	// ReportFD is written by the sandbox: one JSON document a line.
	ReportFD = 3
	// LifelineFD is at its end when the owner is gone.
	LifelineFD = 4
	// ListenersFD is the first listener.
	ListenersFD = 5
)
