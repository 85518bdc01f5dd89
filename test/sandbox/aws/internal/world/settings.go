package world

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// DefaultSettings are the settings of an emulator that was told nothing else: quick, and in the order of AWS.
func DefaultSettings() control.Settings {
	return control.Settings{
		LaunchDelay:       metav1.Duration{Duration: 2 * time.Second},
		PendingDelay:      metav1.Duration{Duration: 500 * time.Millisecond},
		ShutdownDelay:     metav1.Duration{Duration: time.Second},
		TerminatedVisible: metav1.Duration{Duration: 10 * time.Minute},
		AMIGeneration:     1,
	}
}

// Settings returns the settings in force.
func (w *World) Settings() control.Settings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settings
}

// UpdateSettings changes what the patch sets and returns all settings, or an error and no change.
func (w *World) UpdateSettings(p control.SettingsPatch) (control.Settings, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.settings
	for _, d := range []struct {
		name string
		from *metav1.Duration
		to   *metav1.Duration
	}{
		{"launchDelay", p.LaunchDelay, &next.LaunchDelay}, {"pendingDelay", p.PendingDelay, &next.PendingDelay},
		{"shutdownDelay", p.ShutdownDelay, &next.ShutdownDelay},
		{"terminatedVisible", p.TerminatedVisible, &next.TerminatedVisible},
	} {
		if d.from == nil {
			continue
		}
		if d.from.Duration < 0 {
			return control.Settings{}, fmt.Errorf("%s %s: must not be negative", d.name, d.from.Duration)
		}
		*d.to = *d.from
	}
	if p.AMIGeneration != nil {
		generation, err := w.checkedGeneration(*p.AMIGeneration)
		if err != nil {
			return control.Settings{}, err
		}
		next.AMIGeneration = generation
	}
	w.settings = next
	return next, nil
}

// checkedGeneration refuses a generation that the seed does not have.
func (w *World) checkedGeneration(n int) (int, error) {
	if n < 1 || n > max(1, len(w.seed.Images.Generations)) {
		return 0, fmt.Errorf("amiGeneration %d: the seed has the generations 1 to %d", n, len(w.seed.Images.Generations))
	}
	return n, nil
}
