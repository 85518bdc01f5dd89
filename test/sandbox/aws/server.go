package aws

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

const (
	// defaultAnswerDelay is about the least time that AWS takes.
	defaultAnswerDelay = 10 * time.Millisecond
	// defaultLogSize is how many calls the request log holds.
	defaultLogSize = 20000
	// headerTimeout bounds reading a request's headers, idleTimeout a connection without requests.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// shutdownTimeout is how long calls that are under way may go on when the server stops.
	shutdownTimeout = 3 * time.Second
)

// Server is the emulator. Make one with New and run it with Serve.
type Server struct {
	clk      clock.Clock
	log      *slog.Logger
	world    *world.World
	services *services
	faults   *faultList
	requests *requestLog
	control  http.Handler
	tunnels  *tunnels
	podOf    func(string) string
	delay    time.Duration
}

// New makes an emulator. It returns an error if the seed or the settings cannot be.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("making the AWS emulator: %w", err)
	}
	w, err := world.New(world.Config{
		Seed: cfg.Seed, Settings: *cfg.Settings, Clock: cfg.Clock, Log: cfg.Log, Booter: cfg.Booter,
	})
	if err != nil {
		return nil, fmt.Errorf("making the AWS emulator: %w", err)
	}
	s := &Server{
		clk: cfg.Clock, log: cfg.Log, world: w, services: newServices(w), faults: newFaultList(cfg.Clock, cfg.Random),
		requests: newRequestLog(cfg.RequestLogSize, cfg.RequestLog, cfg.Log), podOf: cfg.Pod,
		delay: cfg.AnswerDelay,
	}
	s.control = s.controlHandler()
	if s.tunnels, err = newTunnels(cfg.CA); err != nil {
		return nil, fmt.Errorf("making the AWS emulator: %w", err)
	}
	return s, nil
}

// complete puts the defaults in.
func (c *Config) complete() error {
	if c.Seed == nil {
		seed, err := DefaultSeed()
		if err != nil {
			return err
		}
		c.Seed = seed
	}
	if c.Settings == nil {
		settings := DefaultSettings()
		c.Settings = &settings
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Pod == nil {
		c.Pod = func(string) string { return "" }
	}
	if c.Random == nil {
		c.Random = random
	}
	if c.AnswerDelay == 0 {
		c.AnswerDelay = defaultAnswerDelay
	}
	if c.RequestLogSize <= 0 {
		c.RequestLogSize = defaultLogSize
	}
	return nil
}

// random returns a number from 0 up to 1.
func random() float64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // It never fails: see crypto/rand.
	return float64(binary.BigEndian.Uint64(raw[:])>>11) / (1 << 53)
}

// Serve answers calls on the listener, and lives the lives of the instances, until the context ends. It returns nil
// then, after the last call of the Booter has returned; or earlier an error if the listener fails. A Server can be
// served once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { s.world.Run(ctx) })

	plain := s.httpServer(ctx)
	inner := s.httpServer(ctx)
	running.Go(func() {
		if err := inner.Serve(s.tunnels); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(ctx, "serving tunnelled AWS calls", "error", err)
		}
	})
	running.Go(func() {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		for _, server := range []*http.Server{plain, inner} {
			if server.Shutdown(closing) != nil {
				_ = server.Close() // What is left is cut off.
			}
		}
	})
	if err := plain.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving AWS calls: %w", err)
	}
	return nil
}

// httpServer makes a server whose requests end with the context.
func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// serveHTTP tells apart tunnels, control calls and AWS calls.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		s.tunnels.open(w, r)
	case strings.HasPrefix(r.URL.Path, control.Prefix+"/"):
		s.control.ServeHTTP(w, r)
	default:
		s.serveAWS(w, r)
	}
}
