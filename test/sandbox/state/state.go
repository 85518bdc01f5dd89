// Package state is what a sandbox keeps on the host's disk: one directory for each sandbox below
// <user cache>/karpenter-upgrade-operator/sandboxes, with a record of the process that carries it, its kubeconfig and
// its logs. All other files of a sandbox are on file systems of its own, which go with its last process.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gofrs/flock"
)

// DefaultName is the sandbox's name where the user gives none.
const DefaultName = "default"

// lockPoll is how often a waiting process looks for the lock.
const lockPoll = 50 * time.Millisecond

// ErrNotFound is returned for a sandbox that has no record.
var ErrNotFound = errors.New("no such sandbox")

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// ValidateName refuses names that do not fit in a file name, a host name and a label.
func ValidateName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("sandbox name %q is not valid: use up to 40 lower case letters, digits and dashes, as in %q", name, DefaultName)
	}
	return nil
}

// Record says which process carries a sandbox and how it is reached from the host.
type Record struct {
	// Name is the sandbox's name.
	Name string `json:"name"`
	// Init is the sandbox's first process; when it ends, all of the sandbox ends.
	Init Process `json:"init"`
	// Created is when the sandbox was asked for.
	Created time.Time `json:"created"`
	// APIServer and Registry are the host's addresses, as in "127.0.0.1:40123", relayed into the sandbox.
	APIServer string `json:"apiServer"`
	Registry  string `json:"registry"`
}

// Home is the directory that has all sandboxes of a user.
type Home struct {
	root string
}

// NewHome returns the home below a cache root. Nothing is created.
func NewHome(cacheRoot string) Home {
	return Home{root: filepath.Join(cacheRoot, "sandboxes")}
}

// Dir returns the directory of a sandbox, which need not exist.
func (h Home) Dir(name string) Dir {
	return Dir{path: filepath.Join(h.root, name)}
}

// Names lists the sandboxes that have a record, sorted.
func (h Home) Names() ([]string, error) {
	entries, err := os.ReadDir(h.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing sandboxes: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, err := h.Dir(e.Name()).Load(); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// TryLock takes the right to start a sandbox of this name; the error says that another process has it.
func (h Home) TryLock(name string) (unlock func(), err error) {
	l, err := h.newLock(name)
	if err != nil {
		return nil, err
	}
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking sandbox %s: %w", name, err)
	}
	if !got {
		return nil, fmt.Errorf("sandbox %s is being started or stopped by another process", name)
	}
	return func() { _ = l.Unlock() }, nil
}

// Lock waits for the right to stop a sandbox of this name.
func (h Home) Lock(ctx context.Context, name string) (unlock func(), err error) {
	l, err := h.newLock(name)
	if err != nil {
		return nil, err
	}
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("locking sandbox %s: %w", name, err)
	}
	return func() { _ = l.Unlock() }, nil
}

// newLock keeps lock files apart from the sandboxes' directories, for they must outlive these.
func (h Home) newLock(name string) (*flock.Flock, error) {
	dir := filepath.Join(h.root, ".locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("preparing the sandboxes' directory: %w", err)
	}
	return flock.New(filepath.Join(dir, name)), nil
}

// Dir is the directory of one sandbox.
type Dir struct {
	path string
}

// OpenDir returns the sandbox directory at path, for processes that are told the path.
func OpenDir(path string) Dir { return Dir{path: path} }

// Path is the directory itself.
func (d Dir) Path() string { return d.path }

// Name is the sandbox's name.
func (d Dir) Name() string { return filepath.Base(d.path) }

// Kubeconfig is the administrator's kubeconfig for use on the host.
func (d Dir) Kubeconfig() string { return filepath.Join(d.path, "kubeconfig") }

// Config is what the sandbox's own processes were started with.
func (d Dir) Config() string { return filepath.Join(d.path, "config.json") }

// Log is the output of the sandbox's own processes.
func (d Dir) Log() string { return filepath.Join(d.path, "logs", "sandbox.log") }

// Logs has one file for each component, and the directory pods with those of the containers.
func (d Dir) Logs() string { return filepath.Join(d.path, "logs") }

// Bin has copies of programs that may be rebuilt while the sandbox runs.
func (d Dir) Bin() string { return filepath.Join(d.path, "bin") }

// Run is where the sandbox mounts a memory file system of its own; on the host it is an empty directory.
func (d Dir) Run() string { return filepath.Join(d.path, "run") }

// ControlSocket is the unix socket of the control API.
func (d Dir) ControlSocket() string { return filepath.Join(d.path, "control.sock") }

func (d Dir) record() string { return filepath.Join(d.path, "sandbox.json") }

// Create makes the directory anew; what a dead sandbox of the same name left is removed.
func (d Dir) Create() error {
	if err := d.Remove(); err != nil {
		return err
	}
	for _, dir := range []string{d.Logs(), d.Run(), d.Bin()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("creating the directory of sandbox %s: %w", d.Name(), err)
		}
	}
	return nil
}

// Remove deletes the directory.
func (d Dir) Remove() error {
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("removing the directory of sandbox %s: %w", d.Name(), err)
	}
	return nil
}

// Save writes the record; a reader sees the old one or the new one.
func (d Dir) Save(r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the record of sandbox %s: %w", d.Name(), err)
	}
	tmp := d.record() + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("saving the record of sandbox %s: %w", d.Name(), err)
	}
	if err := os.Rename(tmp, d.record()); err != nil {
		return fmt.Errorf("saving the record of sandbox %s: %w", d.Name(), err)
	}
	return nil
}

// Load reads the record; [ErrNotFound] if there is none.
func (d Dir) Load() (Record, error) {
	data, err := os.ReadFile(d.record())
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, fmt.Errorf("%w: %s", ErrNotFound, d.Name())
	}
	if err != nil {
		return Record{}, fmt.Errorf("reading the record of sandbox %s: %w", d.Name(), err)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("reading the record of sandbox %s: %w", d.Name(), err)
	}
	return r, nil
}
