package binaries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a process looks whether another one has finished the build it waits for.
const lockPoll = 200 * time.Millisecond

// Cache keeps finished builds as directories <root>/<name>/<key>.
type Cache struct {
	root     string
	progress io.Writer
}

// NewCache returns a cache below root; nothing is created before the first build. Waiting for another process is
// reported on progress.
func NewCache(root string, progress io.Writer) *Cache {
	return &Cache{root: root, progress: progress}
}

// Dir returns the directory of the artefact (name, key). If it is missing, build is called with an empty directory
// to fill, which then becomes the artefact at once; at most one process on this machine builds it, the others wait.
// An artefact that exists is returned without a write, so a read-only cache that is complete will do.
func (c *Cache) Dir(ctx context.Context, name, key string, build func(ctx context.Context, dir string) error) (string, error) {
	final := filepath.Join(c.root, name, key)
	if isDir(final) {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Join(c.root, name), 0o755); err != nil {
		return "", fmt.Errorf("preparing the cache for %s: %w", name, err)
	}
	unlock, err := c.lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(final) {
		return final, nil
	}
	tmp, err := os.MkdirTemp(filepath.Join(c.root, name), ".building-")
	if err != nil {
		return "", fmt.Errorf("preparing the cache for %s: %w", name, err)
	}
	defer os.RemoveAll(tmp)
	if err := build(ctx, tmp); err != nil {
		return "", err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", fmt.Errorf("finishing %s: %w", name, err)
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fmt.Errorf("finishing %s: %w", name, err)
	}
	return final, nil
}

// lock takes the artefact's file lock and says so when it has to wait. The lock goes with the process that holds it.
func (c *Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	l := flock.New(filepath.Join(c.root, name, ".lock"))
	got, err := l.TryLock()
	if err == nil && !got {
		fmt.Fprintf(c.progress, "waiting for another process that builds %s\n", name)
		_, err = l.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		return nil, fmt.Errorf("locking the build of %s (%s): %w", name, l.Path(), err)
	}
	return func() { _ = l.Unlock() }, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// linkOrCopy makes dst another name of src, or a copy where the file system does not allow that.
func linkOrCopy(src, dst string) error {
	if err := os.Remove(dst); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(src, dst) == nil {
		return nil
	}
	return Copy(src, dst)
}

// Copy copies a file with its permissions to dst, which must not exist.
func Copy(src, dst string) (err error) {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
