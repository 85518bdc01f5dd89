package podrunner

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestBackoffIsTheKubelets(t *testing.T) {
	g := NewWithT(t)
	b := DefaultBackoff()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var s backoffState
	var delay time.Duration
	for i, seconds := range []float64{0, 10, 20, 40, 80, 160, 300, 300} {
		delay, s = s.next(b, now)
		g.Expect(delay.Seconds()).To(Equal(seconds), "restart %d", i)
		now = now.Add(delay + time.Second) // it crashes again a second later
	}
	now = now.Add(11 * time.Minute)
	delay, s = s.next(b, now)
	g.Expect(delay).To(BeZero(), "a container that ran for over 10 minutes starts afresh")
	delay, _ = s.next(b, now.Add(time.Second))
	g.Expect(delay).To(Equal(10 * time.Second))
}

func TestExpand(t *testing.T) {
	values := map[string]string{"A": "1", "B": "$(A)"}
	lookup := func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
	for in, want := range map[string]string{
		"":               "",
		"plain":          "plain",
		"$(A)":           "1",
		"x$(A)y$(A)":     "x1y1",
		"$(B)":           "$(A)", // once
		"$(NONE)":        "$(NONE)",
		"$$(A)":          "$(A)",
		"$$$(A)":         "$1",
		"$A":             "$A",
		"$(A":            "$(A",
		"100$":           "100$",
		"--x=$(A),y=$$A": "--x=1,y=$A",
	} {
		NewWithT(t).Expect(expand(in, lookup)).To(Equal(want), in)
	}
}

func TestProbesNeedAsManyResultsInARowAsTheirThresholds(t *testing.T) {
	g := NewWithT(t)
	p := &corev1.Probe{SuccessThreshold: 2, FailureThreshold: 3}
	ready := newTracker(p, false)
	for i, step := range []struct{ ok, want bool }{
		{true, false}, {false, false}, {true, false}, {true, true}, {false, true}, {false, true}, {true, true},
		{false, true}, {false, true}, {false, false}, {true, false}, {true, true},
	} {
		g.Expect(ready.observe(step.ok)).To(Equal(step.want), "step %d", i)
	}
	live := newTracker(&corev1.Probe{FailureThreshold: 2}, true)
	live.observe(false)
	g.Expect(live.exhausted()).To(BeFalse())
	live.observe(true)
	live.observe(false)
	g.Expect(live.exhausted()).To(BeFalse(), "a success in between counts")
	live.observe(false)
	g.Expect(live.exhausted()).To(BeTrue())
}

func TestProbePort(t *testing.T) {
	g := NewWithT(t)
	c := &corev1.Container{Name: "c", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8081}}}
	g.Expect(probePort(c, intstr.FromInt32(80))).To(Equal(80))
	g.Expect(probePort(c, intstr.FromString("http"))).To(Equal(8081))
	g.Expect(probePort(c, intstr.FromString("9090"))).To(Equal(9090))
	_, err := probePort(c, intstr.FromString("metrics"))
	g.Expect(err).To(MatchError(`container c has no port "metrics"`))
}
