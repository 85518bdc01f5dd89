package podrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// dataLink is the symbolic link by which a volume changes all its files at once; every visible file is a link through
// it. Programs that watch mounted ConfigMaps and Secrets rely on exactly that.
const dataLink = "..data"

// volumeDir is a volume's directory.
type volumeDir struct {
	path    string
	group   int // owner of the files, -1 to leave it
	current files
	version int
}

// newVolumeDir makes the directory. One without contents of its own may be written by anybody.
func newVolumeDir(path string, group int, writable bool) (*volumeDir, error) {
	mode := fs.FileMode(0o755)
	if writable {
		mode = 0o777
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return nil, fmt.Errorf("making a volume: %w", err)
	}
	d := &volumeDir{path: path, group: group}
	// The umask has no say in a volume's mode.
	return d, errors.Join(os.Chmod(path, mode), d.own(path))
}

// update replaces the contents, if they changed. Readers see either the old files or the new ones.
func (d *volumeDir) update(contents files) error {
	if d.version > 0 && maps.Equal(d.current, contents) {
		return nil
	}
	d.version++
	generation := fmt.Sprintf("..%d", d.version)
	if err := d.write(filepath.Join(d.path, generation), contents); err != nil {
		return fmt.Errorf("writing volume %s: %w", filepath.Base(d.path), err)
	}
	next := filepath.Join(d.path, "..data_next")
	if err := os.Symlink(generation, next); err != nil {
		return fmt.Errorf("writing volume %s: %w", filepath.Base(d.path), err)
	}
	if err := os.Rename(next, filepath.Join(d.path, dataLink)); err != nil {
		return fmt.Errorf("writing volume %s: %w", filepath.Base(d.path), err)
	}
	d.current = contents
	return errors.Join(d.link(contents), os.RemoveAll(filepath.Join(d.path, fmt.Sprintf("..%d", d.version-1))))
}

func (d *volumeDir) write(dir string, contents files) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, f := range contents {
		if !validPath(name) {
			return fmt.Errorf("%q is no path inside the volume", name)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := f.mode
		if d.group >= 0 {
			mode |= 0o440 // a pod with an fsGroup can read its volumes
		}
		if err := os.WriteFile(path, []byte(f.data), mode); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(path, mode), d.own(path)); err != nil {
			return err
		}
	}
	return nil
}

// link makes the visible names point through the data link, and removes those that are gone.
func (d *volumeDir) link(contents files) error {
	wanted := map[string]bool{}
	for name := range contents {
		first, _, _ := strings.Cut(name, "/")
		wanted[first] = true
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if wanted[name] {
			delete(wanted, name)
		} else if e.Type() == fs.ModeSymlink && name != dataLink {
			if err := os.Remove(filepath.Join(d.path, name)); err != nil {
				return err
			}
		}
	}
	for name := range wanted {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(d.path, name)); err != nil {
			return err
		}
	}
	return nil
}

func (d *volumeDir) own(path string) error {
	if d.group < 0 {
		return nil
	}
	return os.Chown(path, -1, d.group)
}
