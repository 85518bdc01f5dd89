package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

// Colours of a terminal (ECMA-48).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

const indent = "     "

// screen writes for people. It has colours on a terminal only.
type screen struct {
	w       io.Writer
	clock   clock.PassiveClock
	colours bool
	steps   int
	began   time.Time
}

func newScreen(f *os.File, clk clock.PassiveClock) *screen {
	return &screen{w: f, clock: clk, colours: term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""}
}

func (s *screen) paint(colour, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) linef(format string, args ...any) {
	fmt.Fprintf(s.w, format+"\n", args...)
}

// Write implements io.Writer, for what others report of their progress.
func (s *screen) Write(p []byte) (int, error) {
	for l := range strings.Lines(string(p)) {
		s.linef("%s%s", indent, s.paint(dim, strings.TrimRight(l, "\n")))
	}
	return len(p), nil
}

func (s *screen) title() {
	s.linef("%s", s.paint(bold, fmt.Sprintf("Karpenter %s to %s, blue-green, by the karpenter-upgrade-operator", scenario.From, scenario.To)))
}

// step begins a part of the demonstration.
func (s *screen) step(name string, about ...string) {
	s.steps++
	s.began = s.clock.Now()
	s.linef("\n%s %s", s.paint(bold, fmt.Sprintf("%2d.", s.steps)), s.paint(bold, name))
	for _, l := range about {
		s.linef("%s%s", indent, l)
	}
}

func (s *screen) detail(text string) { s.linef("%s%s", indent, s.paint(dim, text)) }

// done ends a part.
func (s *screen) done(text string) {
	s.linef("%s%s %s %s", indent, s.paint(green, "✓"), text, s.paint(dim, fmt.Sprintf("(%.1f s)", s.clock.Since(s.began).Seconds())))
}
