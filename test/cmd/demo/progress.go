package main

import (
	"fmt"
	"regexp"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// maxMessage is how much of a message is shown.
const maxMessage = 130

// progress shows a run as it goes on: one line for each change that says something new.
type progress struct {
	screen *screen
	clock  clock.PassiveClock
	began  time.Time
	last   string
}

func (p *progress) header() {
	p.screen.linef("%s%s", indent, p.screen.paint(dim, fmt.Sprintf("%-6s %-10s %-7s %-7s  %s", "", "PHASE", "NODES", "BLOCKED", "MESSAGE")))
}

// counted are numbers in messages: that a wait has gone on for another second is no news.
var counted = regexp.MustCompile(`[0-9]+`)

func (p *progress) show(run *v1alpha1.KarpenterUpgrade) {
	s := run.Status
	if s.Phase == "" {
		return
	}
	said := fmt.Sprintf("%s %s %d %s", s.Phase, s.Nodes.Progress, s.Nodes.Blocked, counted.ReplaceAllString(s.Message, "#"))
	if said == p.last {
		return
	}
	p.last = said
	elapsed := p.clock.Since(p.began)
	blocked := fmt.Sprintf("%-7d", s.Nodes.Blocked)
	if s.Nodes.Blocked > 0 {
		blocked = p.screen.paint(yellow, blocked)
	}
	p.screen.linef("%s%2d:%02d   %s %-7s %s  %s", indent, int(elapsed.Minutes()), int(elapsed.Seconds())%60,
		p.screen.paint(bold, fmt.Sprintf("%-10s", s.Phase)), s.Nodes.Progress, blocked, shortened(s.Message))
}

func shortened(message string) string {
	runes := []rune(message)
	if len(runes) <= maxMessage {
		return message
	}
	return string(runes[:maxMessage-1]) + "…"
}
