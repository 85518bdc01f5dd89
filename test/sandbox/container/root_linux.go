package container

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// devices that every container has.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// enterRoot builds the root file system on spec.Root and makes it the process's own. Everything happens in the
// container's mount namespace and is gone with it.
func enterRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("detaching the container's mounts: %w", err)
	}
	if err := unix.Mount("tmpfs", spec.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mounting the container's root: %w", err)
	}
	if err := errors.Join(populate(spec), mountDevices(spec.Root)); err != nil {
		return err
	}
	proc := filepath.Join(spec.Root, "proc")
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	for _, m := range spec.Mounts {
		if err := bind(spec.Root, m); err != nil {
			return err
		}
	}
	if err := pivot(spec.Root); err != nil {
		return err
	}
	if !spec.ReadOnlyRoot {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("making the root read-only: %w", err)
	}
	return nil
}

// populate makes the directories and files that the container begins with.
func populate(spec Spec) error {
	for _, dir := range []string{"proc", "dev", "etc", "var", "run", "tmp", "home/nonroot"} {
		if err := os.MkdirAll(filepath.Join(spec.Root, dir), 0o755); err != nil {
			return fmt.Errorf("making /%s: %w", dir, err)
		}
	}
	if err := os.Symlink("../run", filepath.Join(spec.Root, "var/run")); err != nil {
		return fmt.Errorf("linking /var/run: %w", err)
	}
	// MkdirAll is subject to the umask, and anybody may write here.
	if err := os.Chmod(filepath.Join(spec.Root, "tmp"), 0o777|os.ModeSticky); err != nil {
		return fmt.Errorf("opening /tmp: %w", err)
	}
	for _, path := range slices.Sorted(maps.Keys(spec.Files)) {
		target := filepath.Join(spec.Root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("making the directory of %s: %w", path, err)
		}
		if err := os.WriteFile(target, []byte(spec.Files[path]), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return nil
}

// mountDevices shows the machine's harmless devices, for a user namespace cannot make its own.
func mountDevices(root string) error {
	dev := filepath.Join(root, "dev")
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	for _, name := range devices {
		if err := bind(root, Mount{Source: "/dev/" + name, Target: "/dev/" + name}); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"fd": "/proc/self/fd", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, filepath.Join(dev, link)); err != nil {
			return fmt.Errorf("linking /dev/%s: %w", link, err)
		}
	}
	return nil
}

// bind shows a file or directory at a target below root, which is created if need be.
func bind(root string, m Mount) error {
	source, err := os.Stat(m.Source)
	if err != nil {
		return fmt.Errorf("mounting %s: %w", m.Target, err)
	}
	target := filepath.Join(root, m.Target)
	if err := createTarget(target, source.IsDir()); err != nil {
		return fmt.Errorf("mounting %s: %w", m.Target, err)
	}
	if err := unix.Mount(m.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", m.Target, err)
	}
	if !m.ReadOnly {
		return nil
	}
	flags, err := lockedFlags(target)
	if err != nil {
		return fmt.Errorf("mounting %s: %w", m.Target, err)
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|flags, ""); err != nil {
		return fmt.Errorf("making %s read-only: %w", m.Target, err)
	}
	return nil
}

func createTarget(target string, dir bool) error {
	if dir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	return f.Close()
}

// lockedFlags are the mount's present flags: a user namespace may not take away those that it inherited, and a
// remount names them all.
func lockedFlags(path string) (uintptr, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	var flags uintptr
	for have, set := range map[int64]uintptr{
		unix.ST_NOSUID:     unix.MS_NOSUID,
		unix.ST_NODEV:      unix.MS_NODEV,
		unix.ST_NOEXEC:     unix.MS_NOEXEC,
		unix.ST_NOATIME:    unix.MS_NOATIME,
		unix.ST_NODIRATIME: unix.MS_NODIRATIME,
		unix.ST_RELATIME:   unix.MS_RELATIME,
	} {
		if st.Flags&have != 0 {
			flags |= set
		}
	}
	return flags, nil
}

// pivot makes root the root directory and leaves nothing of the old one in sight.
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("entering the container's root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil { // stacks the old root over the new one, see pivot_root(2)
		return fmt.Errorf("changing to the container's root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the sandbox's root: %w", err)
	}
	return os.Chdir("/")
}
