// Package container starts one local program as a container: in a process, mount, UTS and IPC namespace of its own, in
// the network namespace it is given, with a root file system that has nothing but the program, the files and volumes
// asked for and what every container has (/proc, /dev, /etc/hosts, ...), without capabilities.
//
// What is left out is stated: there are no cgroups (limits are not enforced) and no seccomp or AppArmor profiles, and
// inside a user namespace, which maps no other user than the sandbox's own, all containers run as that one.
package container

// Spec is a container to start. It is handed to the container's first process as JSON.
type Spec struct {
	// Root is an existing empty directory, on which the root file system is mounted in the container's view alone.
	Root string `json:"root"`
	// Argv is the program with its arguments; a name without a slash is looked for in PATH, all inside the container.
	Argv []string `json:"argv"`
	// Env is the whole environment, as KEY=value.
	Env []string `json:"env"`
	// Dir is the working directory, / by default.
	Dir string `json:"dir,omitempty"`
	// Hostname is the container's host name.
	Hostname string `json:"hostname"`
	// Mounts are made in order, on files or directories that are created.
	Mounts []Mount `json:"mounts,omitempty"`
	// Files are written into the root file system: contents by absolute path.
	Files map[string]string `json:"files,omitempty"`
	// ReadOnlyRoot forbids writes outside the mounts.
	ReadOnlyRoot bool `json:"readOnlyRoot,omitempty"`
	// UID, GID and Groups are whom the program runs as. They hold only where Remap is set.
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups,omitempty"`
	// Remap says that the user may be changed, which in a user namespace with a single user it may not.
	Remap bool `json:"remap,omitempty"`
	// JoinNetwork is set by Start when it is given a network namespace.
	JoinNetwork bool `json:"joinNetwork,omitempty"`
}

// Mount shows a file or directory of the sandbox inside the container.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Exit says how a container's first process ended.
type Exit struct {
	// Code is the exit code, 128 and the signal's number for one that was killed.
	Code int32
	// Signal is the signal's number, 0 for a process that exited.
	Signal int32
}

// Numbers of the files that are handed to the container's first process.
const (
	specFD  = 3 // the Spec
	errorFD = 4 // takes the reason when the program cannot be started; closed when it was
	netnsFD = 5 // the network namespace, if one is given
)
