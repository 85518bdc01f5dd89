package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds connecting to a server of the same sandbox.
const dialTimeout = 10 * time.Second

// relay joins every connection that the listener accepts, which belongs to the host's network, with a new one to the
// target inside the sandbox, until ctx ends.
func relay(ctx context.Context, l net.Listener, target string) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		wg.Go(func() { join(ctx, conn, target) })
	}
}

func join(ctx context.Context, from net.Conn, target string) {
	defer from.Close()
	to, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", target)
	if err != nil {
		return // the host's client sees the connection end, as if it had dialled itself
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(from.Close(), to.Close()) })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { pipe(to, from) })
	wg.Go(func() { pipe(from, to) })
	wg.Wait()
}

// pipe copies one direction and passes its end on, leaving the other direction open.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}
