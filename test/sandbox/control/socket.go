package control

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// maxSocketPath is what fits in the kernel's address of a unix socket (unix(7): 108 bytes with the final zero).
const maxSocketPath = 107

// withShortPath calls do with a path to the socket that fits in a socket address: a long one is named through an open
// file of its directory.
func withShortPath(path string, do func(short string) error) error {
	if len(path) <= maxSocketPath {
		return do(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// Listen opens the control socket at path, which may be of any length.
func Listen(ctx context.Context, path string) (*net.UnixListener, error) {
	var listener *net.UnixListener
	err := withShortPath(path, func(short string) error {
		l, err := (&net.ListenConfig{}).Listen(ctx, "unix", short)
		if err != nil {
			return err
		}
		listener = l.(*net.UnixListener)
		listener.SetUnlinkOnClose(false) // the socket goes with the sandbox's directory
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return listener, nil
}

// dial connects to the control socket at path.
func dial(ctx context.Context, path string) (net.Conn, error) {
	var conn net.Conn
	err := withShortPath(path, func(short string) (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", short)
		return err
	})
	return conn, err
}
