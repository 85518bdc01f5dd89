package release

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestAChartsVersionIsSpelledAsItsReleaseDoes(t *testing.T) {
	g := NewWithT(t)
	for version, spelled := range map[string]string{
		"0.32.10": "v0.32.10", "0.34.13": "v0.34.13", "v0.34.0": "v0.34.0", "0.35.0": "0.35.0", "v0.36.2": "0.36.2", "1.14.1": "1.14.1",
	} {
		g.Expect(ChartVersion(version)).To(Equal(spelled))
	}
}
