package window

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func window(schedule string, d time.Duration, zone string) v1alpha1.Window {
	return v1alpha1.Window{Schedule: schedule, Duration: metav1.Duration{Duration: d}, TimeZone: zone}
}

func TestLook(t *testing.T) {
	nights := window("0 22 * * *", 8*time.Hour, "UTC")
	berlin := window("0 2 * * *", time.Hour, "Europe/Berlin")
	for name, c := range map[string]struct {
		windows []v1alpha1.Window
		now     string
		open    bool
		until   time.Duration
		says    string
	}{
		"none":                    {nil, "2026-11-21T12:00:00Z", true, 0, "never"},
		"before":                  {[]v1alpha1.Window{nights}, "2026-11-21T21:30:00Z", false, 30 * time.Minute, "2026-11-21 22:00 UTC"},
		"just opened":             {[]v1alpha1.Window{nights}, "2026-11-21T22:00:00Z", true, 8 * time.Hour, "2026-11-22 06:00 UTC"},
		"past midnight":           {[]v1alpha1.Window{nights}, "2026-11-22T05:00:00Z", true, time.Hour, "2026-11-22 06:00 UTC"},
		"just closed":             {[]v1alpha1.Window{nights}, "2026-11-22T06:00:00Z", false, 16 * time.Hour, "2026-11-22 22:00 UTC"},
		"time zone in winter":     {[]v1alpha1.Window{berlin}, "2026-11-22T01:30:00Z", true, 30 * time.Minute, "2026-11-22 03:00 CET"},
		"time zone in summer":     {[]v1alpha1.Window{berlin}, "2026-07-22T00:30:00Z", true, 30 * time.Minute, "2026-07-22 03:00 CEST"},
		"the one that is open":    {[]v1alpha1.Window{nights, window("0 12 * * *", time.Hour, "")}, "2026-11-21T12:30:00Z", true, 30 * time.Minute, ""},
		"the one that opens next": {[]v1alpha1.Window{nights, window("0 12 * * *", time.Hour, "")}, "2026-11-21T11:00:00Z", false, time.Hour, ""},
		"the one that closes last": {[]v1alpha1.Window{window("0 12 * * *", time.Hour, ""), window("0 12 * * *", 3*time.Hour, "")},
			"2026-11-21T12:30:00Z", true, 150 * time.Minute, ""},
		"weekly, far away":   {[]v1alpha1.Window{window("0 22 * * 5", 4*time.Hour, "")}, "2026-11-21T12:00:00Z", false, 6*24*time.Hour + 10*time.Hour, "2026-11-27 22:00 UTC"},
		"cannot be read":     {[]v1alpha1.Window{window("at night", time.Hour, "")}, "2026-11-21T12:00:00Z", false, 0, "never"},
		"never comes to be":  {[]v1alpha1.Window{window("0 0 30 2 *", time.Hour, "")}, "2026-11-21T12:00:00Z", false, 0, "never"},
		"one of two is read": {[]v1alpha1.Window{window("at night", time.Hour, ""), nights}, "2026-11-21T23:00:00Z", true, 7 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			now, err := time.Parse(time.RFC3339, c.now)
			g.Expect(err).NotTo(HaveOccurred())
			got := Look(c.windows, now)
			g.Expect(got.Open).To(Equal(c.open))
			g.Expect(got.Until).To(Equal(c.until))
			if c.says != "" {
				g.Expect(got.String()).To(Equal(c.says))
			}
		})
	}
}

func TestValidate(t *testing.T) {
	g := NewWithT(t)
	ok, schedule, zone := window("@daily", time.Hour, "Asia/Tokyo"), window("0 25 * * *", time.Hour, ""), window("@daily", time.Hour, "Mars/Olympus")
	g.Expect(Validate(&ok)).To(Succeed())
	g.Expect(Validate(&schedule)).To(MatchError(ContainSubstring(`schedule "0 25 * * *"`)))
	g.Expect(Validate(&zone)).To(MatchError(ContainSubstring(`timeZone "Mars/Olympus"`)))
}
